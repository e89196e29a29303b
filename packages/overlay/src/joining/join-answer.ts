import type { Random } from '@pulsemesh/base';
import {
  createHpkeSuite,
  createX25519Key,
  dhKemX25519,
  generateX25519,
  hpkeTagBytes,
  SealBrokenError,
  WeakKeyError,
  type X25519Key,
} from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { type Descriptor, DescriptorRefusedError, descriptorLimits, isCurrent } from '../descriptor.ts';
import type { JoinQuery } from '../message.ts';
import type { Topic } from '../topic.ts';

/** Limits of an answer. */
export const joinAnswerLimits = {
  descriptorsMax: 6,
  /** What is sealed, padded: every answer is as long as every other. Descriptors that do not fit are left out. */
  plaintextBytes: 2_048,
  /** More layers than a query has hops, and nobody adds one. */
  layersMax: 12,
} as const;

const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
const info = text('upsycle/join-answer/1');
const layerInfo = text('upsycle/join-layer/1');
/** What a layer adds, and an answer to what it holds: an encapsulated key and a tag. */
const layerBytes = suite.kem.encapsulatedBytes + hpkeTagBytes;

/** How many layers a box may have by its length; undefined for what is no answer. One that replaces another has fewer, and is as long. */
export function layersOf(box: Uint8Array): number | undefined {
  const layers = (box.length - joinAnswerLimits.plaintextBytes) / layerBytes - 1;
  return Number.isInteger(layers) && layers >= 0 && layers <= joinAnswerLimits.layersMax ? layers : undefined;
}
const pskId = text('upsycle/reply-key/1');

/**
 * Seals members' descriptors (at most 6 are taken) for whoever made the query and knows the topic: HPKE to the query's
 * reply key, in pre-shared-key mode with a key that follows from the topic's secret (RFC 9180 §5.1.2). As long as an answer
 * in so many `layers`, whatever is in it. Undefined where the query's reply key gives no secret.
 */
export function sealJoinAnswer(
  query: JoinAnswerAddress,
  topic: Topic,
  members: readonly Descriptor[],
  layers: number,
  dependencies: { readonly random: Random },
): Uint8Array | undefined {
  return sealList(query, topic.replyKey, listOf(members), layers, dependencies);
}

/**
 * What nobody can tell from an answer who cannot open it, and nobody can open: made in the same way, so that it takes as
 * long and looks the same.
 */
export function sealDecoyAnswer(
  query: JoinAnswerAddress,
  dependencies: { readonly random: Random },
): Uint8Array | undefined {
  return sealList(query, dependencies.random.bytes(32), noMembers, 0, dependencies);
}

/**
 * An answer that is handed back, in one more layer: HPKE to the query's reply key, in base mode. Who stands on both sides of
 * a peer cannot tell whether it handed back what it was given, or an answer of its own.
 */
export function wrapJoinAnswer(
  query: JoinAnswerAddress,
  box: Uint8Array,
  dependencies: { readonly random: Random },
): Uint8Array | undefined {
  return sealTo(query, undefined, box, dependencies);
}

const noMembers = encodeCbor([]);

/** As many descriptors as fit, from the first on. */
export function fittingMembers(members: readonly Descriptor[]): readonly Descriptor[] {
  let bytesLeft = joinAnswerLimits.plaintextBytes - 5; // the length, and the head of the list
  const count = members.slice(0, joinAnswerLimits.descriptorsMax).findIndex(({ bytes }) => {
    bytesLeft -= bytes.length + 3; // with the head of a byte string
    return bytesLeft < 0;
  });
  return members.slice(0, count < 0 ? joinAnswerLimits.descriptorsMax : count);
}

function listOf(members: readonly Descriptor[]): Uint8Array {
  return encodeCbor(fittingMembers(members).map(({ bytes }) => bytes));
}

function sealList(
  query: JoinAnswerAddress,
  key: Uint8Array,
  list: Uint8Array,
  layers: number,
  dependencies: { readonly random: Random },
): Uint8Array | undefined {
  const plaintext = new Uint8Array(joinAnswerLimits.plaintextBytes + layers * layerBytes);
  new DataView(plaintext.buffer).setUint32(0, list.length);
  plaintext.set(list, 4);
  return sealTo(query, key, plaintext, dependencies);
}

function sealTo(
  { replyKey, nonce }: JoinAnswerAddress,
  key: Uint8Array | undefined,
  plaintext: Uint8Array,
  dependencies: { readonly random: Random },
): Uint8Array | undefined {
  const how = key === undefined ? { info: layerInfo } : { info, preSharedKey: { key, id: pskId } };
  try {
    const sender = suite.createSender({ recipientPublicKey: replyKey, ...how }, dependencies);
    return concatBytes(sender.encapsulated, sender.seal(nonce, plaintext));
  } catch (error) {
    if (error instanceof WeakKeyError) return undefined;
    throw error;
  }
}

