import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { type Evidence, formatEvidence, parseEvidence } from './evidence.ts';

const leavesTable = 'followed/leaves';
const stateTable = 'followed/state';
const outboxTable = 'followed/outbox';

const headKey = Uint8Array.of(1);
const heardKey = Uint8Array.of(2);
const evidenceKey = Uint8Array.of(3);

/** Bytes of leaves in one commit. */
const commitBytesMax = 4 * 1024 * 1024;

/** What a client of a board keeps, so that starting again reads nothing twice and forgets no lie. One board per store. */
export class ClientStore {
  readonly #store: TableStore;

  constructor(store: TableStore) {
    this.#store = store;
  }

  /** The note of the last verified head; null before the first. */
  head(): Uint8Array | null {
    return this.#store.get(stateTable, headKey) ?? null;
  }

  /** The verified leaves below `size`, in order; ends early where one is missing. */
  *leaves(size: number): Iterable<Uint8Array> {
    let next = 0;
    for (const { key, value } of this.#store.range(leavesTable, { limit: size })) {
      if (indexOf(key) !== next) return;
      next += 1;
      yield value;
    }
  }

  /** Leaves first, the head last: what a crash leaves without its head is written again. */
  async extend(from: number, leaves: readonly Uint8Array[], head: Uint8Array): Promise<void> {
    let changes: TableChange[] = [];
    let bytes = 0;
    for (const [offset, leaf] of leaves.entries()) {
      changes.push({ kind: 'put', table: leavesTable, key: keyOf(from + offset), value: leaf });
      bytes += leaf.length;
      if (bytes < commitBytesMax) continue;
      await this.#store.commit(changes);
      changes = [];
      bytes = 0;
    }
    await this.#store.commit([...changes, { kind: 'put', table: stateTable, key: headKey, value: head }]);
  }

  /** Checkpoints that others showed and that are ahead of the head. */
  heard(): readonly Uint8Array[] {
    const row = this.#store.get(stateTable, heardKey);
    return row === undefined ? [] : (decodeCbor(row) as readonly Uint8Array[]); // written below
  }

  keepHeard(notes: readonly Uint8Array[]): Promise<void> {
    return this.#store.commit([{ kind: 'put', table: stateTable, key: heardKey, value: encodeCbor(notes) }]);
  }

  evidence(): Evidence | null {
    const row = this.#store.get(stateTable, evidenceKey);
    return row === undefined ? null : parseEvidence(new TextDecoder().decode(row)).evidence;
  }

  keepEvidence(evidence: Evidence, boardKey: string): Promise<void> {
    const value = new TextEncoder().encode(formatEvidence(evidence, boardKey));
    return this.#store.commit([{ kind: 'put', table: stateTable, key: evidenceKey, value }]);
  }

  /** The leaf that was signed to say this, and is not known to be included. */
  outgoing(contentKey: string): Uint8Array | null {
    return this.#store.get(outboxTable, textKey(contentKey)) ?? null;
  }

  outgoingCount(): number {
    return this.#store.count(outboxTable);
  }

  keepOutgoing(contentKey: string, leaf: Uint8Array): Promise<void> {
    return this.#store.commit([{ kind: 'put', table: outboxTable, key: textKey(contentKey), value: leaf }]);
  }

  dropOutgoing(contentKey: string): Promise<void> {
    return this.#store.commit([{ kind: 'remove', table: outboxTable, key: textKey(contentKey) }]);
  }
}

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(index));
  return key;
}

function indexOf(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset, key.length).getBigUint64(0));
}

function textKey(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
