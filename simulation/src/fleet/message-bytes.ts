import type { Descriptor, Message } from '@pulsemesh/overlay/protocol';

/** Heads of the frame, the message and its fields. */
const headBytes = 12;
/** Head of a byte string in a list. */
const itemBytes = 3;

/**
 * About how many bytes a message is on the wire: the sum of its parts and their heads. Encoding each would cost more
 * than running the protocol; it differs from what the codec makes by a few bytes.
 */
export function messageBytes(message: Message): number {
  switch (message.kind) {
    case 'event':
      return headBytes + message.bytes.length;
    case 'pull':
      return headBytes + descriptorBytes(message.self) + (message.knows?.length ?? 0) + 8;
    case 'near':
      return (
        headBytes + descriptorBytes(message.self) + (message.filter?.length ?? 0) + (message.knows?.length ?? 0) + 8
      );
    case 'view':
    case 'nearby':
      return headBytes + 8 + sum(message.descriptors, descriptorBytes) + sum(message.named ?? [], bytesOf);
    case 'probe':
      return headBytes + 8;
    case 'ask-filters':
      return headBytes + 8 + sum(message.digests, bytesOf);
    case 'filters':
      return headBytes + 8 + sum(message.filters, bytesOf);
    case 'join':
      return headBytes + 16 * 3 + 32 + 3 * message.query.hint.length + 8;
    case 'joined':
      return headBytes + 16 + message.box.length;
    case 'ring':
      return headBytes + 40 + descriptorBytes(message.self) + sum(message.descriptors, descriptorBytes);
    case 'have':
    case 'want':
      return headBytes + 16 + sum(message.ids, bytesOf);
    default:
      return headBytes + 32;
  }
}

function descriptorBytes(descriptor: Descriptor): number {
  return itemBytes + descriptor.bytes.length;
}

function bytesOf(bytes: Uint8Array): number {
  return itemBytes + bytes.length;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
