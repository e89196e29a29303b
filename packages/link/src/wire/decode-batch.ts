import { DecodeError } from '@pulsemesh/wire';
import type { Batch, Item } from './items.ts';
import { wireLimits } from './limits.ts';
import { ProtoReader } from './proto-reader.ts';

const none: Uint8Array = new Uint8Array(0);
const unknownItem: Item = { kind: 'unknown' };

/**
 * A payload much smaller than its batch is copied out of it: kept as a view it would hold the whole batch in memory, and a sender
 * could make a few bytes of credit cost the receiver a packet each.
 */
const viewShareMin = 40;

/**
 * Reads a `Batch` of `link.proto`. Payloads are views of `bytes` where they are a fair part of it. Unknown fields are passed over;
 * of a field that comes twice the last counts.
 * @throws {DecodeError} for anything that is not a batch within `wireLimits`.
 */
export function decodeBatch(bytes: Uint8Array): Batch {
  const reader = new ProtoReader(bytes);
  const items: Item[] = [];
  let ack = 0;
  let route = 0;
  let resend = false;
  let first = 0;
  let ping = 0;
  let pong = 0;
  let close = false;
  let certificate = none;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    switch (tag) {
      case 0x2a:
        if (items.length === wireLimits.itemsPerBatchMax) throw new DecodeError('too many items in a batch');
        items.push(readItem(reader, bytes.length));
        break;
      case 0x08:
        ack = reader.uint();
        break;
      case 0x10:
        route = reader.uint();
        break;
      case 0x18:
        resend = reader.bool();
        break;
      case 0x20:
        first = reader.uint();
        break;
      case 0x30:
        ping = reader.uint();
        break;
      case 0x38:
        pong = reader.uint();
        break;
      case 0x40:
        close = reader.bool();
        break;
      case 0x4a:
        certificate = reader.bytes(32);
        break;
      default:
        reader.skip(tag);
    }
  }
  if (items.length > 0 && first === 0) throw new DecodeError('items without a number');
  return { ack, route, resend, first, items, ping, pong, close, certificate };
}

function readItem(reader: ProtoReader, batchBytes: number): Item {
  const length = reader.length(reader.end - reader.position);
  const outerEnd = reader.end;
  const end = reader.position + length;
  let item: Item = unknownItem;
  reader.end = end;
  while (reader.position < end) {
    const tag = reader.tag();
    if ((tag & 7) !== 2 || tag > 0x42) {
      reader.skip(tag);
      continue;
    }
    reader.end = reader.length(end - reader.position) + reader.position;
    item = tag === 0x22 ? readData(reader, batchBytes) : readOther(reader, tag >>> 3);
    reader.end = end;
  }
  reader.end = outerEnd;
  return item;
}

function readData(reader: ProtoReader, batchBytes: number): Item {
  let stream = 0;
  let payload = none;
  let more = false;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x08) stream = reader.uint32();
    else if (tag === 0x12) payload = reader.bytes(wireLimits.dataBytesMax);
    else if (tag === 0x18) more = reader.bool();
    else reader.skip(tag);
  }
  if (payload.length * viewShareMin < batchBytes) payload = payload.slice();
  return { kind: 'data', stream, payload, more };
}

/** Fields of one of the rarer items, by field number; a field of another wire type is passed over. */
interface RareFields {
  readonly texts: string[];
  readonly numbers: number[];
}

function readOther(reader: ProtoReader, field: number): Item {
  switch (field) {
    case 1:
      return readLogin(reader);
    case 2: {
      const { numbers, texts } = readRare(reader, [1, 4], { 2: wireLimits.codeBytesMax, 3: wireLimits.textBytesMax });
      return {
        kind: 'login-result',
        isAccepted: (numbers[1] ?? 0) !== 0,
        code: texts[2] ?? '',
        text: texts[3] ?? '',
        isGuest: (numbers[4] ?? 0) !== 0,
      };
    }
    case 3: {
      const { numbers, texts } = readRare(reader, [1], { 2: wireLimits.methodBytesMax });
      return { kind: 'open', stream: uint32(numbers[1]), method: texts[2] ?? '' };
    }
    case 5: {
      const { numbers } = readRare(reader, [1, 2], {});
      return { kind: 'credit', stream: uint32(numbers[1]), bytes: uint32(numbers[2]) };
    }
    case 6:
      return { kind: 'end', stream: uint32(readRare(reader, [1], {}).numbers[1]) };
    case 7: {
      const texts = { 2: wireLimits.codeBytesMax, 3: wireLimits.textBytesMax };
      const rare = readRare(reader, [1, 4], texts);
      return {
        kind: 'reset',
        stream: uint32(rare.numbers[1]),
        code: rare.texts[2] ?? '',
        text: rare.texts[3] ?? '',
        isRetryable: (rare.numbers[4] ?? 0) !== 0,
      };
    }
    case 8: {
      const { numbers, texts } = readRare(reader, [3], { 1: wireLimits.codeBytesMax, 2: wireLimits.textBytesMax });
      return { kind: 'goodbye', code: texts[1] ?? '', text: texts[2] ?? '', isRetryable: (numbers[3] ?? 0) !== 0 };
    }
    default:
      reader.position = reader.end;
      return unknownItem;
  }
}

function uint32(value: number | undefined): number {
  if (value === undefined) return 0;
  if (value > 0xffff_ffff) throw new DecodeError('a number past 2^32');
  return value;
}

function readRare(
  reader: ProtoReader,
  numberFields: readonly number[],
  textFields: Readonly<Record<number, number>>,
): RareFields {
  const fields: RareFields = { texts: [], numbers: [] };
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    const field = tag >>> 3;
    const textBytesMax = textFields[field];
    if ((tag & 7) === 0 && numberFields.includes(field)) fields.numbers[field] = reader.uint();
    else if ((tag & 7) === 2 && textBytesMax !== undefined) fields.texts[field] = reader.string(textBytesMax);
    else reader.skip(tag);
  }
  return fields;
}

function readLogin(reader: ProtoReader): Item {
  const certificates: Uint8Array[] = [];
  let publicKey = none;
  let signature = none;
  let invitation = none;
  let software = '';
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) publicKey = reader.bytes(32);
    else if (tag === 0x12) signature = reader.bytes(64);
    else if (tag === 0x1a) {
      if (certificates.length === wireLimits.certificatesMax) throw new DecodeError('too many certificates');
      certificates.push(reader.bytes(wireLimits.certificateBytesMax).slice());
    } else if (tag === 0x22) invitation = reader.bytes(wireLimits.invitationBytesMax).slice();
    else if (tag === 0x2a) software = reader.string(wireLimits.softwareBytesMax);
    else reader.skip(tag);
  }
  return { kind: 'login', publicKey, signature, certificates, invitation, software };
}
