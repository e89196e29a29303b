import { type Clock, errorCode, type Random } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { PartyLimitError } from './errors.ts';
import type { PartyEvents } from './events.ts';
import type { PartyLimits } from './limits.ts';
import type { Post } from './party.ts';
import { encodePiece, type Piece } from './piece.ts';
import { waitBeforeRetry } from './retry.ts';
import { numberKey, type SealedRows, tables } from './rows.ts';

interface Waiting {
  readonly to: PeerId;
  readonly takenMs: number;
  /** As encoded for the post. */
  readonly piece: Uint8Array;
}

/** Pieces taken for sending, kept until the post has them, and handed over a few at a time. */
export class PartyOutbox {
  readonly #rows: SealedRows;
  readonly #post: Pick<Post<never>, 'send'>;
  readonly #limits: PartyLimits;
  readonly #events: PartyEvents;
  readonly #dependencies: { readonly clock: Clock; readonly random: Random };
  readonly #stopping = new AbortController();
  /** Keys that wait, oldest first; what they hold is on the disk. */
  readonly #waiting: Uint8Array[] = [];
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  #next = 0;
  #sending = 0;
  /** Told when nothing waits any more. */
  readonly #idle: (() => void)[] = [];

  constructor(
    rows: SealedRows,
    post: Pick<Post<never>, 'send'>,
    limits: PartyLimits,
    events: PartyEvents,
    dependencies: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#rows = rows;
    this.#post = post;
    this.#limits = limits;
    this.#events = events;
    this.#dependencies = dependencies;
    for (const { key, value } of rows.store.range(tables.outbox)) {
      this.#enqueue(key, value.length);
      this.#next = new DataView(key.buffer, key.byteOffset).getUint32(4) + 1;
    }
  }

  /** What makes these pieces wait, for the commit of whoever sends; call `taken` after it. @throws {PartyLimitError} */
  changesFor(to: PeerId, pieces: readonly Piece[]): { readonly changes: TableChange[]; taken(): void } {
    const takenMs = this.#dependencies.clock.now();
    const bytes = pieces.reduce((sum, { bytes: part }) => sum + part.length, 0);
    if (this.#bytes + bytes > this.#limits.outboxBytesMax) throw new PartyLimitError('outboxBytesMax');
    const rows = pieces.map((piece) => {
      const key = numberKey(this.#next, 8);
      this.#next += 1;
      const waiting: Waiting = { to, takenMs, piece: encodePiece(piece) };
      return { key, size: waiting.piece.length, change: this.#rows.put(tables.outbox, key, waiting) };
    });
    return {
      changes: rows.map(({ change }) => change),
      taken: () => {
        for (const { key, size } of rows) this.#enqueue(key, size);
        this.pump();
      },
    };
  }

  /** Hands over what waits, as far as it may at one time. */
  pump(): void {
    while (this.#sending < this.#limits.sendingMax && !this.#stopping.signal.aborted) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      this.#sending += 1;
      void this.#sendOne(key).finally(() => {
        this.#sending -= 1;
        this.pump();
        if (this.#isIdle() && !this.#stopping.signal.aborted) for (const tell of this.#idle.splice(0)) tell();
      });
    }
  }

  /** Resolves when the post has all that was taken; never once `stop` came before that. */
  sent(): Promise<void> {
    return this.#isIdle() ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#sending === 0;
  }

  stop(reason: unknown): void {
    this.#stopping.abort(reason);
  }

  #enqueue(key: Uint8Array, size: number): void {
    this.#waiting.push(key);
    this.#sizes.set(toHex(key), size);
    this.#bytes += size;
  }

  async #sendOne(key: Uint8Array): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        const row = this.#rows.get(tables.outbox, key) as Waiting | undefined; // as written above
        if (row !== undefined && this.#isWorthIt(row)) await this.#post.send(row.to, row.piece);
        signal.throwIfAborted();
        await this.#rows.store.commit([this.#rows.remove(tables.outbox, key)]);
        this.#bytes -= this.#sizes.get(toHex(key)) ?? 0;
        this.#sizes.delete(toHex(key));
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#events.triedAgain('send', errorCode(error));
        // Stopped meanwhile: it stays on the disk for the next life.
        await waitBeforeRetry(tries, this.#limits, this.#dependencies, { signal }).catch(() => {});
      }
    }
  }

  #isWorthIt({ takenMs }: Waiting): boolean {
    const isWorthIt = this.#dependencies.clock.now() - takenMs <= this.#limits.sendWithinMs;
    if (!isWorthIt) this.#events.sendExpired();
    return isWorthIt;
  }
}
