import { type Clock, errorCode, type Logger, type Meter, startTicker, withTimeout } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import type { BoardFetch } from '../client/fetch.ts';
import { MalformedError } from '../errors.ts';
import type { BoardLog, SignedCheckpoint } from '../log/board-log.ts';
import { openCheckpoint, parseDecimal } from '../notes/checkpoint.ts';
import { type NoteVerifier, verifyNoteSignature } from '../notes/keys.ts';
import { formatNote, type NoteSignature, parseNote, parseSignatureLine } from '../notes/note.ts';
import { NoteRefusedError } from '../notes/open.ts';
import { formatCosignRequest } from './cosigning.ts';

/** A witness as the board knows it. */
export interface KnownWitness {
  readonly verifier: NoteVerifier;
  /** Where its `add-checkpoint` is; null: it comes by itself. */
  readonly url: string | null;
}

export interface CollectorOptions {
  readonly log: Pick<BoardLog, 'checkpoint' | 'proveConsistency' | 'onCheckpoint' | 'origin'>;
  readonly witnesses: readonly KnownWitness[];
  /** Cosignatures that a checkpoint has before it is shown; default: as many as there are witnesses, at most one. */
  readonly wanted?: number;
  /** The board's tables; this uses `shown`. */
  readonly store: TableStore;
}

export interface CollectorDependencies {
  readonly clock: Clock;
  readonly fetch: BoardFetch;
  readonly logger: Logger;
  readonly meter: Meter;
}

export const collectorLimits = {
  /** Newest checkpoints whose cosignatures are still taken. */
  checkpointsMax: 16,
  /** A checkpoint that waits for cosignatures so long gives way to a newer one. */
  patienceMs: 5_000,
  requestMs: 10_000,
  /** How often witnesses that did not answer are asked again. */
  retryMs: 2_000,
  answerBytesMax: 16 * 1024,
} as const;

interface Pending {
  readonly checkpoint: SignedCheckpoint;
  readonly signatures: Map<string, NoteSignature>;
  readonly sinceMs: number;
}

const table = 'shown';
const shownKey = Uint8Array.of(1);

/**
 * Gets the board's checkpoints cosigned: asks the witnesses that can be reached (C2SP tlog-witness), takes what the others bring, and
 * shows the newest checkpoint that has enough. Runs until disposed.
 */
export class CosignatureCollector implements AsyncDisposable {
  readonly #options: CollectorOptions;
  readonly #deps: CollectorDependencies;
  readonly #wanted: number;
  readonly #pending = new Map<number, Pending>();
  /** What each witness saw last, as far as it said. */
  readonly #sizes = new Map<string, number>();
  readonly #asking = new Set<string>();
  readonly #closing = new AbortController();
  readonly #stack = new DisposableStack();
  #current: Pending;
  #shown: { readonly size: number; readonly note: Uint8Array };

  constructor(options: CollectorOptions, dependencies: CollectorDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#wanted = options.wanted ?? Math.min(1, options.witnesses.length);
    this.#current = this.#begin(options.log.checkpoint);
    this.#shown = this.#lastShown();
    this.#stack.use(options.log.onCheckpoint(() => this.#advance()));
    const ticker = startTicker(
      dependencies.clock,
      collectorLimits.retryMs,
      () => this.#advance(),
      () => {},
    );
    this.#stack.defer(() => ticker.stop());
    this.#advance();
  }

  /** The newest checkpoint with enough cosignatures, as a note. */
  get shown(): Uint8Array {
    return this.#shown.note;
  }

