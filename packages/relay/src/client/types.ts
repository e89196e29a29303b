import type { Clock, Logger, Meter, Random, WaitOptions } from '@pulsemesh/base';
import type { PairHint, PairSession } from '@pulsemesh/identity/envelope';
import type { LinkSession, LinkStream } from '@pulsemesh/link';
import type { Priority } from '../engine.ts';
import type { InboxId } from '../inbox-id.ts';
import type { EnvelopeKind } from './pairs/envelope-kind.ts';

export interface ClientDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What the client needs of a link; `Link` of @pulsemesh/link fits. */
export interface RelayLink {
  readonly session: LinkSession | null;
  /** At once with the session there is, then with every new one. */
  onSession(handler: (session: LinkSession) => void): Disposable;
}

/** One relay the agent uses. */
export interface RelayUse {
  /** What this agent calls it: in `RelayEvent`s, in stored positions, as a metric label. The relay's peer id does well. */
  readonly name: string;
  readonly link: RelayLink;
}

/** Seals to, and opens from, whoever `Contact` describes; `createEnvelopeSealer` makes one. */
export interface Sealer<Contact> {
  /** The inbox that a message to this contact goes to now. */
  inboxOf(contact: Contact): InboxId;
  /** Where streams and requests to the contact go. */
  addressOf(contact: Contact): InboxId;
  /** With the message's id (16 bytes) inside, so that a relay cannot give the same envelope out as another message. */
  seal(to: Contact, bytes: Uint8Array, messageId: Uint8Array, kind?: EnvelopeKind): Uint8Array | Promise<Uint8Array>;
  /** Throws where it is not for us, or not by whom it says. */
  open(envelope: Uint8Array): Opened<Contact> | Promise<Opened<Contact>>;
  /** Absent: no pair sessions. */
  readonly pairs?: PairKeys<Contact>;
}

/** What pair sessions need to know of contacts and keys; `createEnvelopeSealer` gives it. */
export interface PairKeys<Contact> {
  /** Ed25519, 32 bytes. */
  keyOf(contact: Contact): Uint8Array;
  contactOf(publicKey: Uint8Array): Contact | null;
  /** The X25519 keys that our card and theirs show now. */
  sealingKeysOf(contact: Contact): { readonly own: Uint8Array; readonly theirs: Uint8Array };
  begin(to: Contact): { readonly session: PairSession; readonly handshake: Uint8Array };
  /** @throws {SealRefusedError} */
  accept(handshake: Uint8Array): {
    readonly session: PairSession;
    readonly senderKey: Uint8Array;
    /** The sender's clock, milliseconds since 1970. */
    readonly createdMs: number;
  };
  /** @throws {PairStateError} */
  restore(state: Uint8Array): PairSession;
  sealHint(to: Contact, session: string): Uint8Array;
  openHint(hint: Uint8Array): PairHint | null;
}

export interface Opened<Contact> {
  readonly from: Contact;
  readonly bytes: Uint8Array;
  /** As sealed inside. A message that comes under another one is dropped. */
  readonly messageId: Uint8Array;
  /** Default `plain`. */
  readonly kind?: EnvelopeKind;
}

/** A message on its way to the relays, sealed. */
export interface OutboxEntry {
  /** 32 hex digits. */
  readonly messageId: string;
  readonly to: readonly InboxId[];
  /** Names of relays; those that this client does not have are left out. Empty: all. */
  readonly relays: readonly string[];
  readonly envelope: Uint8Array;
  readonly priority: Priority;
  /** Wall time, milliseconds; not sent any more after it. */
  readonly expiresMs: number;
  readonly receiptTo: InboxId | null;
}

/** Keeps messages until a relay has them. */
export interface Outbox {
  /** Resolves once it is durable, as far as this outbox is. */
  add(entry: OutboxEntry): Promise<void>;
  remove(messageId: string): Promise<void>;
  /** What is there, oldest first; asked once, at the start. */
  entries(): Promise<readonly OutboxEntry[]>;
}

