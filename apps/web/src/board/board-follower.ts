import { type Clock, withTimeout } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import { type AnyBoardEntry, EntryRefusedError, type Evidence, parseEntry } from '@pulsemesh/board';
import {
  type BoardClient,
  type BoardFetch,
  formatEvidence,
  openBoardClient,
  parseEvidence,
  verifyEvidence,
} from '@pulsemesh/board/client';
import {
  type BoardPolicy,
  openCheckpoint,
  parseReceipt,
  parseVerifierKey,
  type VerifiedSignature,
  verifyReceipt,
} from '@pulsemesh/board/verify';
import { sha256 } from '@pulsemesh/crypto';
import { accountant, type TaskView, viewOfLearning } from '@pulsemesh/learning/view';
import type { BoardPlaceView } from '@pulsemesh/node/api';
import { createMemoryTables } from '@pulsemesh/store/memory';
import { parsePeerId, toHex } from '@pulsemesh/wire';
import type { FetchedReceipt, HeadView, LieView, News, ReceiptVerdict, RefreshEnd, Remembered } from './messages.ts';

export interface FollowerOptions {
  readonly place: BoardPlaceView;
  /** Where the board's resources are, without a slash at the end. */
  readonly url: string;
  readonly remembered: Remembered;
}

export interface FollowerDependencies {
  readonly clock: Clock;
  readonly fetch: BoardFetch;
  readonly tell: (news: News) => void;
}

/** Entries told in one piece: a long board shows that it is being read. */
const entriesAtOnce = 200;
/** Bytes of a receipt as the board gives it. */
const receiptBytesMax = 128 * 1024;
/** How long the board may take for a receipt before the own copy gives one. */
const receiptMs = 10_000;

/**
 * Follows a board for a page: everything is verified here, with the keys alone (signatures of entries, the tree, the checkpoint's
 * signature, the witnesses' quorum). Made for a thread of its own, since a signature costs a browser one or two milliseconds.
 */
export class BoardFollower implements AsyncDisposable {
  readonly #client: BoardClient;
  readonly #policy: BoardPolicy;
  readonly #options: FollowerOptions;
  readonly #deps: FollowerDependencies;
  readonly #entries: AnyBoardEntry[] = [];
  readonly #byIndex = new Map<number, AnyBoardEntry>();
  #untold: AnyBoardEntry[] = [];
  #rememberedSize = 0;

