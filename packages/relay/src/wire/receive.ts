import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { fromHex, toHex } from '@pulsemesh/wire';
import type { MessageKind, Priority } from '../engine.ts';
import { type InboxId, inboxBytes, inboxIdOf } from '../inbox-id.ts';
import { id16, pushBounded, putBytes, putMessage, putText, putUint, readFields, required } from './fields.ts';
import { relayWireLimits as limits } from './limits.ts';

/** `WatchedInbox` of relay.proto: what the agent last saw of it; epoch null: nothing. */
export interface WatchedInbox {
  readonly inbox: InboxId;
  readonly epoch: string | null;
  readonly offset: number;
}

export interface AckedOffsets {
  readonly inbox: InboxId;
  readonly offsets: readonly number[];
}

export interface ReadReceipt {
  readonly inbox: InboxId;
  readonly messageId: Uint8Array;
  readonly receiptTo: InboxId;
}

/** `ReceiveCommand` of relay.proto. */
export interface ReceiveCommand {
  readonly watch: readonly WatchedInbox[];
  /** 0: as before. */
  readonly windowMessages: number;
  readonly windowBytes: number;
  readonly acks: readonly AckedOffsets[];
  readonly reads: readonly ReadReceipt[];
  readonly unwatch: readonly InboxId[];
}

export type Continuity = 'new' | 'kept' | 'lost';
const continuities: readonly Continuity[] = ['new', 'kept', 'lost'];

export interface Watched {
  readonly inbox: InboxId;
  /** Empty: it is being read. */
  readonly code: string;
  readonly epoch: string | null;
  readonly continuity: Continuity;
}

/** `Delivery` of relay.proto. */
export interface Delivery {
  readonly inbox: InboxId;
  readonly offset: number;
  readonly messageId: Uint8Array;
  readonly envelope: Uint8Array;
  readonly storedMs: number;
  readonly priority: Priority;
  readonly kind: MessageKind;
  readonly receiptTo: InboxId | null;
}

export interface ReceiveEvents {
  readonly watched: readonly Watched[];
  readonly deliveries: readonly Delivery[];
}

export function encodeReceiveCommand(command: Partial<ReceiveCommand>): Uint8Array {
  const writer = new BinaryWriter();
  if (command.watch !== undefined || command.windowMessages !== undefined) {
    putMessage(writer, 1, () => writeWatch(writer, command));
  }
  for (const { inbox, offsets } of command.acks ?? []) {
    putMessage(writer, 2, () => {
      putBytes(writer, 1, inboxBytes(inbox));
      putMessage(writer, 2, () => {
        for (const offset of offsets) writer.uint64(offset);
      });
    });
  }
  for (const { inbox, messageId, receiptTo } of command.reads ?? []) {
    putMessage(writer, 3, () => {
      putBytes(writer, 1, inboxBytes(inbox));
      putBytes(writer, 2, messageId);
      putBytes(writer, 3, inboxBytes(receiptTo));
    });
  }
  for (const inbox of command.unwatch ?? []) putBytes(writer, 4, inboxBytes(inbox));
  return writer.finish();
}

function writeWatch(
  writer: BinaryWriter,
  { watch = [], windowMessages = 0, windowBytes = 0 }: Partial<ReceiveCommand>,
) {
  for (const { inbox, epoch, offset } of watch) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, inboxBytes(inbox));
      if (epoch !== null) putBytes(writer, 2, fromHex(epoch));
      putUint(writer, 3, offset);
    });
  }
  putUint(writer, 2, windowMessages);
  putUint(writer, 3, windowBytes);
}

/** @throws {DecodeError} */
export function decodeReceiveCommand(bytes: Uint8Array): ReceiveCommand {
  const watch: WatchedInbox[] = [];
  const window = { messages: 0, bytes: 0 };
  const acks: AckedOffsets[] = [];
  const reads: ReadReceipt[] = [];
  const unwatch: InboxId[] = [];
  const whole = { max: bytes.length };
  readFields(bytes, (field, reader) => {
    if (field === 1) readWatch(reader.bytes(whole), watch, window);
    else if (field === 2) pushBounded(acks, decodeAck(reader.bytes(whole)), limits.inboxesMax);
    else if (field === 3) pushBounded(reads, decodeRead(reader.bytes(whole)), limits.itemsPerBatchMax);
    else if (field === 4) pushBounded(unwatch, inboxIdOf(reader.bytes(id16)), limits.inboxesMax);
    else return false;
    return true;
  });
  return { watch, windowMessages: window.messages, windowBytes: window.bytes, acks, reads, unwatch };
}

function readWatch(bytes: Uint8Array, watch: WatchedInbox[], window: { messages: number; bytes: number }): void {
  readFields(bytes, (field, reader) => {
    if (field === 1) pushBounded(watch, decodeWatchedInbox(reader.bytes({ max: 64 })), limits.inboxesMax);
    else if (field === 2) window.messages = Math.min(reader.uint32(), limits.windowMessagesMax);
    else if (field === 3) window.bytes = Math.min(reader.uint32(), limits.windowBytesMax);
    else return false;
    return true;
  });
}

const epochLength = { min: limits.epochBytes, max: limits.epochBytes };

function decodeWatchedInbox(bytes: Uint8Array): WatchedInbox {
  let inbox: InboxId | undefined;
  let epoch: string | null = null;
  let offset = 0;
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) epoch = toHex(reader.bytes(epochLength));
    else if (field === 3) offset = reader.uint();
    else return false;
    return true;
  });
  return { inbox: required(inbox, 'inbox'), epoch, offset };
}

