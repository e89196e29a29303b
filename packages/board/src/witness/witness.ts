import type { Clock } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import type { TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, equalBytes } from '@pulsemesh/wire';
import { MalformedError } from '../errors.ts';
import { verifyConsistency } from '../merkle/verify.ts';
import { openCheckpoint } from '../notes/checkpoint.ts';
import { cosignText, createNoteVerifier, type NoteVerifier, type SigningKey } from '../notes/keys.ts';
import { formatSignatureLine } from '../notes/note.ts';
import { NoteRefusedError } from '../notes/open.ts';

export interface WitnessOptions {
  /** Under which its cosignatures stand; like a URL without scheme: `hospital.example/witness`. */
  readonly name: string;
  readonly key: SigningKey;
  /** The logs it witnesses; a verifier's name is the log's origin. At most {@link witnessLimits}.logsMax. */
  readonly logs: readonly NoteVerifier[];
}

export const witnessLimits = {
  logsMax: 256,
  /** Requests for one log that wait for each other; further ones are told to come again. */
  waitingMax: 64,
} as const;

export interface WitnessDependencies {
  readonly clock: Clock;
  /** What it remembers lies in the table `witness`; a witness that forgets is none. */
  readonly store: TableStore;
}

/** A checkpoint to cosign, with the proof that it continues what the witness saw last. */
export interface CosignRequest {
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  /** The signed checkpoint. */
  readonly note: Uint8Array;
}

/** What a witness answers; the names are those of the status codes of C2SP tlog-witness. */
export type CosignAnswer =
  | { readonly kind: 'cosigned' /** A signature line with its line feed. */; readonly line: string }
  /** It saw `size` last: the request must begin there. */
  | { readonly kind: 'conflict'; readonly size: number }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown-log' }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'inconsistent' }
  | { readonly kind: 'busy' };

interface Seen {
  readonly size: number;
  readonly root: Uint8Array;
}

const table = 'witness';

/**
 * Cosigns the checkpoints of logs (C2SP tlog-cosignature v1): each continues the one before, none is smaller, and no size ever has two
 * roots. What it saw is durable before its signature exists, so that no crash makes it sign twice.
 */
export class Witness {
  readonly verifier: NoteVerifier;
  readonly #options: WitnessOptions;
  readonly #deps: WitnessDependencies;
  /** The last of those who wait for each other, and how many wait, per log. */
  readonly #queues = new Map<string, { last: Promise<unknown>; count: number }>();

  constructor(options: WitnessOptions, dependencies: WitnessDependencies) {
    if (options.logs.length > witnessLimits.logsMax) throw new RangeError('too many logs');
    this.#options = options;
    this.#deps = dependencies;
    this.verifier = createNoteVerifier(options.name, options.key.publicKey, 'cosignature/v1');
  }

  /** The size it saw last of a log; 0 before the first. */
  sizeOf(origin: string): number {
    return this.#seen(origin)?.size ?? 0;
  }

  /** Never rejects but for a store that failed. */
  async cosign(request: CosignRequest): Promise<CosignAnswer> {
    const opened = this.#open(request.note);
    if ('kind' in opened) return opened;
    const { origin } = opened.checkpoint;
    const queue = this.#queues.get(origin) ?? { last: Promise.resolve(), count: 0 };
    if (queue.count >= witnessLimits.waitingMax) return { kind: 'busy' };
    this.#queues.set(origin, queue);
    queue.count += 1;
    // Looking and remembering are one step: two requests at once would each continue the same size.
    const answer = queue.last.then(() => this.#decide(request, opened));
    queue.last = answer
      .catch(() => {})
      .finally(() => {
        queue.count -= 1;
      });
    return answer;
  }

  #open(note: Uint8Array): ReturnType<typeof openCheckpoint> | CosignAnswer {
    try {
      const opened = openCheckpoint(note, this.#options.logs);
      const isOwn = opened.signatures.some(({ verifier }) => verifier.name === opened.checkpoint.origin);
      if (isOwn) return opened;
      return { kind: this.#knows(opened.checkpoint.origin) ? 'unsigned' : 'unknown-log' };
    } catch (error) {
      if (error instanceof MalformedError) return { kind: 'malformed' };
      if (error instanceof NoteRefusedError) return { kind: this.#knows(originOf(note)) ? 'unsigned' : 'unknown-log' };
      throw error;
    }
  }

  #knows(origin: string): boolean {
    return this.#options.logs.some(({ name }) => name === origin);
  }

  async #decide(
    { oldSize, proof }: CosignRequest,
    { checkpoint, text }: ReturnType<typeof openCheckpoint>,
  ): Promise<CosignAnswer> {
    const { origin, size, root } = checkpoint;
    if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > size) return { kind: 'malformed' };
    const seen = this.#seen(origin);
    const seenSize = seen?.size ?? 0;
    if (oldSize !== seenSize) return { kind: 'conflict', size: seenSize };
    if (seen !== null && size === seenSize && !equalBytes(root, seen.root)) return { kind: 'conflict', size: seenSize };
    if (seen !== null && !verifyConsistency({ oldSize, oldRoot: seen.root, newSize: size, newRoot: root, proof })) {
      return { kind: 'inconsistent' };
    }
    // From nothing there is nothing to prove.
    if (seen === null && proof.length > 0) return { kind: 'inconsistent' };
    await this.#remember(origin, { size, root });
    const { name, key } = this.#options;
    const line = formatSignatureLine(cosignText(text, name, key, Math.floor(this.#deps.clock.now() / 1000)));
    return { kind: 'cosigned', line };
  }

  #seen(origin: string): Seen | null {
    const row = this.#deps.store.get(table, keyOf(origin));
    if (row === undefined) return null;
    const [size, root] = decodeCbor(row) as readonly [number, Uint8Array]; // written below
    return { size, root };
  }

  #remember(origin: string, { size, root }: Seen): Promise<void> {
    const value = encodeCbor([size, root]);
    return this.#deps.store.commit([{ kind: 'put', table, key: keyOf(origin), value }]);
  }
}

function keyOf(origin: string): Uint8Array {
  return sha256(new TextEncoder().encode(origin)); // origins may be longer than keys
}

function originOf(note: Uint8Array): string {
  const end = note.indexOf(0x0a);
  return new TextDecoder().decode(note.subarray(0, Math.max(0, end)));
}
