import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { DecodeError } from '@pulsemesh/wire';
import type { Priority } from '../engine.ts';
import { type InboxId, inboxBytes, inboxIdOf } from '../inbox-id.ts';
import { id16, pushBounded, putBytes, putMessage, putText, putUint, readFields, required } from './fields.ts';
import { relayWireLimits as limits } from './limits.ts';

/** `SendItem` of relay.proto. */
export interface SendItem {
  readonly ref: number;
  readonly to: readonly InboxId[];
  readonly messageId: Uint8Array;
  readonly envelope: Uint8Array;
  /** 0: the longest the relay keeps. */
  readonly ttlSeconds: number;
  readonly priority: Priority;
  readonly receiptTo: InboxId | null;
}

export interface RefusedTarget {
  readonly target: number;
  readonly code: string;
}

/** `SendResult` of relay.proto. */
export interface SendResult {
  readonly ref: number;
  readonly refused: readonly RefusedTarget[];
}

export function encodeSendBatch(items: readonly SendItem[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const item of items) putMessage(writer, 1, () => writeItem(writer, item));
  return writer.finish();
}

function writeItem(writer: BinaryWriter, item: SendItem): void {
  putUint(writer, 1, item.ref);
  for (const to of item.to) putBytes(writer, 2, inboxBytes(to));
  putBytes(writer, 3, item.messageId);
  putBytes(writer, 4, item.envelope);
  putUint(writer, 5, item.ttlSeconds);
  if (item.priority === 'urgent') putUint(writer, 6, 1);
  if (item.receiptTo !== null) putBytes(writer, 7, inboxBytes(item.receiptTo));
}

/** @throws {DecodeError} */
export function decodeSendBatch(bytes: Uint8Array): SendItem[] {
  const items: SendItem[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    pushBounded(items, decodeItem(reader.bytes({ max: bytes.length })), limits.itemsPerBatchMax);
    return true;
  });
  return items;
}

function decodeItem(bytes: Uint8Array): SendItem {
  let ref = 0;
  const to: InboxId[] = [];
  let messageId: Uint8Array | undefined;
  let envelope: Uint8Array = new Uint8Array(0);
  let ttlSeconds = 0;
  let priority: Priority = 'normal';
  let receiptTo: InboxId | null = null;
  readFields(bytes, (field, reader) => {
    if (field === 1) ref = reader.uint();
    else if (field === 2) pushBounded(to, inboxIdOf(reader.bytes(id16)), limits.targetsMax);
    else if (field === 3) messageId = reader.bytes(id16);
    else if (field === 4) envelope = reader.bytes({ max: limits.envelopeBytesMax });
    else if (field === 5) ttlSeconds = reader.uint32();
    else if (field === 6) priority = reader.uint32() === 1 ? 'urgent' : 'normal';
    else if (field === 7) receiptTo = inboxIdOf(reader.bytes(id16));
    else return false;
    return true;
  });
  if (to.length === 0) throw new DecodeError('a message to nobody');
  return { ref, to, messageId: required(messageId, 'message_id'), envelope, ttlSeconds, priority, receiptTo };
}

export function encodeSendResults(results: readonly SendResult[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { ref, refused } of results) {
    putMessage(writer, 1, () => {
      putUint(writer, 1, ref);
      for (const { target, code } of refused) {
        putMessage(writer, 2, () => {
          putUint(writer, 1, target);
          putText(writer, 2, code);
        });
      }
    });
  }
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeSendResults(bytes: Uint8Array): SendResult[] {
  const results: SendResult[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    results.push(decodeResult(reader.bytes({ max: bytes.length })));
    return true;
  });
  return results;
}

function decodeResult(bytes: Uint8Array): SendResult {
  let ref = 0;
  const refused: RefusedTarget[] = [];
  readFields(bytes, (field, reader) => {
    if (field === 1) ref = reader.uint();
    else if (field === 2) pushBounded(refused, decodeRefused(reader.bytes({ max: 128 })), limits.targetsMax);
    else return false;
    return true;
  });
  return { ref, refused };
}

function decodeRefused(bytes: Uint8Array): RefusedTarget {
  let target = 0;
  let code = '';
  readFields(bytes, (field, reader) => {
    if (field === 1) target = reader.uint32();
    else if (field === 2) code = reader.text(limits.codeBytesMax);
    else return false;
    return true;
  });
  return { target, code };
}
