import { DecodeError, decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import type { InboxClaim, MailboxAck, MessageToStore } from '../../engine.ts';
import { type InboxId, idBytes, inboxBytes, inboxIdOf } from '../../inbox-id.ts';

/** One change of the mailboxes. What depends on time or chance is decided by the relay that asks, and stands in it. */
export type Operation =
  | { readonly kind: 'append'; readonly nowMs: number; readonly batch: readonly MessageToStore[] }
  | { readonly kind: 'ack'; readonly acks: readonly MailboxAck[] }
  /** `epochs`: eight bytes for each claim. */
  | {
      readonly kind: 'claim';
      readonly nowMs: number;
      readonly epochs: Uint8Array;
      readonly claims: readonly InboxClaim[];
    }
  | { readonly kind: 'release'; readonly inbox: InboxId; readonly owner: InboxId }
  | { readonly kind: 'sweep'; readonly nowMs: number }
  /** A snapshot is made of the state here. */
  | { readonly kind: 'mark' };

/** An entry of the log: operations of one relay, in order. */
export interface LogEntry {
  /** The relay that asked, as 16 hex digits, and which of its entries it is: 1, 2, 3 … An entry that comes again is not applied. */
  readonly relay: string;
  readonly number: number;
  readonly operations: readonly Operation[];
}

const version = 1;
const relayBytes = 8;
const depthMax = 8;

export function encodeEntry({ relay, number, operations }: LogEntry): Uint8Array {
  return encodeCbor([version, fromHex(relay), number, operations.map(toFields)]);
}

function toFields(operation: Operation): unknown[] {
  switch (operation.kind) {
    case 'append':
      return [0, operation.nowMs, operation.batch.map(messageFields)];
    case 'ack':
      return [1, operation.acks.map(ackFields)];
    case 'claim':
      return [2, operation.nowMs, operation.epochs, operation.claims.map(claimFields)];
    case 'release':
      return [3, inboxBytes(operation.inbox), inboxBytes(operation.owner)];
    case 'sweep':
      return [4, operation.nowMs];
    case 'mark':
      return [5];
  }
}

function messageFields({ inbox, messageId, sender, kind, envelope, priority, ttlMs, receiptTo }: MessageToStore) {
  const flags = (kind === 'receipt' ? 1 : 0) | (priority === 'urgent' ? 2 : 0);
  const receipt = receiptTo === null ? null : inboxBytes(receiptTo);
  return [inboxBytes(inbox), messageId, inboxBytes(sender), flags, envelope, ttlMs, receipt];
}

function ackFields({ inbox, epoch, messages }: MailboxAck) {
  return [inboxBytes(inbox), epoch, messages.map(({ offset, priority }) => [offset, priority === 'urgent' ? 1 : 0])];
}

function claimFields({ inbox, owner, untilMs, takesStreams }: InboxClaim) {
  return [inboxBytes(inbox), inboxBytes(owner), untilMs, takesStreams];
}

/** @throws {DecodeError} for anything that {@link encodeEntry} does not make. */
export function decodeEntry(bytes: Uint8Array): LogEntry {
  const [found, relay, number, operations] = list(decodeCbor(bytes, { depthMax }), 4);
  if (found !== version) throw new DecodeError('an entry of another version');
  const relayHex = toHex(bytesOf(relay, relayBytes));
  return { relay: relayHex, number: numberOf(number), operations: list(operations).map(fromFields) };
}

function fromFields(value: unknown): Operation {
  const [kind, ...fields] = list(value);
  switch (kind) {
    case 0:
      return { kind: 'append', nowMs: numberOf(fields[0]), batch: list(fields[1]).map(messageOf) };
    case 1:
      return { kind: 'ack', acks: list(fields[0]).map(ackOf) };
    case 2: {
      const claims = list(fields[2]).map(claimOf);
      return { kind: 'claim', nowMs: numberOf(fields[0]), epochs: bytesOf(fields[1], claims.length * 8), claims };
    }
    case 3:
      return { kind: 'release', inbox: inboxOf(fields[0]), owner: inboxOf(fields[1]) };
    case 4:
      return { kind: 'sweep', nowMs: numberOf(fields[0]) };
    case 5:
      return { kind: 'mark' };
    default:
      throw new DecodeError('an operation that is not known');
  }
}

function messageOf(value: unknown): MessageToStore {
  const [inbox, messageId, sender, flagField, envelope, ttlMs, receiptTo] = list(value, 7);
  const flags = numberOf(flagField);
  return {
    inbox: inboxOf(inbox),
    messageId: bytesOf(messageId, idBytes),
    sender: inboxOf(sender),
    kind: (flags & 1) === 1 ? 'receipt' : 'message',
    priority: (flags & 2) === 2 ? 'urgent' : 'normal',
    envelope: bytesOf(envelope),
    ttlMs: numberOf(ttlMs),
    receiptTo: receiptTo === null ? null : inboxOf(receiptTo),
  };
}

function ackOf(value: unknown): MailboxAck {
  const [inbox, epoch, messages] = list(value, 3);
  if (typeof epoch !== 'string') throw new DecodeError('an epoch is text');
  return {
    inbox: inboxOf(inbox),
    epoch,
    messages: list(messages).map((each) => {
      const [offset, isUrgent] = list(each, 2);
      return { offset: numberOf(offset), priority: isUrgent === 1 ? 'urgent' : 'normal' };
    }),
  };
}

function claimOf(value: unknown): InboxClaim {
  const [inbox, owner, untilMs, takesStreams] = list(value, 4);
  return {
    inbox: inboxOf(inbox),
    owner: inboxOf(owner),
    untilMs: numberOf(untilMs),
    takesStreams: takesStreams === true,
  };
}

function list(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw new DecodeError('not a list');
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new DecodeError('not a number');
  return value;
}

function bytesOf(value: unknown, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
    throw new DecodeError('not bytes of that length');
  }
  return value;
}

