import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';

const separator = '/';

/** Rows of an office in one table of a store that may hold others, sealed at rest and each bound to its place: moved elsewhere, it does not open. */
export class DeskRows {
  readonly #store: TableStore;
  readonly #box: Box;
  readonly #table: string;

  constructor(store: TableStore, box: Box, table: string) {
    this.#store = store;
    this.#box = box;
    this.#table = table;
  }

  put(kind: string, id: string, value: unknown): TableChange {
    const key = keyOf(kind, id);
    return { kind: 'put', table: this.#table, key, value: this.#box.seal(encodeCbor(value), this.#placeOf(key)) };
  }

  remove(kind: string, id: string): TableChange {
    return { kind: 'remove', table: this.#table, key: keyOf(kind, id) };
  }

  /** @throws {SealBrokenError} when a row was altered, or is of another key. */
  *load(): Generator<{ readonly kind: string; readonly id: string; readonly value: unknown }> {
    for (const { key, value } of this.#store.range(this.#table)) {
      const [kind = '', ...id] = new TextDecoder().decode(key).split(separator);
      yield { kind, id: id.join(separator), value: decodeCbor(this.#box.open(value, this.#placeOf(key))) };
    }
  }

  commit(changes: readonly TableChange[]): Promise<void> {
    return this.#store.commit(changes);
  }

  #placeOf(key: Uint8Array): Uint8Array {
    return concatBytes(new TextEncoder().encode(`${this.#table}\0`), key);
  }
}

function keyOf(kind: string, id: string): Uint8Array {
  return new TextEncoder().encode(`${kind}${separator}${id}`);
}
