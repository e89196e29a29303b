import { sha256 } from '@pulsemesh/crypto';

/** Bytes of a leaf: those of a small entry, a round's step or a contract. */
export const leafBytes = 256;

/** A leaf that no other number has. */
export function leafOf(number: number): Uint8Array {
  const leaf = new Uint8Array(leafBytes);
  const seed = sha256(new TextEncoder().encode(`leaf ${number}`));
  for (let at = 0; at < leafBytes; at += seed.length) leaf.set(seed, at);
  return leaf;
}