function decodeAck(bytes: Uint8Array): AckedOffsets {
  let inbox: InboxId | undefined;
  const offsets: number[] = [];
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) reader.uints(offsets, limits.offsetsPerAckMax);
    else return false;
    return true;
  });
  return { inbox: required(inbox, 'inbox'), offsets };
}

function decodeRead(bytes: Uint8Array): ReadReceipt {
  let inbox: InboxId | undefined;
  let messageId: Uint8Array | undefined;
  let receiptTo: InboxId | undefined;
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) messageId = reader.bytes(id16);
    else if (field === 3) receiptTo = inboxIdOf(reader.bytes(id16));
    else return false;
    return true;
  });
  return {
    inbox: required(inbox, 'inbox'),
    messageId: required(messageId, 'message_id'),
    receiptTo: required(receiptTo, 'receipt_to'),
  };
}

export function encodeReceiveEvents({ watched = [], deliveries = [] }: Partial<ReceiveEvents>): Uint8Array {
  const writer = new BinaryWriter();
  for (const { inbox, code, epoch, continuity } of watched) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, inboxBytes(inbox));
      putText(writer, 2, code);
      if (epoch !== null) putBytes(writer, 3, fromHex(epoch));
      putUint(writer, 4, continuities.indexOf(continuity));
    });
  }
  for (const delivery of deliveries) putMessage(writer, 2, () => writeDelivery(writer, delivery));
  return writer.finish();
}

function writeDelivery(writer: BinaryWriter, delivery: Delivery): void {
  putBytes(writer, 1, inboxBytes(delivery.inbox));
  putUint(writer, 2, delivery.offset);
  putBytes(writer, 3, delivery.messageId);
  putBytes(writer, 4, delivery.envelope);
  putUint(writer, 5, delivery.storedMs);
  if (delivery.priority === 'urgent') putUint(writer, 6, 1);
  if (delivery.kind === 'receipt') putUint(writer, 7, 1);
  if (delivery.receiptTo !== null) putBytes(writer, 8, inboxBytes(delivery.receiptTo));
}

/** @throws {DecodeError} */
export function decodeReceiveEvents(bytes: Uint8Array): ReceiveEvents {
  const watched: Watched[] = [];
  const deliveries: Delivery[] = [];
  readFields(bytes, (field, reader) => {
    if (field === 1) pushBounded(watched, decodeWatched(reader.bytes({ max: 128 })), limits.inboxesMax);
    else if (field === 2) {
      pushBounded(deliveries, decodeDelivery(reader.bytes({ max: bytes.length })), limits.windowMessagesMax);
    } else return false;
    return true;
  });
  return { watched, deliveries };
}

function decodeWatched(bytes: Uint8Array): Watched {
  let inbox: InboxId | undefined;
  let code = '';
  let epoch: string | null = null;
  let continuity: Continuity = 'new';
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) code = reader.text(limits.codeBytesMax);
    else if (field === 3) epoch = toHex(reader.bytes(epochLength));
    else if (field === 4) continuity = continuities[reader.uint32()] ?? 'lost';
    else return false;
    return true;
  });
  return { inbox: required(inbox, 'inbox'), code, epoch, continuity };
}

function decodeDelivery(bytes: Uint8Array): Delivery {
  let inbox: InboxId | undefined;
  let offset = 0;
  let messageId: Uint8Array | undefined;
  let envelope: Uint8Array = new Uint8Array(0);
  let storedMs = 0;
  let priority: Priority = 'normal';
  let kind: MessageKind = 'message';
  let receiptTo: InboxId | null = null;
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) offset = reader.uint();
    else if (field === 3) messageId = reader.bytes(id16);
    else if (field === 4) envelope = reader.bytes({ max: limits.envelopeBytesMax });
    else if (field === 5) storedMs = reader.uint();
    else if (field === 6) priority = reader.uint32() === 1 ? 'urgent' : 'normal';
    else if (field === 7) kind = reader.uint32() === 1 ? 'receipt' : 'message';
    else if (field === 8) receiptTo = inboxIdOf(reader.bytes(id16));
    else return false;
    return true;
  });
  const ids = { inbox: required(inbox, 'inbox'), messageId: required(messageId, 'message_id') };
  return { ...ids, offset, envelope, storedMs, priority, kind, receiptTo };
}

/** `Receipt` of relay.proto. */
export interface ReceiptContent {
  readonly kind: 'delivered' | 'read';
  readonly inbox: InboxId;
  readonly messageId: Uint8Array;
}

export function encodeReceipt({ kind, inbox, messageId }: ReceiptContent): Uint8Array {
  const writer = new BinaryWriter();
  putUint(writer, 1, kind === 'read' ? 1 : 0);
  putBytes(writer, 2, inboxBytes(inbox));
  putBytes(writer, 3, messageId);
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeReceipt(bytes: Uint8Array): ReceiptContent {
  let kind: ReceiptContent['kind'] = 'delivered';
  let inbox: InboxId | undefined;
  let messageId: Uint8Array | undefined;
  readFields(bytes, (field, reader) => {
    if (field === 1) kind = reader.uint32() === 1 ? 'read' : 'delivered';
    else if (field === 2) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 3) messageId = reader.bytes(id16);
    else return false;
    return true;
  });
  return { kind, inbox: required(inbox, 'inbox'), messageId: required(messageId, 'message_id') };
}
