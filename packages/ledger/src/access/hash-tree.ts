import { assert } from '@pulsemesh/base';
import { emptyRoot, hashLeaf, hashNode } from '@pulsemesh/board/verify';

const hashBytes = 32;
const hashesFirst = 64;

/** The Merkle tree of public leaves (RFC 6962), 64 bytes a leaf: grows, and gives the root of every size it had. */
export class HashTree {
  /** Of each level the hashes of its whole subtrees, one after the other. */
  readonly #levels: { bytes: Uint8Array; count: number }[] = [];

  /** Leaves. */
  get size(): number {
    return this.#levels[0]?.count ?? 0;
  }

  append(leaf: Uint8Array): void {
    let hash = hashLeaf(leaf);
    for (let level = 0; ; level += 1) {
      const count = this.#push(level, hash);
      if (count % 2 === 1) return;
      hash = hashNode(this.#at(level, count - 2), this.#at(level, count - 1));
    }
  }

  /** The root of the first `size` leaves. */
  root(size: number): Uint8Array {
    assert(size <= this.size, 'the tree has so many leaves');
    let root: Uint8Array | null = null;
    // The tree of any size is a row of whole subtrees, joined from the right: the smallest first.
    for (let level = 0, rest = size; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const subtree = this.#at(level, rest - 1);
      root = root === null ? subtree : hashNode(subtree, root);
    }
    return root ?? emptyRoot;
  }

  #push(level: number, hash: Uint8Array): number {
    let nodes = this.#levels[level];
    if (nodes === undefined) {
      nodes = { bytes: new Uint8Array(hashesFirst * hashBytes), count: 0 };
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

  #at(level: number, index: number): Uint8Array {
    const nodes = this.#levels[level];
    assert(nodes !== undefined && index < nodes.count, 'the subtree is whole');
    return nodes.bytes.slice(index * hashBytes, (index + 1) * hashBytes);
  }
}
