import { assert } from '@pulsemesh/base';
import { hashNode } from '../merkle/hash.ts';
import { tileWidth } from '../tiles/path.ts';
import { TileNodes, tileHeight } from './tile-nodes.ts';

/** A tile that the last leaf filled. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * The right edge of a tree: of each level the tile that is not full yet, which is all that appending needs. Copies share tiles, since
 * what is set in one place of a tile is never set otherwise by leaves that stay; a copy that is thrown away leaves no trace below its
 * own size.
 */
export class TreeEdge {
  #size: number;
  readonly #tiles: (TileNodes | undefined)[];

  /** `tiles`: of each level the partial tile of a tree of `size` leaves, all its rows set; undefined where it would be empty. */
  constructor(size: number, tiles: readonly (TileNodes | undefined)[]) {
    this.#size = size;
    this.#tiles = [...tiles];
  }

  get size(): number {
    return this.#size;
  }

  copy(): TreeEdge {
    return new TreeEdge(this.#size, this.#tiles);
  }

  /** The partial tile of `level` when it is number `index`, else undefined. */
  tileAt(level: number, index: number): TileNodes | undefined {
    return index === Math.floor(this.#size / tileWidth ** (level + 1)) ? this.#tiles[level] : undefined;
  }

  /** Appends a leaf; gives the tiles that it filled. */
  append(leafHash: Uint8Array): FullTile[] {
    const full: FullTile[] = [];
    let hash = leafHash;
    let index = this.#size;
    for (let level = 0; ; level += 1) {
      const over = this.#set(level, index, hash);
      if (over === null) break;
      hash = over;
      index = (index - 1) / 2;
      if ((level + 1) % tileHeight === 0) full.push(this.#fill((level + 1) / tileHeight - 1, index));
    }
    this.#size += 1;
    return full;
  }

  /** Sets a node, and gives the one over it and its left sibling; null where it has none yet. */
  #set(level: number, index: number, hash: Uint8Array): Uint8Array | null {
    const row = level % tileHeight;
    const tileLevel = (level - row) / tileHeight;
    const tile = this.#tiles[tileLevel] ?? new TileNodes();
    this.#tiles[tileLevel] = tile;
    const place = index % (tileWidth >> row);
    tile.set(row, place, hash);
    return index % 2 === 0 ? null : hashNode(tile.get(row, place - 1), hash);
  }

  #fill(level: number, index: number): FullTile {
    const tile = this.#tiles[level];
    assert(tile !== undefined, 'a tile that is full was begun');
    this.#tiles[level] = undefined;
    return { level, index, bytes: tile.tile(tileWidth) };
  }
}
