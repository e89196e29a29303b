import { concatBytes, fromHex, toHex } from '@pulsemesh/wire';
import type { InboxClaim, Priority, StoredMessage } from '../../engine.ts';
import { type InboxId, inboxBytes, inboxIdOf } from '../../inbox-id.ts';

// The tables of the embedded engine. A mailbox's messages and ids are kept under its epoch, so that what an earlier
// mailbox of the same name left is never taken for its own, and can be cleared away at leisure.
//
//   mailbox   inbox                       → MailboxRow
//   message   epoch, priority, offset     → MessageRow
//   id        epoch, generation, id       → offset
//   sender    sender                      → count, bytes
//   claim     owner, inbox                → nothing
//   leftover  epoch                       → nothing: ids of a mailbox that is gone

export const tables = {
  mailbox: 'mailbox',
  message: 'message',
  id: 'id',
  sender: 'sender',
  claim: 'claim',
  leftover: 'leftover',
} as const;

/** What is kept of a mailbox. */
export interface MailboxRow {
  epoch: string;
  claim: InboxClaim;
  lastOffset: number;
  count: number;
  bytes: number;
  /** Ids are kept by generation: a full or old one is followed by the next, and the one before the last is dropped. */
  generation: number;
  generationCount: number;
  generationSinceMs: number;
  /** The oldest generation of which something may be left. */
  oldestGeneration: number;
}

const rowVersion = 1;
const mailboxRowBytes = 1 + 8 + 16 + 1 + 8 * 8;

export function encodeMailbox(row: MailboxRow): Uint8Array {
  const bytes = new Uint8Array(mailboxRowBytes);
  bytes[0] = rowVersion;
  bytes.set(fromHex(row.epoch), 1);
  bytes.set(inboxBytes(row.claim.owner), 9);
  bytes[25] = row.claim.takesStreams ? 1 : 0;
  const view = new DataView(bytes.buffer);
  const numbers = [
    row.claim.untilMs,
    row.lastOffset,
    row.count,
    row.bytes,
    row.generation,
    row.generationCount,
    row.generationSinceMs,
    row.oldestGeneration,
  ];
  for (const [index, number] of numbers.entries()) view.setFloat64(26 + index * 8, number);
  return bytes;
}

export function decodeMailbox(inbox: InboxId, bytes: Uint8Array): MailboxRow {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const number = (index: number) => view.getFloat64(26 + index * 8);
  return {
    epoch: toHex(bytes.subarray(1, 9)),
    claim: {
      inbox,
      owner: inboxIdOf(bytes.subarray(9, 25)),
      untilMs: number(0),
      takesStreams: bytes[25] === 1,
    },
    lastOffset: number(1),
    count: number(2),
    bytes: number(3),
    generation: number(4),
    generationCount: number(5),
    generationSinceMs: number(6),
    oldestGeneration: number(7),
  };
}

export function messageKey(epoch: string, priority: Priority, offset: number): Uint8Array {
  const key = new Uint8Array(17);
  key.set(fromHex(epoch));
  key[8] = priority === 'urgent' ? 0 : 1;
  const view = new DataView(key.buffer);
  view.setUint32(9, Math.floor(offset / 2 ** 32));
  view.setUint32(13, offset % 2 ** 32);
  return key;
}

/** The first key past all messages of a priority. */
export function messageKeyEnd(epoch: string, priority: Priority): Uint8Array {
  const key = messageKey(epoch, priority, 0);
  key[8] = priority === 'urgent' ? 1 : 2;
  return key;
}

/** A stored message with what its removal needs. */
export interface MessageRow extends StoredMessage {
  readonly sender: InboxId;
  readonly expiresMs: number;
}

const noInbox = new Uint8Array(16);
const messageHeadBytes = 2 + 8 + 8 + 16 + 16 + 16;

export function encodeMessage(row: Omit<MessageRow, 'offset' | 'priority'>): Uint8Array {
  const bytes = new Uint8Array(messageHeadBytes + row.envelope.length);
  bytes[0] = rowVersion;
  bytes[1] = (row.kind === 'receipt' ? 1 : 0) | (row.receiptTo === null ? 0 : 2);
  const view = new DataView(bytes.buffer);
  view.setFloat64(2, row.storedMs);
  view.setFloat64(10, row.expiresMs);
  bytes.set(row.messageId, 18);
  bytes.set(inboxBytes(row.sender), 34);
  bytes.set(row.receiptTo === null ? noInbox : inboxBytes(row.receiptTo), 50);
  bytes.set(row.envelope, messageHeadBytes);
  return bytes;
}

export function decodeMessage(key: Uint8Array, bytes: Uint8Array): MessageRow {
  const keyView = new DataView(key.buffer, key.byteOffset, key.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = bytes[1] ?? 0;
  return {
    offset: keyView.getUint32(9) * 2 ** 32 + keyView.getUint32(13),
    priority: key[8] === 0 ? 'urgent' : 'normal',
    kind: (flags & 1) === 1 ? 'receipt' : 'message',
    messageId: bytes.subarray(18, 34),
    envelope: bytes.subarray(messageHeadBytes),
    storedMs: view.getFloat64(2),
    expiresMs: view.getFloat64(10),
    sender: inboxIdOf(bytes.subarray(34, 50)),
    receiptTo: (flags & 2) === 0 ? null : inboxIdOf(bytes.subarray(50, 66)),
  };
}

/** Keys of one generation of ids; without `messageId`, the first of them. */
export function idKey(epoch: string, generation: number, messageId: Uint8Array = new Uint8Array(0)): Uint8Array {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, generation);
  return concatBytes(fromHex(epoch), head, messageId);
}

export function encodeNumbers(...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setFloat64(index * 8, number);
  return bytes;
}

export function decodeNumber(bytes: Uint8Array, index: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getFloat64(index * 8);
}

export function claimKey(owner: InboxId, inbox: InboxId): Uint8Array {
  return concatBytes(inboxBytes(owner), inboxBytes(inbox));
}

/** The first key past all that begin with `prefix`; undefined where there is none. */
export function keyAfter(prefix: Uint8Array): Uint8Array | undefined {
  const key = prefix.slice();
  for (let index = key.length - 1; index >= 0; index -= 1) {
    if ((key[index] as number) < 255) {
      key[index] = (key[index] as number) + 1;
      return key.subarray(0, index + 1);
    }
  }
  return undefined;
}
