import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyRoot, hashLeaf, hashNode } from './hash.ts';
import { proveConsistency, proveInclusion, rootOf, type SubtreeHash } from './prove.ts';
import { proofHashesMax, verifyConsistency, verifyInclusion } from './verify.ts';

/** RFC 6962 §2.1, word for word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return hashLeaf(leaves[0] as Uint8Array);
  const split = naiveSplit(leaves.length);
  return hashNode(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

/** RFC 6962 §2.1.1. */
function naivePath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const split = naiveSplit(leaves.length);
  return index < split
    ? [...naivePath(index, leaves.slice(0, split)), naiveRoot(leaves.slice(split))]
    : [...naivePath(index - split, leaves.slice(split)), naiveRoot(leaves.slice(0, split))];
}

/** RFC 6962 §2.1.2. */
function naiveSubproof(size: number, leaves: readonly Uint8Array[], isWhole: boolean): Uint8Array[] {
  if (size === leaves.length) return isWhole ? [] : [naiveRoot(leaves)];
  const split = naiveSplit(leaves.length);
  return size <= split
    ? [...naiveSubproof(size, leaves.slice(0, split), isWhole), naiveRoot(leaves.slice(split))]
    : [...naiveSubproof(size - split, leaves.slice(split), false), naiveRoot(leaves.slice(0, split))];
}

