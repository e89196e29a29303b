import { sha256 } from '@pulsemesh/crypto';

/** Bytes of every hash of the tree (SHA-256). */
export const hashBytes = 32;

/** The root of a tree without leaves: SHA-256 of nothing (RFC 6962 §2.1). */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0));

/** The hash of a leaf: SHA-256 of 0x00 and its bytes (RFC 6962 §2.1). */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  const input = new Uint8Array(leaf.length + 1); // begins with 0x00
  input.set(leaf, 1);
  return sha256(input);
}

// One for all calls: hashing is synchronous and does not keep its input.
const nodeInput = new Uint8Array(1 + 2 * hashBytes);
nodeInput[0] = 1;

/** The hash of an inner node: SHA-256 of 0x01 and its children's hashes (RFC 6962 §2.1). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + hashBytes);
  return sha256(nodeInput);
}
