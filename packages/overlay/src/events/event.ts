import { assert, Condition, type Random } from '@pulsemesh/base';
import { type Box, createBox, SealBrokenError, type Signer, sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, equalBytes, peerIdOfEd25519 } from '@pulsemesh/wire';
import { messageLimits } from '../message.ts';
import type { DeliveredEvent, EventClass } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { headBytesOf, layoutOfEvent } from './event-layout.ts';

/** Limits of events; each is refused when read. */
export const eventLimits = {
  /** The whole event as it travels. */
  bytesMax: messageLimits.eventBytesMax,
  /** What a publisher may put in: the rest is for the head, the seal and the signature. */
  dataBytesMax: messageLimits.eventBytesMax - 256,
  /** An event published longer ago is refused, milliseconds. */
  ageMsMax: 10 * 60_000,
  /** How far the publisher's clock may be ahead of ours, milliseconds. */
  aheadMsMax: 5 * 60_000,
} as const;

/** Whether all events of a node are signed by their authors, or none is (the names are gossipsub's). */
export type SignaturePolicy = 'StrictSign' | 'StrictNoSign';

/** What a publisher says. */
export interface EventContent {
  /** At most {@link eventLimits}.dataBytesMax. */
  readonly data: Uint8Array;
  readonly class: EventClass;
  /** Who signs it, and its number among the author's events, 0 … 2^64-1; absent: nobody signs. */
  readonly author?: { readonly signer: Signer; readonly sequenceNumber: bigint };
}

/** What everybody who carries an event can read of it. */
export interface EventHead {
  /** The first 16 bytes of SHA-256 of the whole event: nobody finds another event for an id. */
  readonly id: Uint8Array;
  /** The id as a key of maps: one character a byte. */
  readonly key: string;
  /** 16 bytes: the topic, in the epoch of `publishedAtMs`. */
  readonly route: Uint8Array;
  /** The route as a key of maps. */
  readonly routeKey: string;
  readonly class: EventClass;
  /** Unix milliseconds. */
  readonly publishedAtMs: number;
}

/** What members read of an event. */
export type OpenedEvent = Pick<DeliveredEvent, 'id' | 'class' | 'data' | 'publishedAtMs' | 'author'>;

/** More data than an event holds. */
export class EventTooLargeError extends Condition {
  override readonly name = 'EventTooLargeError';

  constructor(bytes: number) {
    super('event-too-large', `an event holds at most ${eventLimits.dataBytesMax} bytes`, { facts: { bytes } });
  }
}

const classes: readonly EventClass[] = ['normal', 'urgent'];
const context = new TextEncoder().encode('upsycle/event/1');
const none = new Uint8Array(0);

/**
 * The bytes of a new event: CBOR of [1, route, class, published-at, sealed], where sealed is CBOR of [author's key,
 * sequence number, signature, data] in a box under the topic's key, bound to what stands before it. The signature is over
 * the topic as well, so that an event cannot be carried over to another.
 * @throws {EventTooLargeError}
 */
export function createEvent(topic: Topic, content: EventContent, nowMs: number, random: Random): Uint8Array {
  const { data, author } = content;
  if (data.length > eventLimits.dataBytesMax) throw new EventTooLargeError(data.length);
  const publishedAtMs = Math.floor(nowMs);
  const classCode = classes.indexOf(content.class);
  const route = topic.route(epochAt(publishedAtMs, epochMs.ring));
  const head = encodeCbor([1, route, classCode, publishedAtMs]);
  const sequence = author === undefined ? none : bigEndian(author.sequenceNumber);
  const inner = encodeCbor([
    author?.signer.publicKey ?? none,
    sequence,
    author?.signer.sign(signedBytes(topic, head, sequence, data)) ?? none,
    data,
  ]);
  const sealed = sealingBox(topic, random).seal(inner, head);
  return encodeCbor([1, route, classCode, publishedAtMs, sealed]);
}

/**
 * What anybody can read of an event; null for bytes that are none. Remembered for the very array given, which nobody may
 * write into: in a simulation, and on its way through one process, an event is hashed once.
 */
export function readEventHead(bytes: Uint8Array): EventHead | null {
  let head = heads.get(bytes);
  if (head === undefined) {
    head = parseHead(bytes);
    heads.set(bytes, head);
  }
  return head;
}

/**
 * The event in `bytes` as members of `topic` read it; null where it is not one of theirs: sealed under another key, altered,
 * signed by nobody or wrongly, or signed where nobody signs. Times are not looked at. Remembered like the head.
 */
