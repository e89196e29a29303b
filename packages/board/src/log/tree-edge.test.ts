import { createMemoryTables, type TableChange } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { hashLeaf, hashNode } from '../merkle/hash.ts';
import { proveConsistency, proveInclusion, rootOf } from '../merkle/prove.ts';
import { verifyConsistency, verifyInclusion } from '../merkle/verify.ts';
import { tileWidth } from '../tiles/path.ts';
import { LogTables, putLeaf, putTile } from './log-tables.ts';
import { recoverEdge } from './recover.ts';
import { TreeEdge } from './tree-edge.ts';
import { TreeReader } from './tree-reader.ts';

const leafOf = (number: number) => Uint8Array.of(number, number >> 8, number >> 16);

/** Roots by a stack of whole subtrees, as one would by hand. */
function rootsByStack(hashes: readonly Uint8Array[], sizes: readonly number[]): Map<number, Uint8Array> {
  const roots = new Map<number, Uint8Array>();
  const stack: { hash: Uint8Array; leaves: number }[] = [];
  for (const [place, hash] of hashes.entries()) {
    stack.push({ hash, leaves: 1 });
    for (
      let top = stack.at(-1), next = stack.at(-2);
      top?.leaves === next?.leaves;
      top = stack.at(-1), next = stack.at(-2)
    ) {
      if (top === undefined || next === undefined) break;
      stack.splice(-2, 2, { hash: hashNode(next.hash, top.hash), leaves: top.leaves * 2 });
    }
    if (!sizes.includes(place + 1)) continue;
    roots.set(
      place + 1,
      stack.map((one) => one.hash).reduceRight((right, left) => hashNode(left, right)),
    );
  }
  return roots;
}

describe('a tree of three levels of tiles', () => {
  it('gives the roots and proofs of all its sizes, and again from what is stored', async () => {
    const sizes = [1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000];
    const size = Math.max(...sizes);
    const hashes = Array.from({ length: size }, (_, number) => hashLeaf(leafOf(number)));
    const expected = rootsByStack(hashes, sizes);
    const edge = new TreeEdge(0, []);
    const changes: TableChange[] = [];
    for (const [index, hash] of hashes.entries()) {
      changes.push(...edge.append(hash).map(putTile));
      // Of the leaves only those of the last tile are read again.
      if (index >= size - (size % tileWidth)) changes.push(...putLeaf(index, leafOf(index), hash));
      const root = expected.get(edge.size);
      if (root !== undefined && edge.size < tileWidth)
        expect(rootOf(edge.size, (level, at) => edge.tileAt(0, 0)?.get(level, at) as Uint8Array)).toEqual(root);
    }
    await using store = createMemoryTables();
    await store.commit(changes);
    const tables = new LogTables(store);
    expect(store.count('board/tiles')).toBe(Math.floor(size / tileWidth) + 1);

    for (const from of [edge, recoverEdge(tables, size)]) {
      const reader = new TreeReader(tables);
      const subtrees = (level: number, index: number) => reader.subtreeHash(from, level, index);
      for (const [oldSize, oldRoot] of expected) {
        expect(rootOf(oldSize, subtrees)).toEqual(oldRoot);
        const claim = { oldSize, oldRoot, newSize: size, newRoot: expected.get(size) as Uint8Array };
        expect(verifyConsistency({ ...claim, proof: proveConsistency(oldSize, size, subtrees) })).toBe(true);
        const index = oldSize - 1;
        const inclusion = { index, size: oldSize, leafHash: hashes[index] as Uint8Array, root: oldRoot };
        expect(verifyInclusion({ ...inclusion, proof: proveInclusion(index, oldSize, subtrees) })).toBe(true);
      }
    }
  });

  it('is not changed by a copy that went on and was thrown away', () => {
    const edge = new TreeEdge(0, []);
    for (let number = 0; number < 250; number += 1) edge.append(hashLeaf(leafOf(number)));
    const lost = edge.copy();
    for (let number = 0; number < 20; number += 1) lost.append(hashLeaf(leafOf(9_000 + number)));
    const kept = edge.copy();
    const clean = new TreeEdge(0, []);
    for (let number = 0; number < 300; number += 1) {
      if (number >= 250) kept.append(hashLeaf(leafOf(number)));
      clean.append(hashLeaf(leafOf(number)));
    }
    expect([edge.size, lost.size, kept.size]).toEqual([250, 270, 300]);
    expect(kept.tileAt(0, 1)?.tile(44)).toEqual(clean.tileAt(0, 1)?.tile(44));
    expect(kept.tileAt(1, 0)?.tile(1)).toEqual(clean.tileAt(1, 0)?.tile(1));
  });
});
