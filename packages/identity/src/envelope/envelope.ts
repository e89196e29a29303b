import { assert, type Clock, type Random } from '@pulsemesh/base';
import {
  createHpkeSuite,
  dhKemX25519,
  hpkeTagBytes,
  SealBrokenError,
  sha256,
  verifySignature,
  WeakKeyError,
  xWing,
} from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { SealRefusedError } from './errors.ts';
import { envelopeLimits, isSizeClass, pad, paddingOverheadBytes, sizeClassOf, unpad } from './padding.ts';
import type { EnvelopeOpener, EnvelopeRecipient, EnvelopeSender, OpeningKey } from './parties.ts';
import { checkSenderProof, proveSender, senderProofBytes } from './sender-proof.ts';

/** How it is sealed: HPKE with X25519 and its authenticated mode, or with X-Wing and a signature inside. */
export type EnvelopeSuite = 'x25519' | 'hybrid';

export interface SealEnvelopeInput {
  readonly from: EnvelopeSender;
  readonly to: EnvelopeRecipient;
  /** At most {@link envelopeLimits}.contentBytesMax. */
  readonly content: Uint8Array;
  /** What it is for, 1 … 64 characters: opens for the same use only. Not in the envelope. */
  readonly context: string;
  /** Default: `hybrid` where the recipient has such a key. */
  readonly suite?: EnvelopeSuite;
  /** 16 bytes, another one for each envelope; default random. */
  readonly messageId?: Uint8Array;
}

/** What an envelope says. */
export interface OpenedEnvelope {
  readonly from: PeerId;
  /** The sender's Ed25519 key. */
  readonly senderKey: Uint8Array;
  /** 16 bytes, drawn by the sender. Whoever acts on envelopes remembers these: one that comes again is a replay. */
  readonly messageId: Uint8Array;
  /** The sender's clock, milliseconds since 1970. */
  readonly createdMs: number;
  readonly content: Uint8Array;
  readonly suite: EnvelopeSuite;
}

export interface OpenEnvelopeInput {
  readonly to: EnvelopeOpener;
  readonly context: string;
  /**
   * Whether this X25519 key may still speak for the sender, by what the reader knows of its contact card; default yes. A retired
   * key that leaked could otherwise speak on. Hybrid envelopes are signed by the sender's Ed25519 key and do not ask.
   */
  readonly isSenderKeyAccepted?: (sender: PeerId, sealingKey: Uint8Array) => boolean;
}

const version = 1;
const headBytes = 2;
const messageIdBytes = 16;
const signatureBytes = 64;
// What CBOR and the fields besides the content take at most; constant, so that a length shows the class and nothing else.
const fieldBytes = 192;
const innerOverheadBytes = fieldBytes + paddingOverheadBytes + hpkeTagBytes;
const label = 'pulsemesh/envelope/1';

const curve = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
const hybrid = createHpkeSuite(xWing, 'aes-256-gcm');
const curveBytes = dhKemX25519.encapsulatedBytes;
const hybridBytes = xWing.encapsulatedBytes;
/** Ephemeral key, then the sealed proof of the sender and the second ephemeral key. */
const curveOuterBytes = curveBytes + senderProofBytes + curveBytes + hpkeTagBytes;

/** How much longer than its size class an envelope is. */
export const envelopeOverheadBytes: Readonly<Record<EnvelopeSuite, number>> = {
  x25519: headBytes + curveOuterBytes + innerOverheadBytes,
  hybrid: headBytes + hybridBytes + innerOverheadBytes,
};

/**
 * Content for one recipient, from one sender, with neither to be seen: who passes it on sees a version, a suite and a
 * size class. {@link envelopeOverheadBytes} longer than {@link sizeClassOf} the content.
 * @throws {ContentTooLargeError}, {WeakKeyError} for a recipient's key that gives no secret.
 */
