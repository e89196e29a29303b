import { Condition } from '@pulsemesh/base';
import { type Signer, sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';

/** What a peer offers beyond being one; bits of {@link DescriptorContent.capabilities}. */
export const capability = { core: 1, proxy: 2, storage: 4, lan: 8 } as const;

/** Limits of a descriptor; each is refused when read. */
export const descriptorLimits = {
  addressesMax: 4,
  addressBytesMax: 128,
  bytesMax: 1_024,
  /** A descriptor says at most so far ahead until when it holds, seconds. */
  lifetimeSecondsMax: 24 * 3_600,
  /** How far another's clock may be ahead of ours, seconds. */
  clockSkewSecondsMax: 300,
  /** {@link DescriptorContent.interestDigest}. */
  digestBytes: 16,
} as const;

/** What a peer says of itself. */
export interface DescriptorContent {
  /** Multiaddrs under which it can be dialled; none for a client, which is reached over connections it made itself. */
  readonly addresses: readonly string[];
  /** Grows with each new one of a peer (unix milliseconds of the making will do); the greatest is the true one. */
  readonly version: number;
  /** Unix seconds; afterwards nobody uses or hands it on. */
  readonly expiresAtSeconds: number;
  /** Sum of {@link capability} bits. */
  readonly capabilities: number;
  /** The first 16 bytes of SHA-256 of the peer's interest filter as encoded, which travels apart; absent: it tells none. */
  readonly interestDigest?: Uint8Array;
}

/** A signed statement of a peer about itself, as received: it is handed on byte for byte. */
export interface Descriptor extends DescriptorContent {
  readonly peer: PeerId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Deterministic CBOR of [1, key, addresses, version, expiry, capabilities, digest or null], then 64 bytes of signature. */
  readonly bytes: Uint8Array;
}

/** Bytes that are no descriptor, or one that does not hold. */
export class DescriptorRefusedError extends Condition {
  override readonly name = 'DescriptorRefusedError';

  constructor(reason: 'malformed' | 'signature' | 'expired' | 'too-far-ahead', cause?: unknown) {
    super('descriptor-refused', `a peer's descriptor does not hold: ${reason}`, {
      facts: { reason },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

const signatureBytes = 64;
const context = new TextEncoder().encode('upsycle/descriptor/1');

/** Signs what a peer says of itself. */
export function createDescriptor(content: DescriptorContent, signer: Signer): Descriptor {
  const { addresses, version, expiresAtSeconds, capabilities, interestDigest } = content;
  const body = encodeCbor([
    1,
    signer.publicKey,
    addresses,
    version,
    expiresAtSeconds,
    capabilities,
    interestDigest ?? null,
  ]);
  const descriptor = {
    ...content,
    peer: peerIdOfEd25519(signer.publicKey),
    publicKey: signer.publicKey,
    bytes: concatBytes(body, signer.sign(concatBytes(context, body))),
  };
  known.add(descriptor);
  return descriptor;
}

/**
 * The descriptor in `bytes`, checked but for its time, see {@link isCurrent}.
 * @throws {DescriptorRefusedError} for anything that a peer did not sign about itself.
 */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  const cut = bytes.length - signatureBytes;
  if (cut <= 0 || bytes.length > descriptorLimits.bytesMax) throw new DescriptorRefusedError('malformed');
  const body = bytes.subarray(0, cut);
  const descriptor = { ...parseBody(body), bytes: bytes.slice() };
  if (!verifySignature(descriptor.publicKey, concatBytes(context, body), bytes.subarray(cut))) {
    throw new DescriptorRefusedError('signature');
  }
  known.add(descriptor);
  return descriptor;
}

/** Whether it holds at `nowMs` (unix milliseconds), and does not claim to hold longer than allowed. */
export function isCurrent(descriptor: Descriptor, nowMs: number): boolean {
  const leftSeconds = descriptor.expiresAtSeconds - nowMs / 1_000;
  return leftSeconds > 0 && leftSeconds <= descriptorLimits.lifetimeSecondsMax + descriptorLimits.clockSkewSecondsMax;
}

/**
 * Whether this very object was made or checked here. Objects that cross a simulated network keep their identity, so a
 * signature is looked at once in a whole simulation; a forged object is checked, and refused, each time.
 */
export function isGenuine(descriptor: Descriptor): boolean {
  if (known.has(descriptor)) return true;
  try {
    const { bytes: _, ...said } = decodeDescriptor(descriptor.bytes);
    return said.peer === descriptor.peer && sameContent(said, descriptor);
  } catch (error) {
    if (error instanceof DescriptorRefusedError) return false;
    throw error;
  }
}

const known = new WeakSet<Descriptor>();

function sameContent(one: DescriptorContent, other: DescriptorContent): boolean {
  return (
    one.version === other.version &&
    one.expiresAtSeconds === other.expiresAtSeconds &&
    one.capabilities === other.capabilities &&
    one.addresses.join() === other.addresses.join() &&
    toHex(one.interestDigest ?? none) === toHex(other.interestDigest ?? none)
  );
}

const none = new Uint8Array(0);

/** The digest under which a descriptor names its peer's interest filter. */
export function interestDigestOf(filterBytes: Uint8Array): Uint8Array {
  return sha256(filterBytes).subarray(0, descriptorLimits.digestBytes);
}

function parseBody(body: Uint8Array): Omit<Descriptor, 'bytes'> {
  let value: unknown;
  try {
    value = decodeCbor(body, { bytesMax: descriptorLimits.bytesMax, depthMax: 2 });
  } catch (error) {
    if (error instanceof DecodeError) throw new DescriptorRefusedError('malformed', error);
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== 1) throw new DescriptorRefusedError('malformed');
  const [, publicKey, addresses, version, expiresAtSeconds, capabilities, digest] = value as unknown[];
  const isDigest = digest === null || (digest instanceof Uint8Array && digest.length === descriptorLimits.digestBytes);
  if (
    !(publicKey instanceof Uint8Array && publicKey.length === 32) ||
    !isAddresses(addresses) ||
    !isCount(version) ||
    !isCount(expiresAtSeconds) ||
    !isCount(capabilities) ||
    !isDigest
  ) {
    throw new DescriptorRefusedError('malformed');
  }
  return {
    peer: peerIdOfEd25519(publicKey),
    publicKey,
    addresses,
    version,
    expiresAtSeconds,
    capabilities,
    ...(digest === null ? {} : { interestDigest: digest as Uint8Array }), // checked above
  };
}

function isAddresses(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= descriptorLimits.addressesMax &&
    value.every((item) => typeof item === 'string' && item.length <= descriptorLimits.addressBytesMax)
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
