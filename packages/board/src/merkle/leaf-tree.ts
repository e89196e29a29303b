import { assert } from '@pulsemesh/base';
import { hashBytes, hashNode } from './hash.ts';
import { proveConsistency, proveInclusion, rootOf } from './prove.ts';

const leavesFirst = 256;

/** A whole Merkle tree in memory, 64 bytes a leaf: grows by leaves, gives the root and the proofs of every size it had. */
export class LeafTree {
  /** Of each level the hashes of its whole subtrees, one after the other. */
  readonly #levels: { bytes: Uint8Array; count: number }[] = [];

  /** Leaves. */
  get size(): number {
    return this.#levels[0]?.count ?? 0;
  }

  /** Adds the next leaf, by its hash. */
  append(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let level = 0; ; level += 1) {
      const count = this.#push(level, hash);
      if (count % 2 === 1) return;
      hash = hashNode(this.#subtree(level, count - 2), this.#subtree(level, count - 1));
    }
  }

  /** The root of the first `size` leaves; default of all. */
  root(size = this.size): Uint8Array {
    assert(size <= this.size, 'the tree has so many leaves');
    return rootOf(size, (level, index) => this.#subtree(level, index));
  }

  leafHash(index: number): Uint8Array {
    return this.#subtree(0, index);
  }

  inclusion(index: number, size = this.size): Uint8Array[] {
    return proveInclusion(index, size, (level, at) => this.#subtree(level, at));
  }

  consistency(oldSize: number, newSize = this.size): Uint8Array[] {
    return proveConsistency(oldSize, newSize, (level, index) => this.#subtree(level, index));
  }

  /** Forgets all leaves from `size` on. */
  truncate(size: number): void {
    for (const [level, nodes] of this.#levels.entries())
      nodes.count = Math.min(nodes.count, Math.floor(size / 2 ** level));
  }

  /** The number of hashes at this level afterwards. */
  #push(level: number, hash: Uint8Array): number {
    let nodes = this.#levels[level];
    if (nodes === undefined) {
      nodes = { bytes: new Uint8Array(leavesFirst * hashBytes), count: 0 };
      this.#levels.push(nodes);
    }
    if (nodes.count * hashBytes === nodes.bytes.length) {
      const larger = new Uint8Array(nodes.bytes.length * 2);
      larger.set(nodes.bytes);
      nodes.bytes = larger;
    }
    nodes.bytes.set(hash, nodes.count * hashBytes);
    nodes.count += 1;
    return nodes.count;
  }

  #subtree(level: number, index: number): Uint8Array {
    const nodes = this.#levels[level];
    assert(nodes !== undefined && index < nodes.count, 'the subtree is whole');
    return nodes.bytes.slice(index * hashBytes, (index + 1) * hashBytes);
  }
}