  private constructor(client: BoardClient, policy: BoardPolicy, options: FollowerOptions, deps: FollowerDependencies) {
    this.#client = client;
    this.#policy = policy;
    this.#options = options;
    this.#deps = deps;
    client.onEntry((entry) => this.#take(entry));
    client.onEvidence((evidence) => deps.tell({ news: 'lie', lie: this.#lieOf(evidence) }));
  }

  /** Opens what is remembered and makes no request yet. @throws a Condition for keys that cannot be read; an AssertionError for a policy without sense. */
  static async open(options: FollowerOptions, deps: FollowerDependencies): Promise<BoardFollower> {
    const { key, witnesses, quorum, authorities } = options.place;
    const policy = { board: parseVerifierKey(key), witnesses: witnesses.map(parseVerifierKey), quorum };
    const store = createMemoryTables();
    const client = await openBoardClient(
      { url: options.url, policy, store, authorities: authorities.map(parsePeerId), followMs: 0 },
      { clock: deps.clock, fetch: deps.fetch },
    );
    const follower = new BoardFollower(client, policy, options, deps);
    await follower.#recall(options.remembered);
    return follower;
  }

  /** Looks for what is new. @throws {BoardUnreachableError}; {BoardLiedError}, of which the page is told besides. */
  async refresh(): Promise<RefreshEnd> {
    try {
      await this.#client.refresh();
    } finally {
      this.#tellEntries();
    }
    const head = this.#client.head === null ? null : this.#headOf(this.#client.head);
    return { head, isBehindMemory: this.#client.size < this.#rememberedSize };
  }

  /** Every task of the board as a page shows it, newest first, re-checked. */
  tasks(nowMs: number): readonly TaskView[] {
    return viewOfLearning(this.#entries, { nowMs, verify: { accountant, hashOf: (bytes) => toHex(sha256(bytes)) } });
  }

  /** The receipt of an entry that was verified, by the board or, where it is out of reach, from what was read of it. @throws RangeError where there is none. */
  async receipt(index: number): Promise<FetchedReceipt> {
    const own = await this.#client.receipt(index);
    // Held against the entry that was asked for, whichever place the receipt names.
    const leaf = this.#byIndex.get(index)?.leaf ?? null;
    const given = await this.#receiptOfBoard(index);
    const bytes = given ?? own;
    return { bytes, from: given === null ? 'copy' : 'board', verdict: await this.check(bytes, leaf) };
  }

  /** Checks a receipt from wherever: with the keys alone, offline. Without `leaf` it is held against what was read of the board. */
  async check(receipt: Uint8Array, leaf: Uint8Array | null): Promise<ReceiptVerdict> {
    try {
      const { index, checkpoint } = parseReceipt(receipt);
      const bytes = leaf ?? this.#byIndex.get(index)?.leaf;
      if (bytes === undefined) return { kind: 'entry-missing', index };
      const { checkpoint: head, signatures } = verifyReceipt(receipt, bytes, this.#policy);
      const entry = readable(bytes, index, head.origin);
      const heard = await this.#client.hear(checkpoint);
      return {
        kind: 'genuine',
        origin: head.origin,
        index,
        size: head.size,
        cosigners: cosignersOf(signatures),
        entry,
        heard,
      };
    } catch (error) {
      if (!(error instanceof Condition)) throw error;
      const { reason } = error.facts;
      return { kind: 'refused', reason: typeof reason === 'string' ? reason : error.code };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  /** What the browser kept may be damaged, or of another board: it then counts as nothing. */
  async #recall({ note, evidence }: Remembered): Promise<void> {
    try {
      if (evidence !== null) await this.#client.hearEvidence(parseEvidence(evidence).evidence);
      if (note === null) return;
      const bytes = new TextEncoder().encode(note);
      if ((await this.#client.hear(bytes)) === 'not-ours') return;
      this.#rememberedSize = openCheckpoint(bytes, [this.#policy.board]).checkpoint.size;
    } catch (error) {
      if (!(error instanceof Condition)) throw error;
    }
  }

  #take(entry: AnyBoardEntry): void {
    const own = withOwnBytes(entry);
    this.#entries.push(own);
    this.#byIndex.set(own.index, own);
    this.#untold.push(own);
    if (this.#untold.length >= entriesAtOnce) this.#tellEntries();
  }

  #tellEntries(): void {
    if (this.#untold.length === 0) return;
    this.#deps.tell({ news: 'entries', entries: this.#untold });
    this.#untold = [];
  }

  #headOf(note: Uint8Array): HeadView {
    const { checkpoint, signatures } = openCheckpoint(note, [this.#policy.board, ...this.#policy.witnesses]);
    const { size, root } = checkpoint;
    return { size, root: toHex(root), note: new TextDecoder().decode(note), cosigners: cosignersOf(signatures) };
  }

  #lieOf(evidence: Evidence): LieView {
    const { text, sizes } = verifyEvidence(evidence, this.#policy.board);
    return { text, sizes, file: formatEvidence(evidence, this.#options.place.key) };
  }

  async #receiptOfBoard(index: number): Promise<Uint8Array | null> {
    try {
      return await withTimeout(this.#deps.clock, 'the receipt', receiptMs, async (signal) => {
        const answer = await this.#deps.fetch(`${this.#options.url}/receipt/${index}`, { method: 'GET', signal });
        if (answer.status !== 200) return null;
        const bytes = await answer.bytes(receiptBytesMax);
        parseReceipt(bytes);
        return bytes;
      });
    } catch {
      return null; // nothing, or no receipt: the own copy has the same proof
    }
  }
}

/** The entry on buffers of its own: a view into a bundle would be sent with all of the bundle. */
function withOwnBytes(entry: AnyBoardEntry): AnyBoardEntry {
  const fields = Object.entries(entry.body).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? value.slice() : value,
  ]);
  // The same fields with the same values.
  return { ...entry, leaf: entry.leaf.slice(), body: Object.fromEntries(fields) } as AnyBoardEntry;
}

function cosignersOf(signatures: readonly VerifiedSignature[]) {
  return signatures.flatMap(({ verifier, timeSeconds }) =>
    timeSeconds === null ? [] : [{ name: verifier.name, atMs: timeSeconds * 1000 }],
  );
}

function readable(leaf: Uint8Array, index: number, origin: string): AnyBoardEntry | null {
  try {
    return parseEntry(leaf, { index, origin });
  } catch (error) {
    if (error instanceof EntryRefusedError) return null;
    throw error;
  }
}
