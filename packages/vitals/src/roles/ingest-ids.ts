import { sha256 } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';

const idsTable = 'ingest.qos2';
const clientBytes = 16;

/** QoS 2 packet ids taken and not yet released, one small row each: hash(clientId) ‖ id. */
export class QosIds {
  readonly #tables: TableStore;

  constructor(tables: TableStore) {
    this.#tables = tables;
  }

  has(clientId: string, messageId: number): boolean {
    return this.#tables.get(idsTable, idKey(clientId, messageId)) !== undefined;
  }

  hasAny(clientId: string): boolean {
    return [...this.#tables.range(idsTable, { ...rangeOf(clientId), limit: 1 })].length > 0;
  }

  begin(nowSeconds: number): QosIdBatch {
    return new QosIdBatch(this.#tables, nowSeconds);
  }

  /** Names up to `rowsMax` rows of clients that never came back, older than `horizonSeconds`. */
  prune(nowSeconds: number, horizonSeconds: number, rowsMax: number): readonly TableChange[] {
    const removed: TableChange[] = [];
    for (const { key, value } of this.#tables.range(idsTable)) {
      if (removed.length >= rowsMax) break;
      const takenSeconds = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0);
      if (takenSeconds + horizonSeconds >= nowSeconds) continue;
      removed.push({ kind: 'remove', table: idsTable, key: Uint8Array.from(key) });
    }
    return removed;
  }
}

/** The ids that one transaction takes and releases, in the order they were said. */
export class QosIdBatch {
  readonly #tables: TableStore;
  readonly #taken: Uint8Array;
  readonly #states = new Map<string, { readonly key: Uint8Array; isTaken: boolean }>();

  constructor(tables: TableStore, nowSeconds: number) {
    this.#tables = tables;
    this.#taken = new Uint8Array(4);
    new DataView(this.#taken.buffer).setUint32(0, nowSeconds);
  }

  /** True when the id was free; it then is taken. */
  take(clientId: string, messageId: number): boolean {
    const key = idKey(clientId, messageId);
    const name = nameOf(key);
    const known = this.#states.get(name);
    if (known === undefined ? this.#tables.get(idsTable, key) !== undefined : known.isTaken) return false;
    this.#states.set(name, { key, isTaken: true });
    return true;
  }

  release(clientId: string, messageId: number): void {
    const key = idKey(clientId, messageId);
    this.#states.set(nameOf(key), { key, isTaken: false });
  }

  releaseAll(clientId: string): void {
    for (const { key } of this.#tables.range(idsTable, rangeOf(clientId))) {
      this.#states.set(nameOf(key), { key: Uint8Array.from(key), isTaken: false });
    }
    const prefix = nameOf(idKey(clientId, 0).subarray(0, clientBytes));
    for (const [name, state] of this.#states) if (name.startsWith(prefix)) state.isTaken = false;
  }

  changes(): TableChange[] {
    return [...this.#states.values()].map(({ key, isTaken }) =>
      isTaken ? { kind: 'put', table: idsTable, key, value: this.#taken } : { kind: 'remove', table: idsTable, key },
    );
  }
}

function idKey(clientId: string, messageId: number): Uint8Array {
  const key = new Uint8Array(clientBytes + 2);
  key.set(sha256(new TextEncoder().encode(clientId)).subarray(0, clientBytes));
  key[clientBytes] = messageId >> 8;
  key[clientBytes + 1] = messageId & 0xff;
  return key;
}

function rangeOf(clientId: string): { readonly from: Uint8Array; readonly until: Uint8Array } {
  const until = Uint8Array.of(...idKey(clientId, 0xffff), 0);
  return { from: idKey(clientId, 0), until };
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