export function sealEnvelope(
  input: SealEnvelopeInput,
  dependencies: { readonly random: Random; readonly clock: Clock },
): Uint8Array {
  const { content, context, to } = input;
  assertContext(context);
  const paddedBytes = sizeClassOf(content.length) + fieldBytes;
  const fields = {
    content,
    created: Math.trunc(dependencies.clock.now()),
    id: input.messageId ?? dependencies.random.bytes(messageIdBytes),
  };
  assert(fields.id.length === messageIdBytes, 'a message id has 16 bytes');
  const suite = input.suite ?? (to.hybridKey === undefined ? 'x25519' : 'hybrid');
  return suite === 'x25519'
    ? sealWithCurve(input, pad(encodeCbor(fields), paddedBytes), dependencies.random)
    : sealWithHybrid(input, fields, paddedBytes, dependencies.random);
}

/**
 * Opens an envelope. Says who sealed it; whether it came before is for the caller to tell by its message id.
 * @throws {SealRefusedError}
 */
export function openEnvelope(envelope: Uint8Array, input: OpenEnvelopeInput): OpenedEnvelope {
  assertContext(input.context);
  const keys = input.to.sealingKeys.slice(0, envelopeLimits.recipientKeysMax);
  const suite = suiteOf(envelope);
  if (!isSizeClass(envelope.length - envelopeOverheadBytes[suite])) throw new SealRefusedError('size');
  for (const key of keys) {
    const opened =
      suite === 'x25519' ? openWithCurve(envelope, key, input) : openWithHybrid(envelope, key, input.context);
    if (opened !== null) return opened;
  }
  throw new SealRefusedError('sealed');
}

/*
 * X25519. Two HPKE messages: the outer one, in base mode, tells the recipient who the sender is and the ephemeral key of the
 * inner one; the inner one, in auth mode, holds the content. HPKE's auth mode needs the sender's key before it opens, and nobody
 * else may see that key. The outer message is associated data of the inner one, so that neither stands alone.
 */

function sealWithCurve({ from, to, context }: SealEnvelopeInput, padded: Uint8Array, random: Random): Uint8Array {
  const recipientPublicKey = to.sealingKey;
  const inner = curve.createSender(
    { recipientPublicKey, info: infoOf('x25519', 'content', context, recipientPublicKey), senderKey: from.sealing },
    { random },
  );
  const outer = curve.createSender(
    { recipientPublicKey, info: infoOf('x25519', 'sender', context, recipientPublicKey) },
    { random },
  );
  const head = headOf('x25519');
  const outerBox = outer.seal(head, concatBytes(proveSender(from), inner.encapsulated));
  const before = concatBytes(head, outer.encapsulated, outerBox);
  return concatBytes(before, inner.seal(before, padded));
}

/** Null where it is not sealed to this key. */
function openWithCurve(envelope: Uint8Array, key: OpeningKey, input: OpenEnvelopeInput): OpenedEnvelope | null {
  const { context } = input;
  const before = envelope.subarray(0, headBytes + curveOuterBytes);
  const sender = openOrNull(() => {
    const info = infoOf('x25519', 'sender', context, key.publicKey);
    const encapsulated = before.subarray(headBytes, headBytes + curveBytes);
    const outer = curve.createRecipient({ encapsulated, recipientKey: key, info });
    return outer.open(before.subarray(0, headBytes), before.subarray(headBytes + curveBytes));
  });
  if (sender === null) return null;
  const proven = checkSenderProof(sender.subarray(0, senderProofBytes));
  if (proven === null) throw new SealRefusedError('sender');
  const from = peerIdOfEd25519(proven.publicKey);
  if (!(input.isSenderKeyAccepted?.(from, proven.sealingKey) ?? true)) throw new SealRefusedError('sender');
  const padded = openOrNull(() => {
    const inner = curve.createRecipient({
      encapsulated: sender.subarray(senderProofBytes),
      recipientKey: key,
      info: infoOf('x25519', 'content', context, key.publicKey),
      senderPublicKey: proven.sealingKey,
    });
    return inner.open(before, envelope.subarray(before.length));
  });
  if (padded === null) throw new SealRefusedError('sealed');
  const { content, createdMs, messageId } = parseFields(unpad(padded));
  return { from, senderKey: proven.publicKey, messageId, createdMs, content, suite: 'x25519' };
}

/*
 * Hybrid. X-Wing authenticates no sender, so that the sender's Ed25519 key signs inside: the use, the recipient's key, the
 * ciphertext of the KEM and the content, so that the recipient cannot pass it on as if it were sealed to another.
 */

