import { equalBytes } from '@pulsemesh/wire';
import { emptyRoot, hashBytes, hashNode } from './hash.ts';

/** Hashes a proof may have: a tree of 2^53 leaves, both sides of the fork. Longer proofs are refused unread. */
export const proofHashesMax = 106;

/** What an inclusion proof is checked against. */
export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly root: Uint8Array;
  /** From the leaf's sibling upwards. */
  readonly proof: readonly Uint8Array[];
}

/** True when the leaf is at `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2). Never throws. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { index, size, leafHash, proof } = claim;
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  if (!areHashes([leafHash, claim.root]) || !areHashes(proof)) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) return false; // more hashes than levels
    if (node % 2 === 1 || node === last) {
      hash = hashNode(sibling, hash);
      // A node without a right sibling rises to where it has a left one.
      while (node % 2 === 0 && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hash = hashNode(hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(hash, claim.root);
}

/** What a consistency proof is checked against. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly newSize: number;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * True when the newer tree begins with all leaves of the older one (RFC 9162 §2.1.4.2). Every tree begins with the empty one, whose
 * root is {@link emptyRoot}; its proof is empty, as that of equal sizes is. Never throws.
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim;
  if (!isCount(oldSize) || !isCount(newSize) || oldSize > newSize) return false;
  if (!areHashes([oldRoot, newRoot]) || !areHashes(proof)) return false;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, emptyRoot);
  return joins(claim);
}

/** The walk up both trees at once; 0 < oldSize < newSize. */
function joins({ oldSize, oldRoot, newSize, newRoot, proof }: ConsistencyClaim): boolean {
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = half(node);
    last = half(last);
  }
  // Of a whole subtree the verifier has the root already, and the proof leaves it out.
  const path = node === 0 ? [oldRoot, ...proof] : proof;
  const [start] = path;
  if (start === undefined) return false;
  let oldHash = start;
  let newHash = start;
  for (const hash of path.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      oldHash = hashNode(hash, oldHash);
      newHash = hashNode(hash, newHash);
      while (node % 2 === 0 && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      newHash = hashNode(newHash, hash);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.length <= proofHashesMax && hashes.every((hash) => hash.length === hashBytes);
}

/** Sizes and indexes are exact in a double up to 2^53 - 1; bit operations would cut them at 32 bits. */
function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
