import type { TableChange } from '@pulsemesh/store';
import { concatBytes } from '@pulsemesh/wire';
import { JournalMismatchError, PartyLimitError } from './errors.ts';
import type { PartyLimits } from './limits.ts';
import { numberKey, type SealedRows, scopeKeyOf, tables } from './rows.ts';

/** One await of a protocol's function, and what is written of it. */
export interface JournalSlot {
  /** What was noted when it began; undefined: nothing. */
  begun(): unknown;
  begin(note: unknown): Promise<void>;
  /** What came of it in a former life; undefined: nothing yet. */
  result(): unknown;
  /** Writes what came of it, together with `changes`. */
  write(value: unknown, changes?: readonly TableChange[]): Promise<void>;
  /** @throws {JournalMismatchError} */
  mismatch(now: string): never;
}

const beginRow = Uint8Array.of(0);
const resultRow = Uint8Array.of(1);

/**
 * The awaits of one part of a run, numbered as the function makes them. On the way through it a second time, each gives what is written; one
 * that is another than in the former life shows that the program changed, and ends it.
 */
export class Journal {
  readonly #rows: SealedRows;
  readonly #scopeKey: Uint8Array;
  readonly #limits: Pick<PartyLimits, 'journalEntriesMax'>;
  #sequence = 0;

  constructor(rows: SealedRows, run: string, scope: string, limits: Pick<PartyLimits, 'journalEntriesMax'>) {
    this.#rows = rows;
    this.#scopeKey = scopeKeyOf(run, scope);
    this.#limits = limits;
  }

  /** The next await; `what` says which. @throws {JournalMismatchError}; {PartyLimitError}. */
  next(what: string): JournalSlot {
    const sequence = this.#sequence;
    if (sequence >= this.#limits.journalEntriesMax) throw new PartyLimitError('journalEntriesMax');
    this.#sequence += 1;
    const keyOf = (part: Uint8Array) => concatBytes(this.#scopeKey, numberKey(sequence, 4), part);
    const read = (part: Uint8Array): unknown => {
      const row = this.#rows.get(tables.journal, keyOf(part)) as readonly [string, unknown] | undefined; // as written below
      if (row !== undefined && row[0] !== what) throw new JournalMismatchError(sequence, row[0], what);
      return row?.[1];
    };
    const put = (part: Uint8Array, value: unknown) => this.#rows.put(tables.journal, keyOf(part), [what, value]);
    const slot: JournalSlot = {
      begun: () => read(beginRow),
      begin: (note) => this.#rows.store.commit([put(beginRow, note)]),
      result: () => read(resultRow),
      write: (value, changes = []) => this.#rows.store.commit([...changes, put(resultRow, value)]),
      mismatch(now) {
        throw new JournalMismatchError(sequence, what, now);
      },
    };
    slot.begun();
    slot.result();
    return slot;
  }
}
