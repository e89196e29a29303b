import { assert, type Clock, Condition } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { NotAdmittedError } from './errors.ts';

/** How much an author may add between two midnights UTC. */
export interface DailyQuota {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export const admissionLimits = {
  /** What an author may add a day unless the operator said otherwise. */
  quota: { entriesMax: 2_000, bytesMax: 16 * 1024 * 1024 } satisfies DailyQuota,
  /** Authors on the list. */
  authorsMax: 10_000,
} as const;

export interface AdmissionOptions {
  /** The board's own tables; this uses `admitted` and `quota`. */
  readonly store: TableStore;
  /** Let in beside those on the list, such as by an authority's certificates. */
  readonly isAdmitted?: (peer: PeerId) => boolean;
  /** Default {@link admissionLimits}.quota. */
  readonly quota?: DailyQuota;
}

/** An author on the operator's list. */
export interface AdmittedAuthor {
  readonly peer: PeerId;
  readonly sinceMs: number;
  /** Null: that of the board. */
  readonly quota: DailyQuota | null;
}

/** No further author fits on the list. */
export class AdmissionFullError extends Condition {
  override readonly name = 'AdmissionFullError';
  constructor() {
    super('admission-full', `more than ${admissionLimits.authorsMax} authors cannot be admitted`);
  }
}

const admittedTable = 'admitted';
const quotaTable = 'quota';
const dayMs = 86_400_000;

interface Used {
  readonly day: number;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Who may add to a board, and how much a day. The list lies in the board's tables and is read each time, so that the operator's command
 * changes it while the board runs. What was added is counted there too: starting again gives nobody a new day.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #clock: Clock;

  constructor(options: AdmissionOptions, dependencies: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = dependencies.clock;
  }

  /**
   * The changes that charge `author` with entries of these sizes; they belong before or into the commit that adds them. An entry that is
   * there already is not given here: repeating is free.
   * @throws {NotAdmittedError}
   */
  charge(author: PeerId, entryBytes: readonly number[]): readonly TableChange[] {
    const quota = this.#quotaOf(author);
    if (quota === null) throw new NotAdmittedError('stranger');
    const before = this.#used(author);
    const used = {
      day: before.day,
      entries: before.entries + entryBytes.length,
      bytes: entryBytes.reduce((sum, bytes) => sum + bytes, before.bytes),
    };
    if (used.entries > quota.entriesMax) throw new NotAdmittedError('entries-a-day');
    if (used.bytes > quota.bytesMax) throw new NotAdmittedError('bytes-a-day');
    const value = encodeCbor([used.day, used.entries, used.bytes]);
    return [{ kind: 'put', table: quotaTable, key: keyOf(author), value }];
  }

  /** Puts `author` on the list, or changes its quota there. @throws {AdmissionFullError} */
  async admit(author: PeerId, quota: DailyQuota | null = null): Promise<void> {
    const { store } = this.#options;
    const key = keyOf(author);
    const isNew = store.get(admittedTable, key) === undefined;
    if (isNew && store.count(admittedTable) >= admissionLimits.authorsMax) throw new AdmissionFullError();
    const terms = quota === null ? null : [quota.entriesMax, quota.bytesMax];
    const value = encodeCbor([this.#clock.now(), terms]);
    await store.commit([{ kind: 'put', table: admittedTable, key, value }]);
  }

  /** Takes `author` off the list; what it added stays. */
  async dismiss(author: PeerId): Promise<void> {
    await this.#options.store.commit([{ kind: 'remove', table: admittedTable, key: keyOf(author) }]);
  }

  /** All on the list, in the order of their ids. */
  list(): readonly AdmittedAuthor[] {
    return Array.from(this.#options.store.range(admittedTable, { limit: admissionLimits.authorsMax }), (row) => {
      const { sinceMs, quota } = readAdmitted(row.value);
      return { peer: parsePeerId(new TextDecoder().decode(row.key)), sinceMs, quota };
    });
  }

  #quotaOf(author: PeerId): DailyQuota | null {
    const { store, isAdmitted, quota = admissionLimits.quota } = this.#options;
    const row = store.get(admittedTable, keyOf(author));
    if (row !== undefined) return readAdmitted(row).quota ?? quota;
    return isAdmitted?.(author) ? quota : null;
  }

  #used(author: PeerId): Used {
    const today = Math.floor(this.#clock.now() / dayMs);
    const row = this.#options.store.get(quotaTable, keyOf(author));
    if (row === undefined) return { day: today, entries: 0, bytes: 0 };
    const [day, entries, bytes] = decodeCbor(row) as readonly [number, number, number]; // written above
    // A clock set back begins no new day.
    return day >= today ? { day, entries, bytes } : { day: today, entries: 0, bytes: 0 };
  }
}

function keyOf(peer: PeerId): Uint8Array {
  return new TextEncoder().encode(peer);
}

function readAdmitted(row: Uint8Array): Omit<AdmittedAuthor, 'peer'> {
  const [sinceMs, terms] = decodeCbor(row) as readonly [number, readonly [number, number] | null]; // written above
  assert(Number.isSafeInteger(sinceMs), 'the list of admitted authors is as it was written');
  return { sinceMs, quota: terms === null ? null : { entriesMax: terms[0], bytesMax: terms[1] } };
}
