import { unreachable } from '@pulsemesh/base';
import type { Batch, DataItem, Item, LoginItem } from './items.ts';
import { ProtoWriter, varintLength } from './proto-writer.ts';

// One for all sessions: encoding is synchronous, and a buffer for each idle session would be the dearest thing it has.
const batchWriter = new ProtoWriter();
const itemWriter = new ProtoWriter();

const itemTag = (5 << 3) | 2;
const dataTag = (4 << 3) | 2;

/** What a batch says besides its items. */
export type BatchHead = Omit<Batch, 'items'>;

/** The head of a batch that says nothing. */
export const emptyHead: BatchHead = {
  ack: 0,
  route: 0,
  resend: false,
  first: 0,
  ping: 0,
  pong: 0,
  close: false,
  certificate: new Uint8Array(0),
};

/** Bytes that the head takes at most. */
export const batchHeadBytesMax = 6 * 9 + 2 * 2 + 2 + 32;

/**
 * A `Batch` of `link.proto` with `items[from … to)`, as a view that is valid until the next call: it is sealed at once,
 * so a copy would be for nothing.
 */
export function encodeBatch(head: BatchHead, items: readonly Item[], from = 0, to = items.length): Uint8Array {
  const writer = batchWriter;
  writer.reset();
  writer.uintField(1, head.ack);
  writer.uintField(2, head.route);
  writer.boolField(3, head.resend);
  if (to > from) writer.uintField(4, head.first);
  for (let index = from; index < to; index += 1) {
    const item = items[index] as Item;
    if (item.kind === 'data') writeData(writer, item);
    else writeOther(writer, item);
  }
  writer.uintField(6, head.ping);
  writer.uintField(7, head.pong);
  writer.boolField(8, head.close);
  writer.bytesField(9, head.certificate);
  return writer.view();
}

/** Bytes an item takes in a batch: exact for Data, not less than the truth for the others. */
export function itemBytesMax(item: Item): number {
  switch (item.kind) {
    case 'data':
      return item.payload.length + 24;
    case 'login': {
      let certificatesBytes = 0;
      for (const certificate of item.certificates) certificatesBytes += certificate.length + 4;
      return 32 + 64 + certificatesBytes + item.invitation.length + item.software.length * 3 + 32;
    }
    case 'open':
      return 24 + item.method.length;
    case 'login-result':
    case 'reset':
    case 'goodbye':
      return 32 + (item.code.length + item.text.length) * 3;
    default:
      return 24;
  }
}

function writeData(writer: ProtoWriter, item: DataItem): void {
  const payloadBytes = item.payload.length;
  let dataBytes = 1 + varintLength(item.stream);
  if (payloadBytes > 0) dataBytes += 1 + varintLength(payloadBytes) + payloadBytes;
  if (item.more) dataBytes += 2;
  writer.byte(itemTag);
  writer.uint(1 + varintLength(dataBytes) + dataBytes);
  writer.byte(dataTag);
  writer.uint(dataBytes);
  writer.byte(8);
  writer.uint(item.stream);
  writer.bytesField(2, item.payload);
  writer.boolField(3, item.more);
}

function writeOther(writer: ProtoWriter, item: Exclude<Item, DataItem>): void {
  itemWriter.reset();
  const field = writeFields(itemWriter, item);
  writer.byte(itemTag);
  if (field === 0) {
    writer.byte(0);
    return;
  }
  const bytes = itemWriter.view();
  writer.uint(1 + varintLength(bytes.length) + bytes.length);
  writer.element(field, bytes);
}

/** Writes the fields of the message inside an item; answers the item's field number, 0 for one that is not known. */
function writeFields(writer: ProtoWriter, item: Exclude<Item, DataItem>): number {
  switch (item.kind) {
    case 'login':
      writeLogin(writer, item);
      return 1;
    case 'login-result':
      writer.boolField(1, item.isAccepted);
      writer.stringField(2, item.code);
      writer.stringField(3, item.text);
      writer.boolField(4, item.isGuest);
      return 2;
    case 'open':
      writer.uintField(1, item.stream);
      writer.stringField(2, item.method);
      return 3;
    case 'credit':
      writer.uintField(1, item.stream);
      writer.uintField(2, item.bytes);
      return 5;
    case 'end':
      writer.uintField(1, item.stream);
      return 6;
    case 'reset':
      writer.uintField(1, item.stream);
      writer.stringField(2, item.code);
      writer.stringField(3, item.text);
      writer.boolField(4, item.isRetryable);
      return 7;
    case 'goodbye':
      writer.stringField(1, item.code);
      writer.stringField(2, item.text);
      writer.boolField(3, item.isRetryable);
      return 8;
    case 'unknown':
      return 0;
    default:
      return unreachable(item);
  }
}

function writeLogin(writer: ProtoWriter, item: LoginItem): void {
  writer.bytesField(1, item.publicKey);
  writer.bytesField(2, item.signature);
  for (const certificate of item.certificates) writer.element(3, certificate);
  writer.bytesField(4, item.invitation);
  writer.stringField(5, item.software);
}
