import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';

/** Rows of tables under a box: what lies on the disk says nothing, and a row moved elsewhere does not open. */
export class SealedRows {
  readonly store: TableStore;
  readonly #box: Box;

  constructor(store: TableStore, box: Box) {
    this.store = store;
    this.#box = box;
  }

  /** `value` has a CBOR form. */
  put(table: string, key: Uint8Array, value: unknown): TableChange {
    return { kind: 'put', table, key, value: this.#box.seal(encodeCbor(value), placeOf(table, key)) };
  }

  /** What {@link put} put there; undefined where nothing is. @throws {SealBrokenError} for a damaged row. */
  get(table: string, key: Uint8Array): unknown {
    const sealed = this.store.get(table, key);
    return sealed === undefined ? undefined : this.open(table, key, sealed);
  }

  /** @throws {SealBrokenError} */
  open(table: string, key: Uint8Array, sealed: Uint8Array): unknown {
    return decodeCbor(this.#box.open(sealed, placeOf(table, key)));
  }

  remove(table: string, key: Uint8Array): TableChange {
    return { kind: 'remove', table, key };
  }
}

function placeOf(table: string, key: Uint8Array): Uint8Array {
  return concatBytes(new TextEncoder().encode(`${table}\0`), key);
}

/** A number as a key that sorts by it. */
export function numberKey(number: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(number));
  return key;
}

/** The number of a key that begins with one. */
export function keyNumber(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0));
}
