import { Condition } from '@pulsemesh/base';
import type { TaskBody } from '@pulsemesh/board';
import type { TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { z } from 'zod';
import type { PrivacyBook, RoundOfWork } from '../rounds/work.ts';
import { concentrationOf, epsilonOf } from './renyi.ts';

/** What a book holds at most, of reveals. */
export const privacyBookLimits = { revealsMax: 100_000, rowBytesMax: 4096 } as const;

export interface PrivacyBookOptions {
  /**
   * The site's own limit for one purpose over all its tasks, at the largest δ among them: tasks without noise are past it. Null: only the
   * contracts' limits.
   */
  readonly purposeEpsilonMax: number | null;
}

/** What was spent, for people. */
export interface PrivacySpent {
  readonly purpose: string;
  /** The task's entry; null: of all the purpose's tasks together. */
  readonly task: string | null;
  readonly reveals: number;
  readonly epsilon: number;
  readonly delta: number;
}

/** A site's durable book, with what a page shows of it. */
export interface DurablePrivacyBook extends PrivacyBook {
  /** Per purpose, then per task. */
  spent(): readonly PrivacySpent[];
}

/** The book cannot be read or is full: nothing may be revealed. */
export class PrivacyBookError extends Condition {
  override readonly name = 'PrivacyBookError';
  constructor(code: 'privacy-book-malformed' | 'privacy-book-full', message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}

const table = 'learning-privacy';
const rowSchema = z.strictObject({
  purpose: z.string(),
  task: z.string(),
  concentration: z.number().nonnegative(),
  delta: z.number().positive(),
  epsilon: z.number().nonnegative(),
});
type Row = z.infer<typeof rowSchema>;

interface Account {
  reveals: number;
  concentration: number;
  delta: number;
}

/**
 * Opens a site's book in its store. A reveal is in it before anything is revealed: a crash between the two spends without telling,
 * never the reverse. Reveals of failed attempts count, since their sums may be known to somebody.
 * @throws {PrivacyBookError} when what is stored is no book.
 */
export function openPrivacyBook(
  options: PrivacyBookOptions,
  { tables }: { readonly tables: TableStore },
): DurablePrivacyBook {
  const rows = new Map<string, Row>();
  for (const { key, value } of tables.range(table)) rows.set(new TextDecoder().decode(key), parseRow(value));
  const tasks = new Map<string, Account>();
  const purposes = new Map<string, Account>();
  for (const row of rows.values()) addRow(row, tasks, purposes);
  // One at a time: two rounds that both fit a budget alone may not fit it together.
  let last: Promise<unknown> = Promise.resolve();

  async function spendNow(round: Omit<RoundOfWork, 'input'>, limit: SpendLimit) {
    const { task, taskId } = round;
    // Without noise nothing bounds what a sum tells: such a task fits no budget.
    if (task.privacy === null)
      return { isWithin: limit.epsilonMax === null && options.purposeEpsilonMax === null, epsilon: null };
    const name = `${taskId}/${round.round}/${round.attempt}`;
    const known = rows.get(name);
    if (known !== undefined) return { isWithin: true, epsilon: known.epsilon };
    const row = nextRow(task, taskId, round.round, tasks);
    const ofPurpose = withRow(row, purposes.get(task.purpose));
    const isWithin =
      row.epsilon <= Math.min(limit.epsilonMax ?? Number.POSITIVE_INFINITY, task.privacy.epsilonMax) &&
      epsilonOf(ofPurpose.concentration, ofPurpose.delta) <= (options.purposeEpsilonMax ?? Number.POSITIVE_INFINITY);
    if (!isWithin) return { isWithin, epsilon: epsilonOfAccount(tasks.get(taskId)) };
    if (rows.size >= privacyBookLimits.revealsMax)
      throw new PrivacyBookError('privacy-book-full', 'the privacy book is full: no further reveal');
    await tables.commit([{ kind: 'put', table, key: new TextEncoder().encode(name), value: encodeCbor(row) }]);
    rows.set(name, row);
    addRow(row, tasks, purposes);
    return { isWithin, epsilon: row.epsilon };
  }

  return {
    spend(round, limit) {
      const spending = last.then(() => spendNow(round, limit));
      last = spending.catch(() => {});
      return spending;
    },
    spent() {
      const purposeOf = new Map([...rows.values()].map((row) => [row.task, row.purpose]));
      return [...purposes].flatMap(([purpose, account]) => [
        spentOf(purpose, null, account),
        ...[...tasks].flatMap(([task, of]) => (purposeOf.get(task) === purpose ? [spentOf(purpose, task, of)] : [])),
      ]);
    },
  };
}

type SpendLimit = Parameters<PrivacyBook['spend']>[1];

/** Rounds follow each other on the board: what a book forgot that was put back from an older copy counts by the round's number. */
function nextRow(task: TaskBody, taskId: string, round: number, tasks: ReadonlyMap<string, Account>): Row {
  const { noiseMultiplier, delta } = task.privacy ?? { noiseMultiplier: 0, delta: 1 };
  const row = { purpose: task.purpose, task: taskId, concentration: concentrationOf(noiseMultiplier), delta };
  const after = withRow(row, tasks.get(taskId));
  return { ...row, epsilon: epsilonOf(Math.max(after.concentration, round * row.concentration), delta) };
}

function withRow(row: Pick<Row, 'concentration' | 'delta'>, account: Account | undefined): Account {
  return {
    reveals: (account?.reveals ?? 0) + 1,
    concentration: (account?.concentration ?? 0) + row.concentration,
    delta: Math.max(account?.delta ?? 0, row.delta),
  };
}

function addRow(row: Row, tasks: Map<string, Account>, purposes: Map<string, Account>): void {
  tasks.set(row.task, withRow(row, tasks.get(row.task)));
  purposes.set(row.purpose, withRow(row, purposes.get(row.purpose)));
}

function epsilonOfAccount(account: Account | undefined): number {
  return account === undefined ? 0 : epsilonOf(account.concentration, account.delta);
}

function spentOf(purpose: string, task: string | null, account: Account): PrivacySpent {
  return { purpose, task, reveals: account.reveals, epsilon: epsilonOfAccount(account), delta: account.delta };
}

function parseRow(bytes: Uint8Array): Row {
  try {
    return rowSchema.parse(decodeCbor(bytes, { bytesMax: privacyBookLimits.rowBytesMax, depthMax: 2 }));
  } catch (cause) {
    throw new PrivacyBookError('privacy-book-malformed', 'the privacy book cannot be read: nothing is revealed', cause);
  }
}