function inboxOf(value: unknown): InboxId {
  return inboxIdOf(bytesOf(value, idBytes));
}

/** A part of a snapshot: rows of the tables as they were after entry `mark` of the log. */
export interface SnapshotPart {
  /** Sequence of the mark in the log. */
  readonly mark: number;
  readonly index: number;
  readonly rows: readonly (readonly [table: string, key: Uint8Array, value: Uint8Array])[];
}

/** Makes a snapshot whole: without it its parts count for nothing. */
export interface SnapshotEnd {
  readonly mark: number;
  readonly partCount: number;
  /** The number of the last entry of each relay. */
  readonly numbers: readonly (readonly [relay: string, number: number])[];
}

export function encodeSnapshotPart({ mark, index, rows }: SnapshotPart): Uint8Array {
  return encodeCbor([version, 0, mark, index, rows]);
}

export function encodeSnapshotEnd({ mark, partCount, numbers }: SnapshotEnd): Uint8Array {
  return encodeCbor([version, 1, mark, partCount, numbers]);
}

/** @throws {DecodeError} for anything else. */
export function decodeSnapshot(bytes: Uint8Array): SnapshotPart | SnapshotEnd {
  const [found, kind, markField, second, items] = list(decodeCbor(bytes, { depthMax }), 5);
  if (found !== version) throw new DecodeError('a snapshot of another version');
  const [mark, number] = [numberOf(markField), numberOf(second)];
  if (kind === 0) {
    const rows = list(items).map((row) => {
      const [table, key, value] = list(row, 3);
      if (typeof table !== 'string') throw new DecodeError('a table has a name');
      return [table, bytesOf(key), bytesOf(value)] as const;
    });
    return { mark, index: number, rows };
  }
  const numbers = list(items).map((item) => {
    const [relay, last] = list(item, 2);
    if (typeof relay !== 'string') throw new DecodeError('a relay has a name');
    return [relay, numberOf(last)] as const;
  });
  return { mark, partCount: number, numbers };
}