function naiveSplit(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

const subtreesOf =
  (leaves: readonly Uint8Array[]): SubtreeHash =>
  (level, index) =>
    naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

const leavesOf = (count: number) => Array.from({ length: count }, (_, index) => Uint8Array.of(index, index >> 8));
const hex = (hashes: readonly Uint8Array[]) => hashes.map(toHex);

// Known answers of the reference implementation of RFC 6962: transparency-dev/merkle, testonly/constants.go and
// testonly/reference_test.go (formerly google/certificate-transparency-go).
const vectors = JSON.parse(readFileSync(new URL('../../fixtures/rfc6962.json', import.meta.url), 'utf8')) as {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[];
  readonly consistency: readonly { readonly from: number; readonly to: number; readonly proof: readonly string[] }[];
};

describe('the published vectors', () => {
  const leaves = vectors.leaves.map((leaf) => fromHex(leaf));
  const subtrees = subtreesOf(leaves);
  const root = (size: number) => fromHex(vectors.roots[size] as string);

  it.each(vectors.roots.map((expected, size) => [size, expected] as const))(
    'the root of %i leaves',
    (size, expected) => {
      expect(toHex(rootOf(size, subtrees))).toBe(expected);
    },
  );

  it.each(vectors.inclusion)('inclusion of $index in $size', ({ index, size, proof }) => {
    expect(hex(proveInclusion(index, size, subtrees))).toEqual(proof);
    const leafHash = hashLeaf(leaves[index] as Uint8Array);
    expect(
      verifyInclusion({ index, size, leafHash, root: root(size), proof: proof.map((hash) => fromHex(hash)) }),
    ).toBe(true);
  });

  it.each(vectors.consistency)('consistency from $from to $to', ({ from, to, proof }) => {
    expect(hex(proveConsistency(from, to, subtrees))).toEqual(proof);
    const claim = { oldSize: from, oldRoot: root(from), newSize: to, newRoot: root(to) };
    expect(verifyConsistency({ ...claim, proof: proof.map((hash) => fromHex(hash)) })).toBe(true);
  });
});

const sizesMax = 70;
const all = leavesOf(sizesMax);
const allSubtrees = subtreesOf(all);
const roots = Array.from({ length: sizesMax + 1 }, (_, size) => naiveRoot(all.slice(0, size)));
const rootAt = (size: number) => roots[size] as Uint8Array;

const places = fc.tuple(fc.nat(sizesMax - 1), fc.nat(sizesMax - 1)).map(([one, other]) => ({
  index: Math.min(one, other),
  size: Math.max(one, other) + 1,
}));

describe('proofs', () => {
  it('are those of the naive definition, and verify', () => {
    fc.assert(
      fc.property(places, ({ index, size }) => {
        const leaves = all.slice(0, size);
        expect(rootOf(size, allSubtrees)).toEqual(rootAt(size));
        const proof = proveInclusion(index, size, allSubtrees);
        expect(hex(proof)).toEqual(hex(naivePath(index, leaves)));
        const leafHash = hashLeaf(all[index] as Uint8Array);
        expect(verifyInclusion({ index, size, leafHash, root: rootAt(size), proof })).toBe(true);
        const joint = proveConsistency(index, size, allSubtrees);
        expect(hex(joint)).toEqual(hex(index === 0 ? [] : naiveSubproof(index, leaves, true)));
        const claim = { oldSize: index, oldRoot: rootAt(index), newSize: size, newRoot: rootAt(size), proof: joint };
        expect(verifyConsistency(claim)).toBe(true);
      }),
    );
  });

  it('of inclusion fail when anything about them is changed', () => {
    const changes = fc.constantFrom('drop', 'append', 'swap', 'flip', 'size', 'index', 'leaf', 'short', 'first');
    fc.assert(
      fc.property(places, changes, fc.nat(), (place, change, pick) => {
        const claim = {
          ...place,
          leafHash: hashLeaf(all[place.index] as Uint8Array),
          root: rootAt(place.size),
          proof: proveInclusion(place.index, place.size, allSubtrees),
        };
        const other = changed(claim.proof, change, pick);
        if (other !== null) {
          expect(verifyInclusion({ ...claim, proof: other })).toBe(false);
          return;
        }
        if (change === 'leaf') {
          expect(verifyInclusion({ ...claim, leafHash: hashLeaf(claim.leafHash) })).toBe(false);
          return;
        }
        if (change === 'size') {
          expect(verifyInclusion({ ...claim, root: rootAt(place.size - 1) })).toBe(false);
          return;
        }
        const index = (place.index + 1 + (pick % sizesMax)) % (place.size + 1);
        if (change === 'index' && index !== place.index) expect(verifyInclusion({ ...claim, index })).toBe(false);
      }),
    );
  });

  it('of consistency fail when anything about them is changed', () => {
    const changes = fc.constantFrom('drop', 'append', 'swap', 'flip', 'short', 'first', 'old', 'new', 'size');
    fc.assert(
      fc.property(places, changes, fc.nat(), ({ index, size }, change, pick) => {
        const proof = proveConsistency(index, size, allSubtrees);
        const claim = { oldSize: index, oldRoot: rootAt(index), newSize: size, newRoot: rootAt(size), proof };
        const other = changed(proof, change, pick);
        if (other !== null) {
          expect(verifyConsistency({ ...claim, proof: other })).toBe(false);
          return;
        }
        if (change === 'old') {
          expect(verifyConsistency({ ...claim, oldRoot: rootAt(index + 1) })).toBe(false);
          return;
        }
        // The empty tree is consistent with every tree: nothing is claimed of the newer one.
        if (change === 'new' && index > 0)
          expect(verifyConsistency({ ...claim, newRoot: hashLeaf(claim.newRoot) })).toBe(false);
        if (change === 'size' && index > 0) expect(verifyConsistency({ ...claim, oldSize: index - 1 })).toBe(false);
      }),
    );
  });

  it('of sizes that are none, longer than any, or with roots that are none are refused', () => {
    const leafHash = hashLeaf(Uint8Array.of(0));
    const claim = { index: 0, size: 1, leafHash, root: leafHash, proof: [] as Uint8Array[] };
    expect(verifyInclusion(claim)).toBe(true);
    for (const index of [-1, 0.5, Number.NaN, 1, 2 ** 60]) expect(verifyInclusion({ ...claim, index })).toBe(false);
    for (const size of [-1, 0, 0.5, Number.NaN, 2 ** 60]) expect(verifyInclusion({ ...claim, size })).toBe(false);
    const long = new Array<Uint8Array>(proofHashesMax + 1).fill(leafHash);
    expect(verifyInclusion({ ...claim, size: 2 ** 53 - 1, proof: long })).toBe(false);
    expect(verifyInclusion({ ...claim, root: new Uint8Array(0) })).toBe(false);
    const joint = { oldSize: 0, oldRoot: emptyRoot, newSize: 1, newRoot: leafHash, proof: [] as Uint8Array[] };
    expect(verifyConsistency(joint)).toBe(true);
    expect(verifyConsistency({ ...joint, oldRoot: leafHash })).toBe(false);
    expect(verifyConsistency({ ...joint, oldSize: 2 })).toBe(false);
    expect(verifyConsistency({ ...joint, oldSize: 1, newSize: 2 ** 53 - 1, proof: long })).toBe(false);
    expect(verifyConsistency({ ...joint, oldSize: 3, newSize: 7 })).toBe(false);
  });

  it('reach over more than 2^32 leaves', () => {
    const depth = 40;
    const size = 2 ** depth + 1;
    const uniform: Uint8Array[] = [hashLeaf(Uint8Array.of(7))];
    for (let level = 1; level <= depth; level += 1)
      uniform.push(hashNode(uniform[level - 1] as Uint8Array, uniform[level - 1] as Uint8Array));
    const subtrees: SubtreeHash = (level) => uniform[level] as Uint8Array;
    const root = rootOf(size, subtrees);
    const leafHash = uniform[0] as Uint8Array;
    for (const index of [0, 2 ** 33 + 5, size - 1]) {
      const proof = proveInclusion(index, size, subtrees);
      expect(proof).toHaveLength(index === size - 1 ? 1 : depth + 1);
      expect(verifyInclusion({ index, size, leafHash, root, proof })).toBe(true);
    }
    const oldSize = 2 ** 39 + 3;
    const proof = proveConsistency(oldSize, size, subtrees);
    const claim = { oldSize, oldRoot: rootOf(oldSize, subtrees), newSize: size, newRoot: root, proof };
    expect(verifyConsistency(claim)).toBe(true);
  });
});

/** Null where the change does not apply. */
function changed(proof: readonly Uint8Array[], change: string, pick: number): Uint8Array[] | null {
  const at = pick % Math.max(1, proof.length);
  const chosen = proof[at];
  const next = proof[at + 1];
  const extra = hashLeaf(Uint8Array.of(9));
  if (change === 'append') return [...proof, extra];
  if (change === 'first') return [extra, ...proof];
  if (chosen === undefined) return null;
  if (change === 'drop') return proof.toSpliced(at, 1);
  if (change === 'short') return proof.with(at, chosen.slice(1));
  if (change === 'flip') return proof.with(at, chosen.with(pick % 32, (chosen[pick % 32] as number) ^ 1));
  if (change === 'swap' && next !== undefined) return proof.with(at, next).with(at + 1, chosen);
  return null;
}
