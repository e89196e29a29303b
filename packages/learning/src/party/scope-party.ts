import { assert, type Clock, type Random } from '@pulsemesh/base';
import type { EntryBodies, EntryKind, PublishedEntry } from '@pulsemesh/board';
import { sha256 } from '@pulsemesh/crypto';
import { encodeCbor, equalBytes, type PeerId, toHex } from '@pulsemesh/wire';
import type { BoardWatch } from './board-watch.ts';
import { PartyLimitError, RunForgottenError } from './errors.ts';
import type { PartyEvents } from './events.ts';
import type { PartyInbox } from './inbox.ts';
import { Journal } from './journal.ts';
import type { PartyLimits } from './limits.ts';
import type { PartyOutbox } from './outbox.ts';
import type { BoardOfParty, EntryOfParty, Gathered, Party, Step } from './party.ts';
import { isName, piecesOf } from './piece.ts';
import type { SealedRows } from './rows.ts';
import { randomOfSeed } from './scope-random.ts';
import { runScope, type Scopes } from './scopes.ts';

/** What the parties of one agent share. */
export interface PartyHouse {
  readonly self: PeerId;
  readonly rows: SealedRows;
  readonly scopes: Scopes;
  readonly inbox: PartyInbox;
  readonly outbox: PartyOutbox;
  readonly board: BoardWatch;
  readonly limits: PartyLimits;
  readonly events: PartyEvents;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One party in one part of a run. Everything it awaits goes through its journal. */
export class ScopeParty implements Party {
  readonly self: PeerId;
  readonly board: BoardOfParty;
  readonly #house: PartyHouse;
  readonly #run: string;
  readonly #scope: string;
  readonly #seed: Uint8Array;
  readonly #journal: Journal;
  readonly #purposes = new Set<string>();
  #isForgotten = false;

  /** `seed` is durable. */
  constructor(house: PartyHouse, run: string, scope: string, seed: Uint8Array) {
    this.self = house.self;
    this.#house = house;
    this.#run = run;
    this.#scope = scope;
    this.#seed = seed;
    this.#journal = new Journal(house.rows, run, scope, house.limits);
    this.board = {
      publish: (kind, body) => this.#publish(kind, body),
      await: (kind, isIt, withinMs) => this.#awaitEntry(kind, isIt, withinMs),
      list: (kind, isIt) => this.#list(kind, isIt),
    };
  }

