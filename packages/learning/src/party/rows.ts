import type { Box } from '@pulsemesh/crypto';
import { sha256 } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';

/** The tables that parties keep, in a store that may hold others. */
export const tables = {
  /** Scope → its name and seed, or that it was forgotten. */
  scopes: 'party-scopes',
  /** Scope, number → what was awaited and what came of it. */
  journal: 'party-journal',
  /** Scope, message → who sent it and how long it is. */
  inbox: 'party-inbox',
  /** Scope, message, piece → bytes. */
  pieces: 'party-pieces',
  /** Number → a piece on its way to the post. */
  outbox: 'party-outbox',
} as const;

type TableName = (typeof tables)[keyof typeof tables];

/** Of a scope's, and of a message's, name in keys. */
export const scopeKeyBytes = 32;
export const messageKeyBytes = 16;

/** The name of a part of a run in keys. */
export function scopeKeyOf(run: string, scope: string): Uint8Array {
  return sha256(encodeCbor(['pulsemesh/party/scope/1', run, scope]));
}

/** Big-endian, so that keys sort as numbers do. */
export function numberKey(value: number, bytes: 2 | 4 | 8): Uint8Array {
  const key = new Uint8Array(bytes);
  const view = new DataView(key.buffer);
  if (bytes === 2) view.setUint16(0, value);
  else view.setUint32(bytes - 4, value >>> 0);
  if (bytes === 8) view.setUint32(0, Math.floor(value / 2 ** 32));
  return key;
}

/** Rows sealed at rest, each bound to its place: moved elsewhere, a row does not open. */
export class SealedRows {
  readonly store: TableStore;
  readonly #box: Box;

  constructor(store: TableStore, box: Box) {
    this.store = store;
    this.#box = box;
  }

  put(table: TableName, key: Uint8Array, value: unknown): TableChange {
    return { kind: 'put', table, key, value: this.#box.seal(encodeCbor(value), placeOf(table, key)) };
  }

  remove(table: TableName, key: Uint8Array): TableChange {
    return { kind: 'remove', table, key };
  }

  /** Undefined: no such row. @throws {SealBrokenError} when it was altered, or is of another key. */
  get(table: TableName, key: Uint8Array): unknown {
    const sealed = this.store.get(table, key);
    return sealed === undefined ? undefined : this.open(table, key, sealed);
  }

  open(table: TableName, key: Uint8Array, sealed: Uint8Array): unknown {
    return decodeCbor(this.#box.open(sealed, placeOf(table, key)));
  }

  /** Keys that begin with `prefix`. */
  keys(table: TableName, prefix: Uint8Array): Uint8Array[] {
    return [...this.store.range(table, { from: prefix, ...untilOf(prefix) })].map(({ key }) => key);
  }
}

function placeOf(table: TableName, key: Uint8Array): Uint8Array {
  return concatBytes(new TextEncoder().encode(`${table}\0`), key);
}

/** The first key past all that begin with `prefix`. */
function untilOf(prefix: Uint8Array): { readonly until?: Uint8Array } {
  const until = prefix.slice();
  for (let at = until.length - 1; at >= 0; at -= 1) {
    const byte = until[at] as number; // within
    if (byte < 0xff) {
      until[at] = byte + 1;
      return { until: until.slice(0, at + 1) };
    }
  }
  return {};
}
