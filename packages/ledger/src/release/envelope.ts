import type { Random } from '@pulsemesh/base';
import {
  createBox,
  createHpkeSuite,
  dhKemX25519,
  generateSeed,
  hpkeTagBytes,
  type KeySubtree,
  type KeyTree,
  openSubtree,
  SealBrokenError,
  SubtreeMalformedError,
  sha256,
  WeakKeyError,
  type X25519Key,
} from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';
import { EnvelopeRefusedError } from './errors.ts';
import { type ReleaseSpan, subtreeSpanOf } from './span.ts';

/** Limits of an envelope. */
export const envelopeLimits = {
  /** As messages carry it. */
  bytesMax: 256 * 1024,
} as const;

/** Bytes of the wrapped key: encapsulation, key, tag. What goes on the ledger where a buyer keeps silent. */
export const wrappedKeyBytes = dhKemX25519.encapsulatedBytes + 32 + hpkeTagBytes;

export interface EnvelopeInput extends ReleaseSpan {
  readonly tree: KeyTree;
  readonly grantId: Hex;
  /** X25519, 32 bytes. */
  readonly buyerHpkePublicKey: Uint8Array;
}

// [version, encapsulated ‖ sealed envelope key, box of the subtree under that key, bound to the grant]: the key part is small enough for
// a ledger, and worth nothing without the rest, which custodians hold.
const version = 1;
const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
const label = new TextEncoder().encode('pulsemesh/release/1\0');
const none = new Uint8Array(0);

/**
 * Seals the keys of exactly the agreed hours and kinds to the buyer's key; what is recorded in them later opens too, nothing else does.
 * `grantId` is bound to it: the envelope of one grant is none of another.
 * @throws {SubtreeLimitError} where the interval needs more keys than an envelope holds; {WeakKeyError} for a key that is none.
 */
export function sealEnvelope(input: EnvelopeInput, dependencies: { readonly random: Random }): Uint8Array {
  const subtree = input.tree.subtree(subtreeSpanOf(input));
  const info = infoOf(input.grantId);
  const key = generateSeed(dependencies.random);
  const sender = suite.createSender({ recipientPublicKey: input.buyerHpkePublicKey, info }, dependencies);
  const wrapped = concatBytes(sender.encapsulated, sender.seal(none, key));
  return encodeCbor([version, wrapped, createBox(key, dependencies).seal(subtree, info)]);
}

/**
 * Opens an envelope and checks that it holds what was agreed.
 * @throws {EnvelopeRefusedError}
 */
export function openEnvelope(
  envelope: Uint8Array,
  agreed: ReleaseSpan & { readonly grantId: Hex; readonly hpkeKey: X25519Key },
  dependencies: { readonly random: Random },
): KeySubtree {
  const { wrapped, sealed } = partsOf(envelope);
  const subtree = openWith(wrapped, sealed, agreed, dependencies);
  const { kinds, fromHour, untilHour } = subtreeSpanOf(agreed);
  const isAgreed =
    subtree.fromHour === fromHour && subtree.untilHour === untilHour && subtree.kinds.join() === kinds.join();
  if (!isAgreed) throw new EnvelopeRefusedError('other-span');
  return subtree;
}

function openWith(
  wrapped: Uint8Array,
  sealed: Uint8Array,
  { grantId, hpkeKey }: { readonly grantId: Hex; readonly hpkeKey: X25519Key },
  dependencies: { readonly random: Random },
): KeySubtree {
  const info = infoOf(grantId);
  const encapsulated = wrapped.subarray(0, dhKemX25519.encapsulatedBytes);
  try {
    const recipient = suite.createRecipient({ encapsulated, recipientKey: hpkeKey, info });
    const key = recipient.open(none, wrapped.subarray(encapsulated.length));
    return openSubtree(createBox(key, dependencies).open(sealed, info));
  } catch (cause) {
    if (cause instanceof SealBrokenError || cause instanceof WeakKeyError)
      throw new EnvelopeRefusedError('seal-broken', { cause });
    if (cause instanceof SubtreeMalformedError) throw new EnvelopeRefusedError('malformed', { cause });
    throw cause;
  }
}

/**
 * The part of an envelope that is its key, sealed to the buyer: 80 bytes, what `deliverOnChain` publishes.
 * @throws {EnvelopeRefusedError} for what is no envelope.
 */
export function wrappedKeyOf(envelope: Uint8Array): Hex {
  return `0x${toHex(partsOf(envelope).wrapped)}`;
}

/** Names an envelope, so that all mean the same delivery: SHA-256. */
export function deliveryOf(envelope: Uint8Array): Hex {
  return `0x${toHex(sha256(envelope))}`;
}

function partsOf(envelope: Uint8Array): { readonly wrapped: Uint8Array; readonly sealed: Uint8Array } {
  try {
    const parts = decodeCbor(envelope, { bytesMax: envelopeLimits.bytesMax, depthMax: 1 });
    if (Array.isArray(parts) && parts.length === 3 && parts[0] === version) {
      const [, wrapped, sealed] = parts as unknown[];
      const areBytes = wrapped instanceof Uint8Array && sealed instanceof Uint8Array;
      if (areBytes && wrapped.length === wrappedKeyBytes) return { wrapped, sealed };
    }
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
  }
  throw new EnvelopeRefusedError('malformed');
}

function infoOf(grantId: Hex): Uint8Array {
  return concatBytes(label, fromHex(grantId.slice(2), 32));
}