interface Fields {
  readonly content: Uint8Array;
  readonly created: number;
  readonly id: Uint8Array;
}

function sealWithHybrid(
  { from, to, context }: SealEnvelopeInput,
  fields: Fields,
  paddedBytes: number,
  random: Random,
): Uint8Array {
  assert(to.hybridKey !== undefined, 'the recipient has no hybrid key');
  const info = infoOf('hybrid', 'content', context, to.hybridKey);
  const sender = hybrid.createSender({ recipientPublicKey: to.hybridKey, info }, { random });
  const signature = from.sign(signedBytes(info, sender.encapsulated, from.publicKey, fields));
  const before = concatBytes(headOf('hybrid'), sender.encapsulated);
  const padded = pad(encodeCbor({ ...fields, from: from.publicKey, signature }), paddedBytes);
  return concatBytes(before, sender.seal(before, padded));
}

/** Null where it is not sealed to this key. */
function openWithHybrid(envelope: Uint8Array, key: OpeningKey, context: string): OpenedEnvelope | null {
  const recipientKey = key.hybrid;
  if (recipientKey === undefined) return null;
  const info = infoOf('hybrid', 'content', context, recipientKey.publicKey);
  const before = envelope.subarray(0, headBytes + hybridBytes);
  const encapsulated = before.subarray(headBytes);
  const padded = openOrNull(() => {
    const recipient = hybrid.createRecipient({ encapsulated, recipientKey, info });
    return recipient.open(before, envelope.subarray(before.length));
  });
  if (padded === null) return null;
  const { content, createdMs, messageId, from, signature } = parseFields(unpad(padded));
  const fields = { content, created: createdMs, id: messageId };
  if (!verifySignature(from, signedBytes(info, encapsulated, from, fields), signature)) {
    throw new SealRefusedError('sender');
  }
  return { from: peerIdOfEd25519(from), senderKey: from, messageId, createdMs, content, suite: 'hybrid' };
}

function signedBytes(info: Uint8Array, encapsulated: Uint8Array, from: Uint8Array, fields: Fields): Uint8Array {
  const { content, created, id } = fields;
  return encodeCbor([`${label} signature`, info, encapsulated, from, created, id, sha256(content)]);
}

// What both have in common.

function headOf(suite: EnvelopeSuite): Uint8Array {
  return Uint8Array.of(version, suite === 'x25519' ? 1 : 2);
}

function suiteOf(envelope: Uint8Array): EnvelopeSuite {
  if (envelope[0] !== version || (envelope[1] !== 1 && envelope[1] !== 2)) throw new SealRefusedError('version');
  return envelope[1] === 1 ? 'x25519' : 'hybrid';
}

/** The header, bound to all that is sealed: what it is, for what use and for whom. */
function infoOf(suite: EnvelopeSuite, part: 'sender' | 'content', context: string, recipientKey: Uint8Array) {
  return encodeCbor([label, suite, part, context, recipientKey]);
}

function assertContext(context: string): void {
  assert(context.length > 0 && context.length <= envelopeLimits.contextLengthMax, 'a context has 1 … 64 characters');
}

function openOrNull(open: () => Uint8Array): Uint8Array | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof SealBrokenError || error instanceof WeakKeyError) return null;
    throw error;
  }
}

/** The fields inside; `from` and `signature` are empty where the suite has none. */
function parseFields(bytes: Uint8Array) {
  const { content, created, id, from, signature } = decodeFields(bytes);
  const isWhole =
    content instanceof Uint8Array &&
    typeof created === 'number' &&
    Number.isSafeInteger(created) &&
    hasLength(id, messageIdBytes) &&
    (from === undefined || hasLength(from, 32)) &&
    (signature === undefined || hasLength(signature, signatureBytes));
  if (!isWhole) throw new SealRefusedError('content');
  const none = new Uint8Array(0);
  return { content, createdMs: created, messageId: id, from: from ?? none, signature: signature ?? none };
}

function decodeFields(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value = decodeCbor(bytes, { bytesMax: envelopeLimits.contentBytesMax + fieldBytes, depthMax: 1 });
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  throw new SealRefusedError('content');
}

function hasLength(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}
