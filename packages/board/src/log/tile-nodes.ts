import { hashBytes, hashNode } from '../merkle/hash.ts';
import { tileWidth } from '../tiles/path.ts';

/** Levels of the tree within a tile: its own hashes and the seven rows of nodes over them. */
export const tileHeight = 8;

/** A tile's hashes with all nodes over them, as far as they are known; the node over the whole tile belongs to the tile above. */
export class TileNodes {
  readonly #bytes = new Uint8Array((2 * tileWidth - 2) * hashBytes);

  /** A full tile's hashes, and the nodes over them computed. */
  static expand(tile: Uint8Array): TileNodes {
    const nodes = new TileNodes();
    nodes.#bytes.set(tile);
    for (let row = 1; row < tileHeight; row += 1) {
      for (let place = 0; place < tileWidth >> row; place += 1) {
        nodes.set(row, place, hashNode(nodes.get(row - 1, 2 * place), nodes.get(row - 1, 2 * place + 1)));
      }
    }
    return nodes;
  }

  /** A view; it changes only where the place had not been set. */
  get(row: number, place: number): Uint8Array {
    const at = offsetOf(row, place);
    return this.#bytes.subarray(at, at + hashBytes);
  }

  set(row: number, place: number, hash: Uint8Array): void {
    this.#bytes.set(hash, offsetOf(row, place));
  }

  /** The first `width` hashes, as a tile is served and stored. */
  tile(width: number): Uint8Array {
    return this.#bytes.slice(0, width * hashBytes);
  }

  /** The node over the whole tile, once it is full. */
  root(): Uint8Array {
    return hashNode(this.get(tileHeight - 1, 0), this.get(tileHeight - 1, 1));
  }
}

/** Rows follow one another, each half as wide as the one below. */
function offsetOf(row: number, place: number): number {
  return (2 * tileWidth - ((2 * tileWidth) >> row) + place) * hashBytes;
}
