import type { TableChange } from '@pulsemesh/store';
import type { NewAccess } from '../access/access-log.ts';
import { hexOf } from '../access/fields.ts';
import type { SealedRows } from '../access/sealed-rows.ts';
import type { Hex } from '../offer/offer.ts';

const table = 'custody/entries';

/** Accesses of which each is put on the ledger by itself (`logAccess`), until it is there. */
export class LedgerEntries {
  readonly #rows: SealedRows;

  constructor(rows: SealedRows) {
    this.#rows = rows;
  }

  /** What was handed out is put there; what was denied is in the log and its anchors. */
  prepare(accesses: readonly NewAccess[], leaves: readonly Uint8Array[]) {
    const changes: TableChange[] = [];
    for (const [index, { kind, grantId }] of accesses.entries()) {
      const leaf = leaves[index];
      if (leaf !== undefined && (kind === 'read' || kind === 'release'))
        changes.push(this.#rows.put(table, leaf, grantId));
    }
    return { changes, taken: () => {} };
  }

  /** At most `limit` that are not there yet. */
  waiting(limit: number): readonly { readonly leaf: Uint8Array; readonly grantId: Hex; readonly entry: Hex }[] {
    return Array.from(this.#rows.store.range(table, { limit }), ({ key, value }) => ({
      leaf: key,
      grantId: this.#rows.open(table, key, value) as Hex, // as written above
      entry: hexOf(key),
    }));
  }

  done(leaf: Uint8Array): Promise<void> {
    return this.#rows.store.commit([this.#rows.remove(table, leaf)]);
  }
}
