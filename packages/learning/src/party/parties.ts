import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import { assert } from '@pulsemesh/base';
import type { Author, Board } from '@pulsemesh/board';
import type { Box } from '@pulsemesh/crypto';
import { lockDirectory, type TableChange, type TableStore } from '@pulsemesh/store';
import { BoardWatch } from './board-watch.ts';
import { PartyClosedError, RunInUseError } from './errors.ts';
import { createPartyEvents } from './events.ts';
import { PartyInbox, type PartyRefusal } from './inbox.ts';
import { type PartyLimits, partyLimits } from './limits.ts';
import { PartyOutbox } from './outbox.ts';
import type { Party, Post } from './party.ts';
import { isName } from './piece.ts';
import { SealedRows } from './rows.ts';
import { type PartyHouse, ScopeParty } from './scope-party.ts';
import { runScope, Scopes } from './scopes.ts';

/** What an agent's parties are made of. */
export interface PartyMeans {
  /** Its marks go into the commits of `store`: it is the store that the post keeps its state in. */
  readonly post: Post<readonly TableChange[]>;
  readonly board: Board;
  /** Signs entries: the key behind `post.self`. */
  readonly author: Author;
  readonly store: TableStore;
  /** Seals what is kept of runs, seeds above all. */
  readonly box: Box;
  /** A directory that is locked as long as the parties live: two processes on one journal would use one seed twice. Null: memory. */
  readonly lock: string | null;
  readonly limits?: Partial<PartyLimits>;
}

export interface PartyDependencies {
  readonly clock: Clock;
  /** Of seeds: the system's. */
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** The parties of one agent in all its runs, over one store, post and board. Disposing closes them; nothing of them is lost. */
export interface Parties extends AsyncDisposable {
  /** What came and was not kept, by reason. */
  readonly refusals: ReadonlyMap<PartyRefusal, number>;
  /**
   * The party in one run (a task's entry, say): as it was, or new. The name is 1 … 64 of letters, digits and `. _ : / -`. Open at most once
   * at a time. @throws {RunInUseError}; {RunForgottenError}.
   */
  open(run: string): Promise<Party & Disposable>;
  /** Resolves when the post has all that was sent so far, else never: for whoever ends, with a limit. */
  sent(): Promise<void>;
}

/**
 * Opens the parties of an agent: takes what comes by the post for any run, and goes on sending what a former life took for sending.
 * Neither post, board nor store are disposed with them.
 * @throws {StoreInUseError} while another process has the lock; {SealBrokenError} when the journal is of another key or was altered.
 */
export async function openParties(means: PartyMeans, dependencies: PartyDependencies): Promise<Parties> {
  const stack = new DisposableStack();
  try {
    if (means.lock !== null) stack.use(lockDirectory(means.lock));
    const parties = await OpenParties.open(means, dependencies, stack);
    return parties;
  } catch (error) {
    stack.dispose();
    throw error;
  }
}

class OpenParties implements Parties {
  readonly refusals: ReadonlyMap<PartyRefusal, number>;
  readonly #house: PartyHouse;
  readonly #stopping: AbortController;
  readonly #stack: DisposableStack;
  readonly #open = new Set<string>();

  private constructor(
    house: PartyHouse,
    refusals: ReadonlyMap<PartyRefusal, number>,
    stopping: AbortController,
    stack: DisposableStack,
  ) {
    this.#house = house;
    this.refusals = refusals;
    this.#stopping = stopping;
    this.#stack = stack;
  }

  static async open(means: PartyMeans, dependencies: PartyDependencies, stack: DisposableStack): Promise<OpenParties> {
    const { clock, logger, meter } = dependencies;
    const limits = { ...partyLimits, ...means.limits };
    const events = createPartyEvents(logger, meter);
    const stopping = new AbortController();
    const { signal } = stopping;
    const rows = new SealedRows(means.store, means.box);
    const scopes = new Scopes(rows, limits, dependencies);
    await scopes.finishForgetting();
    const inbox = new PartyInbox(rows, scopes, limits, events);
    const outbox = new PartyOutbox(rows, means.post, limits, events, dependencies);
    const board = new BoardWatch(means, limits, events, { ...dependencies, signal });
    stack.defer(() => board.stop());
    const self = means.post.self;
    const house: PartyHouse = { self, rows, scopes, inbox, outbox, board, limits, events, clock, signal };
    means.post.receive((from, bytes, mark) => {
      signal.throwIfAborted();
      return inbox.take(from, bytes, mark);
    });
    outbox.pump();
    return new OpenParties(house, events.refusals, stopping, stack);
  }

  async open(run: string): Promise<Party & Disposable> {
    assert(isName(run), 'a run has a name');
    this.#house.signal.throwIfAborted();
    if (this.#open.has(run)) throw new RunInUseError(run);
    this.#open.add(run);
    try {
      const seed = await this.#house.scopes.open(run, runScope);
      const party = new ScopeParty(this.#house, run, runScope, seed);
      return Object.assign(party, { [Symbol.dispose]: () => void this.#open.delete(run) });
    } catch (error) {
      this.#open.delete(run);
      throw error;
    }
  }

  sent(): Promise<void> {
    return this.#house.outbox.sent();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const reason = new PartyClosedError();
    this.#stopping.abort(reason);
    this.#house.outbox.stop(reason);
    this.#stack.dispose();
  }
}
