import { unreachable } from '@pulsemesh/base';
import { concatBytes, contentId, DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { type Descriptor, DescriptorRefusedError, decodeDescriptor, descriptorLimits } from './descriptor.ts';
import { type EventMessage, type JoinQuery, type Message, messageLimits } from './message.ts';

/** Limits of the bytes themselves; what one message may hold says {@link messageLimits}. */
export const codecLimits = {
  /** Messages that travel together. */
  messagesPerFrameMax: 64,
  /** A frame: the largest event, or many small messages. */
  frameBytesMax: messageLimits.eventBytesMax + 128 * 1024,
  /** Descriptors whose signatures need no second look, about half a KiB each. */
  descriptorsRememberedMax: 16_384,
  /** The longest nesting: frame, message, list. */
  depthMax: 3,
  noncesBelow: 2 ** 48,
  hintPositionsBelow: 2 ** 16,
  hopsMax: 255,
  /** Encodings of larger events are made anew for each receiver instead of being kept. */
  encodedEventBytesMax: 2_048,
  routeBytes: 16,
} as const;

/**
 * Descriptors by the bytes they came in. The same bytes give the same object, and a signature is verified once; a full
 * memory forgets what was asked for longest ago.
 */
export class DescriptorMemory {
  readonly #entriesMax: number;
  readonly #known = new Map<string, Descriptor>();
  #checkedCount = 0;

  constructor(entriesMax: number = codecLimits.descriptorsRememberedMax) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Signatures that were looked at so far: those of descriptors that were not remembered. */
  get checkedCount(): number {
    return this.#checkedCount;
  }

  /** @throws {DescriptorRefusedError} for bytes that are no descriptor, or whose signature does not hold. */
  decode(bytes: Uint8Array): Descriptor {
    if (bytes.length > descriptorLimits.bytesMax) throw new DescriptorRefusedError('malformed');
    const key = contentId(bytes);
    const known = this.#known.get(key) ?? this.#check(bytes);
    this.#known.delete(key); // a Map keeps the order of insertion: the first is the one asked for longest ago
    this.#known.set(key, known);
    if (this.#known.size > this.#entriesMax) this.#known.delete(this.#known.keys().next().value as string);
    return known;
  }

  #check(bytes: Uint8Array): Descriptor {
    this.#checkedCount += 1;
    return decodeDescriptor(bytes);
  }
}

/** The memory of this process: whether a signature holds depends on nothing but the bytes. */
export const descriptorMemory = new DescriptorMemory();

/** The bytes of one message: deterministic CBOR of `[kind, …]`. Made once for each message object. */
export function encodeMessage(message: Message): Uint8Array {
  if (message.kind === 'event') return encodeEventMessage(message);
  let bytes = encoded.get(message);
  if (bytes === undefined) {
    bytes = encodeCbor(fieldsOf(message));
    encoded.set(message, bytes);
  }
  return bytes;
}

const encoded = new WeakMap<Message, Uint8Array>();
const encodedEvents = new WeakMap<Uint8Array, { readonly hops: number; readonly bytes: Uint8Array }>();

/**
 * Most of all bytes are events: put together by hand, a large one is copied and not looked at. A node hands one to several
 * others with the same count of hops, each in a message of its own: the encoding stays with the event for as long as it lives,
 * unless it is large.
 */
function encodeEventMessage({ bytes, hops }: EventMessage): Uint8Array {
  const known = encodedEvents.get(bytes);
  if (known?.hops === hops) return known.bytes;
  const made = concatBytes(eventHead(bytes.length), bytes, hops < 24 ? Uint8Array.of(hops) : encodeCbor(hops));
  if (bytes.length <= codecLimits.encodedEventBytesMax) encodedEvents.set(bytes, { hops, bytes: made });
  return made;
}

/** The beginning of an event message: an array of three, its kind, and the head of a byte string (RFC 8949 §3). */
function eventHead(length: number): Uint8Array {
  const lengthBytes = encodeCbor(length);
  const head = Uint8Array.of(0x83, 11, ...lengthBytes);
  head[2] = (head[2] as number) | 0x40; // major type 2 in place of an unsigned integer
  return head;
}

/** A frame's payload: an array of at most `codecLimits.messagesPerFrameMax` messages. */
export function encodeMessages(messages: readonly Message[]): Uint8Array {
  const head = messages.length < 24 ? [0x80 + messages.length] : [0x98, messages.length];
  return concatBytes(Uint8Array.from(head), ...messages.map(encodeMessage));
}

/**
 * The messages of a frame's payload.
 * @throws {DecodeError} when any part of it is malformed or past a limit; nothing of it is then used.
 */
export function decodeMessages(bytes: Uint8Array, memory: DescriptorMemory): Message[] {
  const list = decodeCbor(bytes, { bytesMax: codecLimits.frameBytesMax, depthMax: codecLimits.depthMax });
  if (!Array.isArray(list) || list.length > codecLimits.messagesPerFrameMax) throw new DecodeError('not a frame');
  return list.map((fields) => parseMessage(fields, memory));
}

/** One message. @throws {DecodeError}. */
export function decodeMessage(bytes: Uint8Array, memory: DescriptorMemory): Message {
  const limits = { bytesMax: codecLimits.frameBytesMax, depthMax: codecLimits.depthMax - 1 };
  return parseMessage(decodeCbor(bytes, limits), memory);
}

function fieldsOf(message: Message): unknown[] {
  switch (message.kind) {
    case 'pull':
      return [1, message.nonce, message.self.bytes, message.want, message.knows ?? none];
    case 'view':
      return [2, message.nonce, message.descriptors.map(bytesOf), message.named ?? []];
    case 'probe':
      return [3, message.nonce, message.isReply];
    case 'near':
      return [4, message.nonce, message.self.bytes, message.filter ?? null, message.knows ?? none];
    case 'nearby':
      return [5, message.nonce, message.descriptors.map(bytesOf), message.named ?? []];
    case 'ask-filters':
      return [6, message.nonce, message.digests];
    case 'filters':
      return [7, message.nonce, message.filters];
    case 'join':
      return [8, ...queryFields(message.query)];
    case 'joined':
      return [9, message.id, message.box];
    case 'ring': {
      const { route, nonce, isReply, proof, self, descriptors, isLeaving } = message;
      return [10, route, nonce, isReply, proof, self.bytes, descriptors.map(bytesOf), isLeaving];
    }
    case 'event':
      return [11, message.bytes, message.hops];
    case 'have':
      return [12, message.route, message.ids];
    case 'want':
      return [13, message.route, message.ids];
    case 'carry':
      return [14, message.route, message.seconds, message.isAnswer];
    default:
      return unreachable(message);
  }
}

const none = new Uint8Array(0);
const bytesOf = (descriptor: Descriptor) => descriptor.bytes;
const queryFields = ({ id, nonce, tag, replyKey, hint, ttl }: JoinQuery) => [id, nonce, tag, replyKey, hint, ttl];

type Parser = (fields: Fields, memory: DescriptorMemory) => Message;

/** By the number a message begins with: how many fields follow it, and how they are read. */
const parsers: Readonly<Record<number, readonly [number, Parser]>> = {
  1: [4, (f, memory) => ({ kind: 'pull', nonce: f.nonce(), self: f.descriptor(memory), want: f.want(), ...f.knows() })],
  2: [3, (f, memory) => ({ kind: 'view', nonce: f.nonce(), ...f.answer(memory) })],
  3: [2, (f) => ({ kind: 'probe', nonce: f.nonce(), isReply: f.boolean() })],
  4: [
    4,
    (f, memory) => ({
      ...{ kind: 'near', nonce: f.nonce(), self: f.descriptor(memory) },
      ...f.optionalFilter(),
      ...f.knows(),
    }),
  ],
  5: [3, (f, memory) => ({ kind: 'nearby', nonce: f.nonce(), ...f.answer(memory) })],
  6: [2, (f) => ({ kind: 'ask-filters', nonce: f.nonce(), digests: f.digests() })],
  7: [2, (f) => ({ kind: 'filters', nonce: f.nonce(), filters: f.filters() })],
  8: [6, (f) => ({ kind: 'join', query: f.query() })],
  9: [2, (f) => ({ kind: 'joined', id: f.exactly(16), box: f.bytes(messageLimits.joinBoxBytesMax) })],
  10: [7, (f, memory) => parseRing(f, memory)],
  11: [2, (f) => ({ kind: 'event', bytes: f.bytes(messageLimits.eventBytesMax), hops: f.upTo(codecLimits.hopsMax) })],
  12: [2, (f) => ({ kind: 'have', route: f.exactly(codecLimits.routeBytes), ids: f.ids() })],
  13: [2, (f) => ({ kind: 'want', route: f.exactly(codecLimits.routeBytes), ids: f.ids() })],
  14: [
    3,
    (f) => ({
      kind: 'carry',
      route: f.exactly(codecLimits.routeBytes),
      seconds: f.upTo(messageLimits.carrySecondsMax),
      isAnswer: f.boolean(),
    }),
  ],
};

function parseMessage(value: unknown, memory: DescriptorMemory): Message {
  if (!Array.isArray(value) || typeof value[0] !== 'number') throw new DecodeError('not a message');
  const [count, parse] = parsers[value[0]] ?? [-1, undefined];
  if (parse === undefined || value.length !== count + 1) throw new DecodeError('a message of no known kind');
  return parse(new Fields(value), memory);
}

function parseRing(fields: Fields, memory: DescriptorMemory): Message {
  return {
    kind: 'ring',
    route: fields.exactly(codecLimits.routeBytes),
    nonce: fields.nonce(),
    isReply: fields.boolean(),
    proof: fields.exactly(16),
    self: fields.descriptor(memory),
    descriptors: fields.descriptors(memory),
    isLeaving: fields.boolean(),
  };
}

/** Reads a message's fields one after the other, checking each. */
class Fields {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  #next(): unknown {
    this.#at += 1;
    return this.#values[this.#at];
  }

  upTo(max: number, min = 0): number {
    const value = this.#next();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new DecodeError('a number out of range');
    }
    return value;
  }

  nonce(): number {
    return this.upTo(codecLimits.noncesBelow - 1);
  }

  want(): number {
    return this.upTo(messageLimits.descriptorsMax, 1);
  }

  boolean(): boolean {
    const value = this.#next();
    if (typeof value !== 'boolean') throw new DecodeError('not true or false');
    return value;
  }

  bytes(max: number, min = 0): Uint8Array {
    return checkedBytes(this.#next(), max, min);
  }

  exactly(length: number): Uint8Array {
    return this.bytes(length, length);
  }

  optionalFilter(): { readonly filter?: Uint8Array } {
    const value = this.#next();
    return value === null ? {} : { filter: checkedBytes(value, messageLimits.filterBytesMax, 1) };
  }

  knows(): { readonly knows?: Uint8Array } {
    const knows = this.bytes(messageLimits.knowsBytesMax);
    return knows.length === 0 ? {} : { knows };
  }

  /** Descriptors in full and by name, together no more than one message may hold. */
  answer(memory: DescriptorMemory): { readonly descriptors: Descriptor[]; readonly named?: Uint8Array[] } {
    const descriptors = this.descriptors(memory);
    const { descriptorsMax, shortNameBytes } = messageLimits;
    const named = this.#list(descriptorsMax - descriptors.length, (item) =>
      checkedBytes(item, shortNameBytes, shortNameBytes),
    );
    return named.length === 0 ? { descriptors } : { descriptors, named };
  }

  descriptor(memory: DescriptorMemory): Descriptor {
    return decodeIn(memory, this.bytes(descriptorLimits.bytesMax));
  }

  descriptors(memory: DescriptorMemory): Descriptor[] {
    return this.#list(messageLimits.descriptorsMax, (item) =>
      decodeIn(memory, checkedBytes(item, descriptorLimits.bytesMax)),
    );
  }

  digests(): Uint8Array[] {
    const { digestBytes } = descriptorLimits;
    return this.#list(messageLimits.filtersMax, (item) => checkedBytes(item, digestBytes, digestBytes));
  }

  filters(): Uint8Array[] {
    return this.#list(messageLimits.filtersMax, (item) => checkedBytes(item, messageLimits.filterBytesMax, 1));
  }

  ids(): Uint8Array[] {
    return this.#list(messageLimits.idsMax, (item) =>
      checkedBytes(item, messageLimits.eventIdBytes, messageLimits.eventIdBytes),
    );
  }

  query(): JoinQuery {
    const [id, nonce, tag, replyKey] = [this.exactly(16), this.exactly(16), this.exactly(16), this.exactly(32)];
    const hint = this.#list(messageLimits.hintPositionsMax, (item) => {
      if (Number.isInteger(item) && (item as number) >= 0 && (item as number) < codecLimits.hintPositionsBelow)
        return item as number;
      throw new DecodeError('not a position');
    });
    return { id, nonce, tag, replyKey, hint, ttl: this.upTo(messageLimits.joinHopsMax) };
  }

  #list<T>(max: number, parse: (item: unknown) => T): T[] {
    const value = this.#next();
    if (!Array.isArray(value) || value.length > max) throw new DecodeError('not a list, or too long a one');
    return value.map(parse);
  }
}

function checkedBytes(value: unknown, max: number, min = 0): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > max || value.length < min) {
    throw new DecodeError('bytes that are missing or of a wrong length');
  }
  return value;
}

function decodeIn(memory: DescriptorMemory, bytes: Uint8Array): Descriptor {
  try {
    return memory.decode(bytes);
  } catch (error) {
    if (error instanceof DescriptorRefusedError) {
      throw new DecodeError('a descriptor that does not hold', { cause: error });
    }
    throw error;
  }
}
