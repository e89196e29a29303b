import { tileWidth } from '../tiles/path.ts';
import { logLimits } from './board-log.ts';
import { LogDamagedError } from './errors.ts';
import type { LogTables } from './log-tables.ts';
import { TileNodes, tileHeight } from './tile-nodes.ts';
import type { TreeEdge } from './tree-edge.ts';

/** Finds the nodes of a stored tree: on its edge, or in full tiles, of which the ones last used are kept expanded. */
export class TreeReader {
  readonly #tables: LogTables;
  /** The least recently used first. */
  readonly #kept = new Map<string, TileNodes>();

  constructor(tables: LogTables) {
    this.#tables = tables;
  }

  /** The hash of subtree `index` of 2^`level` leaves, a view. @throws {LogDamagedError} when its tile is not stored. */
  subtreeHash(edge: TreeEdge, level: number, index: number): Uint8Array {
    const row = level % tileHeight;
    const perTile = tileWidth >> row;
    const tileIndex = Math.floor(index / perTile);
    const tileLevel = (level - row) / tileHeight;
    const tile = edge.tileAt(tileLevel, tileIndex) ?? this.#fullTile(tileLevel, tileIndex, edge.size);
    return tile.get(row, index % perTile);
  }

  #fullTile(level: number, index: number, size: number): TileNodes {
    const name = `${level}/${index}`;
    const kept = this.#kept.get(name);
    const tile = kept ?? TileNodes.expand(this.#stored(level, index, size));
    if (kept !== undefined) this.#kept.delete(name);
    this.#kept.set(name, tile);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > logLimits.tilesKeptMax && oldest !== undefined) this.#kept.delete(oldest);
    return tile;
  }

  #stored(level: number, index: number, size: number): Uint8Array {
    const tile = this.#tables.tile(level, index);
    if (tile === undefined) throw new LogDamagedError('tile-missing', size);
    return tile;
  }
}
