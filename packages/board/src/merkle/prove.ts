import { assert } from '@pulsemesh/base';
import { emptyRoot, hashNode } from './hash.ts';

/** The hash of the whole subtree number `index` of 2^`level` leaves: leaves have level 0. */
export type SubtreeHash = (level: number, index: number) => Uint8Array;

/** The root of the tree of the first `size` leaves. */
export function rootOf(size: number, subtreeHash: SubtreeHash): Uint8Array {
  return size === 0 ? emptyRoot : rangeHash(0, size, subtreeHash);
}

/** The proof that leaf `index` is in the tree of the first `size` leaves (RFC 6962 §2.1.1), from the leaf's sibling upwards. */
export function proveInclusion(index: number, size: number, subtreeHash: SubtreeHash): Uint8Array[] {
  assert(index >= 0 && index < size, 'the leaf is in the tree');
  const proof: Uint8Array[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      proof.push(rangeHash(middle, end, subtreeHash));
      end = middle;
    } else {
      proof.push(rangeHash(start, middle, subtreeHash));
      start = middle;
    }
  }
  return proof.reverse();
}

/** The proof that the tree of `newSize` leaves begins with that of `oldSize` (RFC 6962 §2.1.2); empty from size 0, and to itself. */
export function proveConsistency(oldSize: number, newSize: number, subtreeHash: SubtreeHash): Uint8Array[] {
  assert(oldSize >= 0 && oldSize <= newSize, 'the older tree is the smaller one');
  if (oldSize === 0 || oldSize === newSize) return [];
  const proof: Uint8Array[] = [];
  let [start, end] = [0, newSize];
  while (oldSize !== end) {
    const middle = start + splitOf(end - start);
    if (oldSize <= middle) {
      proof.push(rangeHash(middle, end, subtreeHash));
      end = middle;
    } else {
      proof.push(rangeHash(start, middle, subtreeHash));
      start = middle;
    }
  }
  // The verifier has the hash of what is left already where that is the whole older tree.
  if (start > 0) proof.push(rangeHash(start, end, subtreeHash));
  return proof.reverse();
}

/** The hash of the leaves from `start` until `end`, where `start` is a multiple of the power of two at or above their number. */
function rangeHash(start: number, end: number, subtreeHash: SubtreeHash): Uint8Array {
  const count = end - start;
  const split = splitOf(count);
  if (split * 2 === count || count === 1) return subtreeHash(Math.log2(count), start / count);
  return hashNode(rangeHash(start, start + split, subtreeHash), rangeHash(start + split, end, subtreeHash));
}

/** The largest power of two below `count`; 1 of 1. */
function splitOf(count: number): number {
  if (count <= 2) return 1;
  // Math.log2 rounds up just below large powers of two.
  let split = 2 ** Math.floor(Math.log2(count - 1));
  while (split >= count) split /= 2;
  return split;
}
