import type { Random } from '@pulsemesh/base';
import type { BoardEntry, EntryBodies, EntryKind, PublishedEntry } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';

/** What came of asking a set of parties for something: being late is an ordinary value. */
export interface Gathered<Message> {
  readonly messages: ReadonlyMap<PeerId, Message>;
  /** Asked, and not heard in time; what they send later is answered with the round's end. */
  readonly absent: readonly PeerId[];
}

/** How a message of one step looks and is read. `decode` throws for what is not one: such a message counts as not sent. */
export interface Step<Message> {
  /** Unique within a round, as `advertise`. */
  readonly name: string;
  encode(message: Message): Uint8Array;
  decode(bytes: Uint8Array): Message;
}

/**
 * A party of one run, as the author of a protocol sees it: no sockets, no timers, no disk. A protocol is an asynchronous function
 * over it. Whatever a party awaits is written down before the function goes on (durable execution): started again after a crash,
 * the function runs from its beginning over what is written, with the same random bytes, to where it was, and sends nothing that
 * differs from what it sent. So everything that comes from outside must come through the party.
 */
export interface Party {
  readonly self: PeerId;
  readonly board: BoardOfParty;
  /**
   * The same party within a part of the run (an attempt of a round), with a journal, a seed and messages of its own. Names are 1 … 64 of
   * letters, digits and `. _ : / -`, unique within the run. @throws {RunForgottenError} when the part was forgotten.
   */
  scope(name: string): Promise<Party>;
  /** Milliseconds since 1970, as written down. */
  now(): Promise<number>;
  /**
   * A generator for one purpose; the same after a restart, never the same in another run, round or attempt. A purpose is asked for once.
   */
  random(purpose: string): Random;
  /** Takes the message for good: it goes out, sealed, however long the recipient is away. Same step, same recipient: once. */
  send<Message>(step: Step<Message>, to: PeerId, message: Message): Promise<void>;
  /** Waits until `all` have answered, or `enough` have and the time is over, or the time is over. */
  gather<Message>(
    step: Step<Message>,
    options: { readonly from: readonly PeerId[]; readonly withinMs: number },
  ): Promise<Gathered<Message>>;
  /**
   * As `gather`, giving each message to `take` as it comes and keeping none of them in memory: for long ones. After a restart those that
   * were there in time are given again, in another order perhaps, which must not matter. `take` does not throw.
   */
  gatherEach<Message>(
    step: Step<Message>,
    options: { readonly from: readonly PeerId[]; readonly withinMs: number },
    take: (from: PeerId, message: Message) => void,
  ): Promise<readonly PeerId[]>;
  /** One message of one party; null when the time is over. */
  receive<Message>(step: Step<Message>, from: PeerId, withinMs: number): Promise<Message | null>;
  /**
   * Does something that must not be done twice with another result (training, sampling noise); its bytes are written down. When it throws,
   * nothing is: let the error end the function, which is started again later.
   */
  once(name: string, work: () => Promise<Uint8Array> | Uint8Array): Promise<Uint8Array>;
  /**
   * Forgets what was written for this round, secrets first: afterwards nobody can open its masks, its holder included. What was taken for
   * sending still goes out. Twice is harmless. Of the run: all its rounds too.
   */
  forget(): Promise<void>;
}

export interface BoardOfParty {
  /** Publishes once, whatever crashes. */
  publish<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind]): Promise<PublishedEntry>;
  /** The first entry that fits, once it is verified; null when the time is over. @throws {BoardLiedError} */
  await<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
    withinMs: number,
  ): Promise<EntryOfParty<Kind> | null>;
  /** All entries that fit now, in order, the board being asked for what is new first, as far as it answers. */
  list<Kind extends EntryKind>(
    kind: Kind,
    isIt: (entry: EntryOfParty<Kind>) => boolean,
  ): Promise<readonly EntryOfParty<Kind>[]>;
}

/** A verified entry, as written down. */
export type EntryOfParty<Kind extends EntryKind = EntryKind> = Pick<
  BoardEntry<Kind>,
  'index' | 'id' | 'author' | 'createdMs' | 'body'
>;

/** What carries sealed messages between parties, stored where the recipient is away: a relay's mailbox. Order is not promised. */
export interface Post<Mark> {
  readonly self: PeerId;
  /** Resolves once it is durable on this side. At least once; recipients drop repetitions. At most 900 KiB. */
  send(to: PeerId, bytes: Uint8Array): Promise<void>;
  /** One handler. `mark` belongs in the commit of the effect; resolves with `marked` when it was committed there. */
  receive(handler: (from: PeerId, bytes: Uint8Array, mark: Mark) => Promise<unknown>): void;
}
