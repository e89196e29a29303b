import { sha256 } from '@pulsemesh/crypto';

/**
 * A peer's place on all rings of an epoch, 0 … 2^64-1: the first eight bytes of SHA-256(key ‖ epoch). The same in every topic,
 * so that one link serves several; another one each day, so that a key ground to stand beside a victim is soon worth nothing.
 */
export function placeOf(publicKey: Uint8Array, epoch: number): bigint {
  const known = places.get(publicKey);
  if (known?.epoch === epoch) return known.place;
  const input = new Uint8Array(publicKey.length + 8);
  input.set(publicKey);
  new DataView(input.buffer).setBigUint64(publicKey.length, BigInt(epoch));
  const digest = sha256(input);
  const place = new DataView(digest.buffer, digest.byteOffset).getBigUint64(0);
  places.set(publicKey, { epoch, place });
  return place;
}

// One key stands in many descriptors, rings and machines of a process: its place is remembered for the array itself.
const places = new WeakMap<Uint8Array, { readonly epoch: number; readonly place: bigint }>();

/** How far `to` lies clockwise from `from`: 0 … 2^64-1. */
export function clockwise(from: bigint, to: bigint): bigint {
  return BigInt.asUintN(64, to - from);
}