/** How far a mailbox at a relay was read: for noticing that a relay lost its store. */
export interface InboxPosition {
  readonly relay: string;
  readonly inbox: InboxId;
  readonly epoch: string;
  readonly offset: number;
}

/**
 * Which messages were acted upon. A `Mark` is what must become durable together with the effect of a message: for tables, changes that
 * belong in the effect's commit.
 */
export interface InboxState<Mark> {
  /** By id alone: whichever relay and whichever of the agent's inboxes it came by, it is the same message. */
  isDone(messageId: Uint8Array): boolean | Promise<boolean>;
  markOf(messageId: Uint8Array): Mark;
  /** Makes the mark durable, for handlers that did not. */
  write(mark: Mark): Promise<void>;
  positions(): Promise<readonly InboxPosition[]>;
  savePosition(position: InboxPosition): Promise<void>;
}

/** A message as it is stored at the relay. */
export interface RawMessage {
  readonly inbox: InboxId;
  readonly messageId: Uint8Array;
  readonly envelope: Uint8Array;
  readonly priority: Priority;
  /** The relay's clock, milliseconds. */
  readonly storedMs: number;
  /** The relay that delivered it first. */
  readonly relay: string;
  /** Tells the sender that a person saw it, where the sender asked for receipts. */
  read(): void;
}

/** A message opened. */
export interface ReceivedMessage<Contact> extends RawMessage, Omit<Opened<Contact>, 'kind'> {}

/** A message of somebody who is not among the contacts. */
export interface StrangersMessage extends RawMessage {
  /** Ed25519, 32 bytes: proven. */
  readonly publicKey: Uint8Array;
  /** False: as many of strangers wait already as may; it is dropped, whatever the handler says. */
  readonly canBeKept: boolean;
}

/**
 * What becomes of it. `keep`: it stays at the relay, not acknowledged; it is opened again before the sender's next message that opens, and
 * on the next session.
 */
export type StrangerHandler = (message: StrangersMessage) => 'keep' | 'drop';

/**
 * Acts on one message. Resolves with `marked` when it made `mark` durable itself, in one transaction with the effect: then
 * the effect happens exactly once, whatever crashes. Otherwise the client writes the mark after it: at least once.
 * When it rejects, it is called again a little later, a few times.
 */
export type MessageHandler<Message, Mark> = (message: Message, mark: Mark) => Promise<unknown>;

export interface SendOptions extends WaitOptions {
  /** How long it is worth delivering, seconds; default and most 14 days. */
  readonly ttlSeconds?: number;
  readonly priority?: Priority;
  /** Default true: a receipt when it was delivered, and when it was read. */
  readonly receipts?: boolean;
  /** Names of the relays that the recipient reads; default all. */
  readonly relays?: readonly string[];
}

/** A message that was taken: it is in the outbox. */
export interface SentMessage {
  readonly messageId: string;
  /** Resolves once a relay stored it for each recipient. @throws {SendRefusedError}; {@link RelayClientClosedError}. */
  readonly stored: Promise<void>;
}

/** What became of a sent message. */
export interface SendReceipt {
  readonly kind: 'stored' | 'delivered' | 'read' | 'refused';
  readonly messageId: string;
  readonly inbox: InboxId;
  /** Whose word it is. */
  readonly relay: string;
  /** Of a refusal: its code. */
  readonly code: string;
}

export interface ContinuityLost {
  readonly relay: string;
  readonly inbox: InboxId;
}

/** A token whose holder owns an inbox (see `inboxTokensAhead`). */
export interface InboxToken {
  readonly token: Uint8Array;
  /** Wall time, milliseconds: claimed until then. */
  readonly untilMs: number;
  /** Default false. */
  readonly takesStreams?: boolean;
}

/** Takes a stream that another agent opened. `from`: its public key as the relay says; prove it end to end. */
export type RawStreamHandler = (
  stream: LinkStream,
  caller: { readonly from: Uint8Array; readonly to: InboxId; readonly relay: string },
) => void | Promise<void>;
