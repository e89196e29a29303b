import { type Clock, errorCode, type Logger, type Meter, startTicker, type WaitOptions } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import { type BoardClient, openBoardClient } from '../client/board-client.ts';
import { BoardRequests } from '../client/board-requests.ts';
import { BoardLiedError } from '../client/errors.ts';
import type { BoardFetch } from '../client/fetch.ts';
import type { NoteVerifier, SigningKey } from '../notes/keys.ts';
import { formatNote, parseNote, parseSignatureLine } from '../notes/note.ts';
import { Witness } from './witness.ts';

export interface PullWitnessOptions {
  /** Under which its cosignatures stand: `hospital.example/witness`. */
  readonly name: string;
  readonly key: SigningKey;
  readonly board: NoteVerifier;
  readonly url: string;
  /** Holds the log that it follows and what it cosigned; one board each. The caller closes it afterwards. */
  readonly store: TableStore;
  /** How often it asks the board; default {@link pullMsDefault}. */
  readonly pullMs?: number;
}

export const pullMsDefault = 1_000;

export interface PullWitnessDependencies {
  readonly clock: Clock;
  readonly fetch: BoardFetch;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** A witness that asks the board by itself, from behind whatever firewall. */
export interface PullWitness extends AsyncDisposable {
  readonly verifier: NoteVerifier;
  /** The board as it follows it: takes others' checkpoints, and holds the evidence when the board lied. */
  readonly client: BoardClient;
  /** Looks once: what the board has is verified and cosigned. @throws as `Board.refresh`. */
  look(options?: WaitOptions): Promise<void>;
}

/** Starts a witness that follows a board in full, cosigns what continues it, and brings its signatures to the board. */
export async function startPullWitness(
  options: PullWitnessOptions,
  dependencies: PullWitnessDependencies,
): Promise<PullWitness> {
  const { name, key, board, url, store, pullMs = pullMsDefault } = options;
  const { clock, logger, meter } = dependencies;
  const policy = { board, witnesses: [], quorum: 0 };
  const client = await openBoardClient({ url, policy, store, followMs: 0, checkpointPath: 'pending' }, dependencies);
  const witness = new Witness({ name, key, logs: [board] }, { clock, store });
  const requests = new BoardRequests({ url, origin: board.name, checkpointPath: 'pending' }, dependencies);
  const closing = new AbortController();
  let brought = '';
  const look = async (waiting: WaitOptions = {}) => {
    await client.refresh(waiting);
    const note = client.head;
    if (note === null) return;
    const { text } = parseNote(note);
    const oldSize = witness.sizeOf(board.name);
    if (text === brought || oldSize > client.size) return;
    const answer = await witness.cosign({ oldSize, proof: client.consistency(oldSize), note });
    if (answer.kind !== 'cosigned') {
      logger.error('this witness does not cosign what it verified', { why: answer.kind, size: client.size });
      return;
    }
    const signature = parseSignatureLine(answer.line.trimEnd());
    await requests.bringCosignatures(formatNote({ text, signatures: [signature] }), waiting);
    brought = text;
    meter.counter('board_cosigned_total', 'Checkpoints that this witness cosigned').add();
  };
  const ticker = startTicker(
    clock,
    pullMs,
    () => look({ signal: closing.signal }),
    (error) => {
      if (closing.signal.aborted || error instanceof BoardLiedError) return;
      logger.debug('the board was not witnessed', { code: errorCode(error) });
    },
  );
  return {
    verifier: witness.verifier,
    client,
    look,
    async [Symbol.asyncDispose]() {
      ticker.stop();
      closing.abort(new DOMException('closed', 'AbortError'));
      await client[Symbol.asyncDispose]();
    },
  };
}
