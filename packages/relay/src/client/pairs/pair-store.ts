import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, toHex } from '@pulsemesh/wire';

/** `session`: a session's state; `kept`: a message that may have to go again; `lost`: a session whose kept messages go again. */
export type PairRowKind = 'session' | 'kept' | 'lost';

export interface PairRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface PairChange {
  readonly kind: PairRowKind;
  readonly key: Uint8Array;
  /** Null: removed. */
  readonly value: Uint8Array | null;
}

/** Keeps pair sessions, and what was sealed in them, until it is delivered. Its content is secret. */
export interface PairStore {
  /** In the order of their keys. What is damaged or sealed under another key is left out: its session counts as lost. */
  rows(kind: PairRowKind): Promise<readonly PairRow[]>;
  get(kind: PairRowKind, key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All or none, after what was given before; resolves once durable, as far as this store is. */
  save(changes: readonly PairChange[]): Promise<void>;
}

/**
 * Pair sessions that live as long as the object. After a restart the others send again what this client had not acknowledged; but what it
 * sealed itself is lost where the other side loses its sessions too. Use a table where that must not be.
 */
export function createMemoryPairs(): PairStore {
  const tables = { session: new Map<string, PairRow>(), kept: new Map(), lost: new Map() };
  return {
    rows: async (kind) => [...tables[kind]].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row),
    get: async (kind, key) => tables[kind].get(toHex(key))?.value,
    async save(changes) {
      for (const { kind, key, value } of changes) {
        if (value === null) tables[kind].delete(toHex(key));
        else tables[kind].set(toHex(key), { key, value });
      }
    },
  };
}

/**
 * Pair sessions in tables, each row sealed with `box`. One client at a time may use them: two that seal in one session would use its
 * keys twice. They belong in the store that has the client's inbox state, so that both are there or both are lost.
 */
export function createTablePairs(
  store: TableStore,
  { box, table = 'pair' }: { readonly box: Box; readonly table?: string },
): PairStore {
  const nameOf = (kind: PairRowKind) => `${table}-${kind}`;
  const boundTo = (kind: PairRowKind, key: Uint8Array) =>
    concatBytes(new TextEncoder().encode(`${nameOf(kind)} `), key);
  const open = (kind: PairRowKind, key: Uint8Array, value: Uint8Array) => {
    try {
      return box.open(value, boundTo(kind, key));
    } catch {
      return undefined;
    }
  };
  return {
    async rows(kind) {
      return [...store.range(nameOf(kind))].flatMap(({ key, value }) => {
        const opened = open(kind, key, value);
        return opened === undefined ? [] : [{ key, value: opened }];
      });
    },
    async get(kind, key) {
      const value = store.get(nameOf(kind), key);
      return value === undefined ? undefined : open(kind, key, value);
    },
    async save(changes) {
      const sealed = changes.map(({ kind, key, value }): TableChange => {
        const place = { table: nameOf(kind), key };
        return value === null
          ? { kind: 'remove', ...place }
          : { kind: 'put', ...place, value: box.seal(value, boundTo(kind, key)) };
      });
      if (sealed.length > 0) await store.commit(sealed);
    },
  };
}
