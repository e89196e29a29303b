import type { Clock, Logger } from '@pulsemesh/base';
import type { ContractBody, TaskBody } from '@pulsemesh/board';
import type { TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { z } from 'zod';
import type { TaskRecords } from '../training/training-work.ts';
import { type ConsentProof, type ConsentRegister, consentsInForce, consentTreeOf, isInForce } from './consents.ts';
import { type ColumnDrift, type DriftReference, driftOf } from './drift.ts';
import { DataError, type DataQuery, queryOfTask } from './query.ts';
import type { RecordSource } from './record-source.ts';
import { rowCountOf } from './table.ts';

export interface SiteRecordsOptions {
  readonly queries: readonly DataQuery[];
  /** The site's own, 32 bytes: salts consents. Kept, else no receipt can be shown later. */
  readonly secret: Uint8Array;
  /** What the running model was trained on; null: drift is not told. */
  readonly reference: DriftReference | null;
}

export interface SiteRecordsDependencies {
  readonly source: RecordSource;
  readonly consents: ConsentRegister;
  /** Receipts stay here: which patient was in which round of which task. */
  readonly tables: TableStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a patient was in. */
export interface InclusionReceipt {
  readonly task: string;
  readonly patient: string;
  readonly proof: ConsentProof;
  /** Times its records were given to a round, and when for the last time (milliseconds since 1970; 0: never). */
  readonly uses: number;
  readonly lastMs: number;
}

/** A site's records as tasks may use them. */
export interface SiteRecords extends TaskRecords {
  /**
   * What the site's contract says of its data, and the set of patients it may use from then on: whoever consents later is in the next
   * task. Asked again for the same task it starts anew, before anything is signed. @throws {DataError}.
   */
  contractData(task: TaskBody, taskId: string): Promise<NonNullable<ContractBody['data']>>;
  /** Of one task, by patient. */
  receipts(taskId: string): readonly InclusionReceipt[];
  /** How far the records of the last round differ from what the model was trained on, strongest first. */
  drift(): readonly ColumnDrift[];
}

/** What a store of receipts holds at most. */
export const receiptLimits = { receiptsMax: 5_000_000, receiptBytesMax: 64 * 1024 } as const;

const table = 'learning-receipts';
const bytes = z.instanceof(Uint8Array);
const receiptSchema = z.strictObject({
  patient: z.string(),
  uses: z.int().nonnegative(),
  lastMs: z.number().nonnegative(),
  proof: z.strictObject({
    consent: z.string(),
    salt: bytes,
    index: z.int().nonnegative(),
    size: z.int().nonnegative(),
    path: z.array(bytes).max(64),
  }),
});

/**
 * Records of patients whose consents name a task's purpose, as the site signed them in its contract and as long as each holds: who
 * withdraws, or whose consent runs out, is left out of the next round. A receipt is durable before records are given.
 */
export function createSiteRecords(options: SiteRecordsOptions, dependencies: SiteRecordsDependencies): SiteRecords {
  const { source, consents, tables, clock, logger } = dependencies;
  let lastDrift: readonly ColumnDrift[] = [];

  const asked = async ({ purpose }: TaskBody) => ({
    all: await consents.consentsFor(purpose),
    at: { purpose, nowMs: clock.now() },
  });

  return {
    async contractData(task, taskId) {
      const query = queryOfTask(options.queries, task);
      const { all, at } = await asked(task);
      const covered = consentsInForce(all, at);
      const { table: rows } = await source.read(query, new Set(covered.keys()));
      const patients = rows.patients.flatMap((name) => covered.get(name) ?? []);
      const tree = consentTreeOf(
        patients.map(({ id }) => id),
        { taskId, secret: options.secret },
      );
      const before = receiptsOf(tables, taskId);
      if (tables.count(table) + patients.length > receiptLimits.receiptsMax)
        throw new DataError('data-receipts-full', 'no further receipt can be kept');
      await tables.commit([
        ...before.map(({ patient }) => ({ kind: 'remove', table, key: keyOf(taskId, patient) }) as const),
        ...patients.map(({ patient, id }) =>
          putReceipt({ task: taskId, patient, proof: tree.proofs.get(id) as ConsentProof, uses: 0, lastMs: 0 }),
        ),
      ]);
      return {
        query: query.name,
        queryVersion: query.version,
        patients: inTens(patients.length),
        records: inTens(rowCountOf(rows)),
        consentsHash: tree.root,
      };
    },
    async tableOf(task, taskId) {
      const signed = receiptsOf(tables, taskId);
      if (signed.length === 0)
        throw new DataError('data-consents-unsigned', 'no contract of this site covers the task, or nobody consented');
      const { all, at } = await asked(task);
      const standing = new Set(all.filter((consent) => isInForce(consent, at)).map(({ id }) => id));
      // The very consent that was signed for, not a later one of the same patient.
      const usable = signed.filter(({ proof }) => standing.has(proof.consent));
      const { table: rows, rowsLeftOut } = await source.read(
        queryOfTask(options.queries, task),
        new Set(usable.map(({ patient }) => patient)),
      );
      const used = new Set(rows.patients);
      await tables.commit(
        usable
          .filter(({ patient }) => used.has(patient))
          .map((receipt) => putReceipt({ ...receipt, uses: receipt.uses + 1, lastMs: at.nowMs })),
      );
      lastDrift = options.reference === null ? [] : driftOf(options.reference, rows);
      const strong = lastDrift.filter(({ level }) => level === 'strong').length;
      if (strong > 0) logger.warn('records differ strongly from what the model was trained on', { columns: strong });
      if (rowsLeftOut > 0) logger.info('records left out: a value missing or no measurement', { rows: rowsLeftOut });
      return rows;
    },
    receipts: (taskId) => receiptsOf(tables, taskId),
    drift: () => lastDrift,
  };
}

function inTens(count: number): number {
  return Math.floor(count / 10) * 10;
}

function keyOf(taskId: string, patient: string): Uint8Array {
  return new TextEncoder().encode(`${taskId}/${patient}`);
}

function putReceipt({ task, ...receipt }: InclusionReceipt) {
  return { kind: 'put', table, key: keyOf(task, receipt.patient), value: encodeCbor(receipt) } as const;
}

function receiptsOf(tables: TableStore, taskId: string): readonly InclusionReceipt[] {
  const encode = (text: string) => new TextEncoder().encode(text);
  // '0' follows '/'.
  const range = { from: encode(`${taskId}/`), until: encode(`${taskId}0`) };
  return Array.from(tables.range(table, range), ({ value }) => ({ task: taskId, ...parseReceipt(value) }));
}

function parseReceipt(value: Uint8Array): Omit<InclusionReceipt, 'task'> {
  try {
    return receiptSchema.parse(decodeCbor(value, { bytesMax: receiptLimits.receiptBytesMax, depthMax: 4 }));
  } catch (cause) {
    throw new DataError('data-malformed', 'a stored receipt cannot be read', { cause });
  }
}
