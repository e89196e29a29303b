import type { TableChange, TableStore } from '@pulsemesh/store';
import type { FullTile } from './tree-edge.ts';

const leavesTable = 'board/leaves';
const placesTable = 'board/places';
const tilesTable = 'board/tiles';
const headTable = 'board/head';
const checkpointKey = Uint8Array.of(1);

/** How a log lies in its tables: leaves by index, indexes by leaf hash, full tiles by level and index, the last signed checkpoint. */
export class LogTables {
  readonly #store: TableStore;

  constructor(store: TableStore) {
    this.#store = store;
  }

  commit(changes: readonly TableChange[]): Promise<void> {
    return this.#store.commit(changes);
  }

  /** Leaves that are durable; null where some before the last are missing. */
  countLeaves(): number | null {
    const [last] = this.#store.range(leavesTable, { isReverse: true, limit: 1 });
    const count = last === undefined ? 0 : numberOf(last.key, 0) + 1;
    return this.#store.count(leavesTable) === count && this.#store.count(placesTable) === count ? count : null;
  }

  leaf(index: number): Uint8Array | undefined {
    return this.#store.get(leavesTable, keyOf(index));
  }

  /** Leaves from `start` until `end`, as many as there are. */
  leaves(start: number, end: number): Uint8Array[] {
    return Array.from(this.#store.range(leavesTable, { from: keyOf(start), until: keyOf(end) }), ({ value }) => value);
  }

  indexOf(leafHash: Uint8Array): number | null {
    const place = this.#store.get(placesTable, leafHash);
    return place === undefined ? null : numberOf(place, 0);
  }

  tile(level: number, index: number): Uint8Array | undefined {
    return this.#store.get(tilesTable, tileKey(level, index));
  }

  checkpoint(): Uint8Array | undefined {
    return this.#store.get(headTable, checkpointKey);
  }
}

/** The changes that put a leaf. */
export function putLeaf(index: number, leaf: Uint8Array, leafHash: Uint8Array): TableChange[] {
  const key = keyOf(index);
  return [
    { kind: 'put', table: leavesTable, key, value: leaf },
    { kind: 'put', table: placesTable, key: leafHash, value: key },
  ];
}

export function putTile({ level, index, bytes }: FullTile): TableChange {
  return { kind: 'put', table: tilesTable, key: tileKey(level, index), value: bytes };
}

export function putCheckpoint(note: Uint8Array): TableChange {
  return { kind: 'put', table: headTable, key: checkpointKey, value: note };
}

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(index));
  return key;
}

function tileKey(level: number, index: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = level;
  new DataView(key.buffer).setBigUint64(1, BigInt(index));
  return key;
}

function numberOf(bytes: Uint8Array, at: number): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at));
}
