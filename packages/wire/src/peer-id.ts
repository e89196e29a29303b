import type { Brand } from '@pulsemesh/base';
import { base58btc } from 'multiformats/bases/base58';
import { equalBytes } from './bytes.ts';
import { DecodeError } from './errors.ts';

/** A libp2p peer id as text: `12D3KooW…` (Ed25519) or a legacy `Qm…`. */
export type PeerId = Brand<string, 'PeerId'>;

// An identity multihash (code 0, length 36) of the protobuf {Type: Ed25519, Data: 32 bytes}; libp2p peer-ids spec.
const ed25519Head = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
// A sha2-256 multihash (code 0x12, length 32) of an RSA key's protobuf.
const sha256Head = Uint8Array.of(0x12, 0x20);
const textLengthMax = 64;

/**
 * The peer id a text names: an Ed25519 key's (`12D3KooW…`, 52 characters), or a legacy sha2-256 one (`Qm…`, 46).
 * @throws {DecodeError} for anything else, CIDs and other key types included.
 */
export function parsePeerId(text: string): PeerId {
  const bytes = multihashOf(text);
  const isKnown = startsWith(bytes, ed25519Head, 32) || startsWith(bytes, sha256Head, 32);
  // Base58 of leading zeros is ambiguous in some decoders; only the one spelling is accepted.
  if (!isKnown || base58btc.baseEncode(bytes) !== text) throw new DecodeError('not a peer id');
  return text as PeerId; // checked above
}

/** The peer id of an Ed25519 public key (32 bytes). */
export function peerIdOfEd25519(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== 32) throw new DecodeError('an Ed25519 public key is 32 bytes');
  const bytes = new Uint8Array(ed25519Head.length + 32);
  bytes.set(ed25519Head);
  bytes.set(publicKey, ed25519Head.length);
  // The encoder adds character to character; joined anew, the text does not keep all its parts in memory.
  return [...base58btc.baseEncode(bytes)].join('') as PeerId; // made here
}

/** The Ed25519 public key inside a peer id (32 bytes), or null for a legacy id, which holds only a hash. */
export function ed25519KeyOf(peer: PeerId): Uint8Array | null {
  const bytes = multihashOf(peer);
  return startsWith(bytes, ed25519Head, 32) ? bytes.slice(ed25519Head.length) : null;
}

function multihashOf(text: string): Uint8Array {
  if (text.length > textLengthMax) throw new DecodeError('not a peer id');
  try {
    return base58btc.baseDecode(text);
  } catch (error) {
    throw new DecodeError('not a peer id', { cause: error });
  }
}

function startsWith(bytes: Uint8Array, head: Uint8Array, restLength: number): boolean {
  return bytes.length === head.length + restLength && equalBytes(bytes.subarray(0, head.length), head);
}