  /** The checkpoint that witnesses are asked to cosign now, as a note. */
  get pending(): Uint8Array {
    return noteOf(this.#current);
  }

  /**
   * Takes a note of this log with cosignatures, or cosignatures for a checkpoint it has: the number of those that were new and are of
   * witnesses it knows.
   * @throws {MalformedError} for what is no checkpoint.
   */
  take(note: Uint8Array): number {
    const { text, signatures } = parseNote(note);
    const pending = [...this.#pending.values()].find(({ checkpoint }) => checkpoint.text === text);
    if (pending === undefined) return 0;
    return signatures.filter((signature) => this.#takeSignature(pending, signature)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException('closed', 'AbortError'));
    this.#stack.dispose();
  }

  #begin(checkpoint: SignedCheckpoint): Pending {
    const begun = { checkpoint, signatures: new Map(), sinceMs: this.#deps.clock.monotonicMs() };
    this.#pending.set(checkpoint.size, begun);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > collectorLimits.checkpointsMax && oldest !== undefined) this.#pending.delete(oldest);
    return begun;
  }

  /** The checkpoint shown before a restart, so that what counted then still does. */
  #lastShown(): { readonly size: number; readonly note: Uint8Array } {
    const { store, log, witnesses } = this.#options;
    const kept = store.get(table, shownKey);
    const newest = { size: log.checkpoint.size, note: log.checkpoint.note };
    if (kept === undefined || this.#wanted === 0) return newest;
    const verifiers = witnesses.map(({ verifier }) => verifier);
    try {
      const { checkpoint, signatures } = openCheckpoint(kept, verifiers);
      return signatures.length >= this.#wanted ? { size: checkpoint.size, note: kept } : newest;
    } catch (error) {
      // The operator changed the witnesses: what the old ones signed is not shown any more.
      if (error instanceof NoteRefusedError || error instanceof MalformedError) return newest;
      throw error;
    }
  }

  #advance(): void {
    if (this.#closing.signal.aborted) return;
    const { log, witnesses } = this.#options;
    const newest = log.checkpoint;
    // Nobody waits for the head of an empty log.
    const isDone = this.#current.signatures.size >= this.#wanted || this.#current.checkpoint.size === 0;
    const isLate = this.#deps.clock.monotonicMs() - this.#current.sinceMs >= collectorLimits.patienceMs;
    if (newest.size > this.#current.checkpoint.size && (isDone || isLate)) this.#current = this.#begin(newest);
    this.#show(this.#current);
    for (const witness of witnesses) void this.#ask(witness, this.#current);
  }

  async #ask({ verifier, url }: KnownWitness, pending: Pending): Promise<void> {
    const { name } = verifier;
    if (url === null || pending.signatures.has(name) || this.#asking.has(name)) return;
    this.#asking.add(name);
    try {
      await this.#request(verifier, url, pending);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#count('unreachable');
      this.#deps.logger.debug('a witness was not reached', { code: errorCode(error) });
    } finally {
      this.#asking.delete(name);
    }
    // Meanwhile there may be a newer one.
    if (this.#current !== pending) this.#advance();
  }

  async #request(verifier: NoteVerifier, url: string, pending: Pending): Promise<void> {
    const { size, note } = pending.checkpoint;
    // A second try with what it said it saw.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const oldSize = this.#sizes.get(verifier.name) ?? 0;
      const proof = this.#options.log.proveConsistency(oldSize, size);
      if (proof === null) return this.#refused('ahead', size);
      const body = formatCosignRequest({ oldSize, proof, note });
      const { clock, fetch } = this.#deps;
      const answer = await withTimeout(
        clock,
        'asking a witness',
        collectorLimits.requestMs,
        async (signal) => {
          const response = await fetch(`${url.replace(/\/$/, '')}/add-checkpoint`, { method: 'POST', body, signal });
          return { status: response.status, body: await response.bytes(collectorLimits.answerBytesMax) };
        },
        { signal: this.#closing.signal },
      );
      const text = new TextDecoder().decode(answer.body);
      if (answer.status === 200) {
        this.#sizes.set(verifier.name, size);
        this.#takeLines(text, pending);
        return;
      }
      const seen = answer.status === 409 ? parseDecimal(text.trimEnd()) : null;
      if (seen === null || seen === oldSize) return this.#refused(`status-${answer.status}`, size);
      this.#sizes.set(verifier.name, seen);
    }
  }

  #takeLines(text: string, pending: Pending): void {
    for (const line of text.split('\n').slice(0, this.#options.witnesses.length + 1)) {
      if (line !== '') this.#takeSignature(pending, parseSignatureLine(line));
    }
  }

  #takeSignature(pending: Pending, signature: NoteSignature): boolean {
    const known = this.#options.witnesses.find(
      ({ verifier }) => verifier.name === signature.name && verifier.keyId === signature.keyId,
    );
    if (known === undefined || pending.signatures.has(known.verifier.name)) return false;
    if (verifyNoteSignature(pending.checkpoint.text, signature, known.verifier) === null) return false;
    pending.signatures.set(known.verifier.name, signature);
    this.#count('cosigned');
    this.#show(pending);
    if (pending === this.#current && pending.signatures.size >= this.#wanted) this.#advance();
    return true;
  }

  #show(pending: Pending): void {
    const { size } = pending.checkpoint;
    if (pending.signatures.size < this.#wanted || size < this.#shown.size) return;
    this.#shown = { size, note: noteOf(pending) };
    this.#deps.meter.gauge('board_shown_entries', 'Entries under the checkpoint that is shown').set(size);
    if (pending.signatures.size === 0) return;
    const put = { kind: 'put', table, key: shownKey, value: this.#shown.note } as const;
    // Only what was shown before a restart is lost with it; the log itself says when its disk fails.
    this.#options.store.commit([put]).catch((error) => {
      this.#deps.logger.warn('the checkpoint shown was not kept', { code: errorCode(error) });
    });
  }

  /** A witness that saw more than there is, or something else: the log was put back from a copy, or there are two of it. */
  #refused(why: string, size: number): void {
    this.#count('refused');
    this.#deps.logger.error('a witness refuses the checkpoint of this board', { why, size });
  }

  #count(outcome: 'cosigned' | 'refused' | 'unreachable'): void {
    const help = 'Answers of witnesses';
    this.#deps.meter.counter('board_cosignatures_total', help, ['outcome']).add(1, { outcome });
  }
}

function noteOf({ checkpoint, signatures }: Pending): Uint8Array {
  const own = parseNote(checkpoint.note);
  return formatNote({ text: own.text, signatures: [...own.signatures, ...signatures.values()] });
}