/** To whom an answer is sealed, and for which search. */
export type JoinAnswerAddress = Pick<JoinQuery, 'replyKey' | 'nonce'>;

/** What an answer is opened with. */
export interface JoinAnswerKeys<Key extends ReplyKey = X25519Key> {
  readonly topic: Topic;
  readonly nonce: Uint8Array;
  readonly replyKey: Key;
}

/** To whom answers to one search are sealed; who made it opens them. */
export interface ReplyKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * How answers are sealed and opened: {@link joinSeals}, or in a simulation of thousands of peers what gives the same answers
 * for less work. Each draws the same from `random`, so that a seed gives the same run with either.
 */
export interface JoinSeals {
  createReplyKey(random: Random): ReplyKey;
  readonly seal: typeof sealJoinAnswer;
  readonly sealDecoy: typeof sealDecoyAnswer;
  readonly wrap: typeof wrapJoinAnswer;
  /** `keys.replyKey` is one that {@link createReplyKey} made; for the rest see {@link openJoinAnswer}. */
  open(
    box: Uint8Array,
    keys: JoinAnswerKeys<ReplyKey>,
    decode: (bytes: Uint8Array) => Descriptor,
    nowMs: number,
  ): Descriptor[] | undefined;
}

/** HPKE over X25519, as described above. */
export const joinSeals: JoinSeals = {
  createReplyKey: (random) => createX25519Key(generateX25519(random).privateKey),
  seal: sealJoinAnswer,
  sealDecoy: sealDecoyAnswer,
  wrap: wrapJoinAnswer,
  // The keys are this table's own.
  open: (box, keys, decode, nowMs) => openJoinAnswer(box, keys as JoinAnswerKeys, decode, nowMs),
};

/**
 * The descriptors in an answer, in however many layers, those that hold at `nowMs`; undefined where it was not sealed for this
 * query by somebody who knows the topic, or holds no list.
 */
export function openJoinAnswer(
  box: Uint8Array,
  keys: JoinAnswerKeys,
  decode: (bytes: Uint8Array) => Descriptor,
  nowMs: number,
): Descriptor[] | undefined {
  let wrapped: Uint8Array | undefined = box;
  while (wrapped !== undefined && layersOf(wrapped) !== undefined) {
    const plaintext = opened(wrapped, keys, keys.topic.replyKey);
    if (plaintext !== undefined) return parse(plaintext, decode, nowMs);
    wrapped = opened(wrapped, keys, undefined);
  }
  return undefined;
}

/** What was sealed under `key`, or without one. */
function opened(box: Uint8Array, { replyKey, nonce }: JoinAnswerKeys, key: Uint8Array | undefined) {
  const { encapsulatedBytes } = suite.kem;
  const how = key === undefined ? { info: layerInfo } : { info, preSharedKey: { key, id: pskId } };
  try {
    const encapsulated = box.subarray(0, encapsulatedBytes);
    const recipient = suite.createRecipient({ encapsulated, recipientKey: replyKey, ...how });
    return recipient.open(nonce, box.subarray(encapsulatedBytes));
  } catch (error) {
    if (error instanceof WeakKeyError || error instanceof SealBrokenError) return undefined;
    throw error;
  }
}

function parse(plaintext: Uint8Array, decode: (bytes: Uint8Array) => Descriptor, nowMs: number) {
  const length = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).getUint32(0);
  if (length > plaintext.length - 4) return undefined;
  const list = listIn(plaintext.subarray(4, 4 + length));
  if (!Array.isArray(list) || list.length > joinAnswerLimits.descriptorsMax) return undefined;
  const isDescriptor = (item: unknown) => item instanceof Uint8Array && item.length <= descriptorLimits.bytesMax;
  return list.every(isDescriptor) ? currentMembers(list as Uint8Array[], decode, nowMs) : undefined;
}

function listIn(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes, { depthMax: 1 });
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The descriptors that hold at `nowMs`; what is none is left out. */
export function currentMembers(
  list: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => Descriptor,
  nowMs: number,
): Descriptor[] {
  const descriptors: Descriptor[] = [];
  for (const bytes of list) {
    const descriptor = decodeOrSkip(bytes, decode);
    if (descriptor !== undefined && isCurrent(descriptor, nowMs)) descriptors.push(descriptor);
  }
  return descriptors;
}

function decodeOrSkip(bytes: Uint8Array, decode: (bytes: Uint8Array) => Descriptor): Descriptor | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof DescriptorRefusedError) return undefined;
    throw error;
  }
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