  async scope(name: string): Promise<Party> {
    assert(isName(name) && name !== runScope, 'a scope has a name');
    assert(this.#scope === runScope, 'scopes are parts of a run, not of each other');
    return new ScopeParty(this.#house, this.#run, name, await this.#house.scopes.open(this.#run, name));
  }

  now(): Promise<number> {
    return this.#journaled('now', () => this.#house.clock.now());
  }

  random(purpose: string): Random {
    this.#assertLive();
    assert(!this.#purposes.has(purpose), 'a purpose is asked for once');
    this.#purposes.add(purpose);
    return randomOfSeed(this.#seed, purpose);
  }

  async send<Message>(step: Step<Message>, to: PeerId, message: Message): Promise<void> {
    this.#assertLive();
    const slot = this.#journal.next(`send ${step.name} ${to}`);
    const bytes = step.encode(message);
    const hash = sha256(bytes);
    if (bytes.length > this.#house.limits.messageBytesMax) throw new PartyLimitError('messageBytesMax');
    const written = slot.result();
    if (written !== undefined) {
      // What went out in a former life is what goes out now, or nothing does.
      if (!(written instanceof Uint8Array) || !equalBytes(written, hash)) slot.mismatch('another message');
      return;
    }
    const pieces = piecesOf({ run: this.#run, scope: this.#scope, step: step.name }, bytes, this.#house.limits);
    const { changes, taken } = this.#house.outbox.changesFor(to, pieces);
    await slot.write(hash, changes);
    taken();
  }

  async gather<Message>(
    step: Step<Message>,
    options: { readonly from: readonly PeerId[]; readonly withinMs: number },
  ): Promise<Gathered<Message>> {
    const messages = new Map<PeerId, Message>();
    await this.gatherEach(step, options, (from, message) => void messages.set(from, message));
    return { messages, absent: [...new Set(options.from)].filter((peer) => !messages.has(peer)) };
  }

  async gatherEach<Message>(
    step: Step<Message>,
    options: { readonly from: readonly PeerId[]; readonly withinMs: number },
    take: (from: PeerId, message: Message) => void,
  ): Promise<readonly PeerId[]> {
    this.#assertLive();
    const from = [...new Set(options.from)];
    const asked = toHex(sha256(encodeCbor(from))).slice(0, 16);
    const slot = this.#journal.next(`gather ${step.name} ${asked}`);
    const written = slot.result() as readonly PeerId[] | undefined; // as written below
    if (written !== undefined) return this.#takeAgain(step, written, take);
    const untilMs = await this.#deadline(slot, options.withinMs);
    const present = await this.#wait(step, from, untilMs, take);
    await slot.write(present);
    return present;
  }

  async receive<Message>(step: Step<Message>, from: PeerId, withinMs: number): Promise<Message | null> {
    const { messages } = await this.gather(step, { from: [from], withinMs });
    return messages.get(from) ?? null;
  }

  async once(name: string, work: () => Promise<Uint8Array> | Uint8Array): Promise<Uint8Array> {
    this.#assertLive();
    const slot = this.#journal.next(`once ${name}`);
    const written = slot.result();
    if (written instanceof Uint8Array) return written;
    const bytes = await work();
    if (bytes.length > this.#house.limits.messageBytesMax) throw new PartyLimitError('messageBytesMax');
    await slot.write(bytes);
    return bytes;
  }

  async forget(): Promise<void> {
    this.#isForgotten = true;
    const { scopes, inbox } = this.#house;
    const names = this.#scope === runScope ? [...scopes.ofRun(this.#run), runScope] : [this.#scope];
    for (const name of new Set(names)) {
      await scopes.forget(this.#run, name, () => inbox.forget(this.#run, name));
    }
  }

  #assertLive(): void {
    this.#house.signal.throwIfAborted();
    if (this.#isForgotten) throw new RunForgottenError(this.#run, this.#scope);
  }

  async #journaled<Value>(what: string, make: () => Value | Promise<Value>): Promise<Value> {
    this.#assertLive();
    const slot = this.#journal.next(what);
    const written = slot.result();
    if (written !== undefined) return written as Value; // as written by this very step
    const value = await make();
    await slot.write(value);
    return value;
  }

  /** Until when, wall time: as a former life began to wait, or from now. */
  async #deadline(slot: ReturnType<Journal['next']>, withinMs: number): Promise<number> {
    const begun = slot.begun();
    if (typeof begun === 'number') return begun;
    const untilMs = this.#house.clock.now() + withinMs;
    await slot.begin(untilMs);
    return untilMs;
  }

  #wait<Message>(
    step: Step<Message>,
    from: readonly PeerId[],
    untilMs: number,
    take: (from: PeerId, message: Message) => void,
  ): Promise<readonly PeerId[]> {
    const { clock, signal, inbox } = this.#house;
    const open = new Set(from);
    const present: PeerId[] = [];
    return new Promise((resolve, reject) => {
      const end = (act: () => void) => {
        timer.cancel();
        subscription[Symbol.dispose]();
        signal.removeEventListener('abort', stop);
        act();
      };
      const stop = () => end(() => reject(signal.reason));
      const look = () => {
        for (const peer of [...open]) {
          const read = this.#read(step, peer);
          if (read === null) continue;
          open.delete(peer);
          if (read === 'unreadable') continue;
          present.push(peer);
          take(peer, read.message);
        }
        if (open.size === 0) end(() => resolve(present));
      };
      const timer = clock.setTimer(() => end(() => resolve(present)), Math.max(0, untilMs - clock.now()));
      const subscription = inbox.onMessage(look);
      signal.addEventListener('abort', stop, { once: true });
      look();
    });
  }

  #read<Message>(step: Step<Message>, from: PeerId): { readonly message: Message } | 'unreadable' | null {
    const bytes = this.#house.inbox.read(this.#run, this.#scope, step.name, from);
    if (bytes === null) return null;
    try {
      return { message: step.decode(bytes) };
    } catch {
      this.#house.events.refused('unreadable');
      return 'unreadable';
    }
  }

  #takeAgain<Message>(
    step: Step<Message>,
    present: readonly PeerId[],
    take: (from: PeerId, message: Message) => void,
  ): readonly PeerId[] {
    return present.filter((peer) => {
      const read = this.#read(step, peer);
      if (read === null || read === 'unreadable') return false;
      take(peer, read.message);
      return true;
    });
  }

  async #publish<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind]): Promise<PublishedEntry> {
    const hash = toHex(sha256(encodeCbor(body)));
    return this.#journaled(`publish ${kind} ${hash.slice(0, 16)}`, () => this.#house.board.publish(kind, body));
  }

  async #awaitEntry<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
    withinMs: number,
  ): Promise<EntryOfParty<Kind> | null> {
    this.#assertLive();
    const slot = this.#journal.next(`await ${kind}`);
    const written = slot.result();
    if (written !== undefined) return written as EntryOfParty<Kind> | null; // as written below
    const untilMs = await this.#deadline(slot, withinMs);
    const found = await this.#house.board.first(kind, isIt, untilMs);
    await slot.write(found);
    return found;
  }

  #list<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
  ): Promise<readonly EntryOfParty<Kind>[]> {
    return this.#journaled(`list ${kind}`, async () => {
      await this.#house.board.refresh();
      return this.#house.board.matching(kind, isIt);
    });
  }
}
