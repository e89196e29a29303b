import { type Clock, Condition, errorCode, type Random, sleep } from '@pulsemesh/base';
import type { Author, Board, EntryBodies, EntryKind, PublishedEntry } from '@pulsemesh/board';
import { encodeCbor, equalBytes, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { PartyEvents } from './events.ts';
import type { PartyLimits } from './limits.ts';
import type { EntryOfParty } from './party.ts';
import { waitBeforeRetry } from './retry.ts';

/** The board as the parties of one agent use it: asked for what is new while somebody waits, written to until it took the entry. */
export class BoardWatch {
  readonly #board: Board;
  readonly #author: Author;
  readonly #limits: PartyLimits;
  readonly #events: PartyEvents;
  readonly #dependencies: { readonly clock: Clock; readonly random: Random };
  readonly #signal: AbortSignal;
  readonly #waiters = new Set<{ check(): void; fail(error: unknown): void }>();
  readonly #subscription: Disposable;
  #isPolling = false;

  constructor(
    means: { readonly board: Board; readonly author: Author },
    limits: PartyLimits,
    events: PartyEvents,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal },
  ) {
    this.#board = means.board;
    this.#author = means.author;
    this.#limits = limits;
    this.#events = events;
    this.#dependencies = dependencies;
    this.#signal = dependencies.signal;
    this.#subscription = means.board.onEntry(() => {
      for (const waiter of [...this.#waiters]) waiter.check();
    });
  }

  /** Entries of a kind that fit, in order. Repetitions by one author of what it said already are left out. */
  matching<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
  ): readonly EntryOfParty<Kind>[] {
    return this.#board
      .entries(kind)
      .map(({ index, id, author, createdMs, body }) => ({ index, id, author, createdMs, body }))
      .filter(isIt);
  }

  /** Waits for the first one; null after `untilMs` (wall time). @throws what shows that the board lies; `signal.reason` when stopped. */
  first<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
    untilMs: number,
  ): Promise<EntryOfParty<Kind> | null> {
    const { clock } = this.#dependencies;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#waiters.delete(waiter);
        timer.cancel();
        this.#signal.removeEventListener('abort', waiter.stop);
        act();
      };
      const waiter = {
        check: () => {
          const [found] = this.matching(kind, isIt);
          if (found !== undefined) settle(() => resolve(found));
        },
        fail: (error: unknown) => settle(() => reject(error)),
        stop: () => settle(() => reject(this.#signal.reason)),
      };
      const timer = clock.setTimer(() => settle(() => resolve(null)), Math.max(0, untilMs - clock.now()));
      this.#signal.addEventListener('abort', waiter.stop, { once: true });
      this.#waiters.add(waiter);
      waiter.check();
      if (this.#waiters.has(waiter)) void this.#poll();
    });
  }

  /** What is new, as far as the board answers. @throws what shows that it lies. */
  async refresh(): Promise<void> {
    try {
      await this.#board.refresh({ signal: this.#signal });
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }

  /**
   * Offers the entry until the board has it. An entry of ours that says the same and is there already is the one: a former life published it.
   * @throws what the board refuses it with; the last failure after `publishTriesMax`.
   */
  async publish<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind]): Promise<PublishedEntry> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#board.refresh({ signal: this.#signal });
        const known = this.#own(kind, body);
        if (known === null) return await this.#board.publish(kind, body, this.#author, { signal: this.#signal });
        return { ...known, receipt: await this.#board.receipt(known.index, { signal: this.#signal }) };
      } catch (error) {
        if (!isPassing(error) || tries >= this.#limits.publishTriesMax) throw error;
        this.#events.triedAgain('publish', errorCode(error));
        await waitBeforeRetry(tries, this.#limits, this.#dependencies, { signal: this.#signal });
      }
    }
  }

  stop(): void {
    this.#subscription[Symbol.dispose]();
  }

  #own<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind]): { index: number; id: string } | null {
    const self = peerIdOfEd25519(this.#author.publicKey);
    const encoded = encodeCbor(body);
    const [found] = this.matching(
      kind,
      (entry) => entry.author === self && equalBytes(encodeCbor(entry.body), encoded),
    );
    return found === undefined ? null : { index: found.index, id: found.id };
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      while (this.#waiters.size > 0) {
        await this.refresh();
        if (this.#waiters.size > 0) {
          await sleep(this.#dependencies.clock, this.#limits.boardPollMs, { signal: this.#signal });
        }
      }
    } catch (error) {
      for (const waiter of [...this.#waiters]) waiter.fail(error);
    } finally {
      this.#isPolling = false;
    }
  }
}

/** A board that does not answer now will later; one that lies will not get better. */
function isPassing(error: unknown): boolean {
  return error instanceof Condition && error.retryable;
}