export function openEvent(topic: Topic, bytes: Uint8Array, policy: SignaturePolicy): OpenedEvent | null {
  const known = opened.get(bytes);
  if (known !== undefined && known.policy === policy && isSameKey(known.eventKey, topic.eventKey)) return known.event;
  const head = readEventHead(bytes);
  const event = head === null ? null : openSealed(topic, head, bytes, policy);
  opened.set(bytes, { eventKey: topic.eventKey, policy, event });
  return event;
}

const heads = new WeakMap<Uint8Array, EventHead | null>();
const opened = new WeakMap<
  Uint8Array,
  { readonly eventKey: Uint8Array; readonly policy: SignaturePolicy; readonly event: OpenedEvent | null }
>();

const isSameKey = (one: Uint8Array, other: Uint8Array) => one === other || equalBytes(one, other);

function parseHead(bytes: Uint8Array): EventHead | null {
  const layout = bytes.length > eventLimits.bytesMax ? null : layoutOfEvent(bytes);
  const eventClass = layout === null ? undefined : classes[layout.classCode];
  if (layout === null || eventClass === undefined) return null;
  const { route, publishedAtMs } = layout;
  const id = sha256(bytes).slice(0, messageLimits.eventIdBytes);
  return { id, key: keyOfBytes(id), route, routeKey: keyOfBytes(route), class: eventClass, publishedAtMs };
}

/** Short bytes as a key of maps: one character a byte. */
export function keyOfBytes(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function openSealed(topic: Topic, head: EventHead, bytes: Uint8Array, policy: SignaturePolicy): OpenedEvent | null {
  // A route of another epoch than that of the publishing would let one event travel under two names.
  if (!equalBytes(head.route, topic.route(epochAt(head.publishedAtMs, epochMs.ring)))) return null;
  // The head does not keep the sealed part: it would stay in memory twice as long as the event is stored.
  const layout = layoutOfEvent(bytes);
  if (layout === null) return null;
  const headBytes = headBytesOf(bytes, layout);
  const inner = unsealed(topic, layout.sealed, headBytes);
  if (inner.length === 0 || !inner.every((item) => item instanceof Uint8Array)) return null;
  const [publicKey, sequence, signature, data] = inner as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]; // checked
  const { id, publishedAtMs } = head;
  const event = { id, class: head.class, data, publishedAtMs };
  if (policy === 'StrictNoSign') {
    return publicKey.length + sequence.length + signature.length === 0 ? event : null;
  }
  if (sequence.length !== 8) return null;
  if (!verifySignature(publicKey, signedBytes(topic, headBytes, sequence, data), signature)) return null;
  const sequenceNumber = new DataView(sequence.buffer, sequence.byteOffset).getBigUint64(0);
  return { ...event, author: { peer: peerIdOfEd25519(publicKey), sequenceNumber, signature } };
}

function unsealed(topic: Topic, sealed: Uint8Array, head: Uint8Array): readonly unknown[] {
  try {
    return decodedArray(openingBox(topic).open(sealed, head), 4);
  } catch (error) {
    if (error instanceof SealBrokenError) return [];
    throw error;
  }
}

/** The items of a CBOR array of `length`, none for anything else. */
function decodedArray(bytes: Uint8Array, length: number): readonly unknown[] {
  try {
    const value = decodeCbor(bytes, { bytesMax: eventLimits.bytesMax, depthMax: 1 });
    return Array.isArray(value) && value.length === length ? value : [];
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

function signedBytes(topic: Topic, head: Uint8Array, sequence: Uint8Array, data: Uint8Array): Uint8Array {
  return concatBytes(context, topic.id, head, sequence, data);
}

function bigEndian(value: bigint): Uint8Array {
  assert(value >= 0n && value < 2n ** 64n, 'a sequence number is 0 … 2^64-1');
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

// A box derives a key for each source of randomness: kept, since a box is made once a process and topic.
const sealing = new WeakMap<Random, WeakMap<Topic, Box>>();
const opening = new WeakMap<Topic, Box>();

function sealingBox(topic: Topic, random: Random): Box {
  const boxes = sealing.get(random) ?? new WeakMap<Topic, Box>();
  sealing.set(random, boxes);
  const box = boxes.get(topic) ?? createBox(topic.eventKey, { random });
  boxes.set(topic, box);
  return box;
}

function openingBox(topic: Topic): Box {
  const box = opening.get(topic) ?? createBox(topic.eventKey, { random: neverAsked });
  opening.set(topic, box);
  return box;
}

const refuse = () => {
  throw new Error('this box only opens');
};
const neverAsked: Random = { bytes: refuse, float: refuse, integer: refuse, normal: refuse, shuffle: refuse };
