import { createReadStream, existsSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock, Random } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import { loadOrCreateIdentity } from '@pulsemesh/identity';
import { openLmdbTables, openSqliteRecords } from '@pulsemesh/store';
import { openPeopleDirectory } from '@pulsemesh/vitals/people';
import type { UserId } from '@pulsemesh/vitals/readings';
import { type CheckReport, checkRecords, isSound } from '@pulsemesh/vitals/records';
import { makeWindow } from '@pulsemesh/vitals/windows';
import { type Arrival, parseArrival } from '../gateway/arrivals.ts';
import { recordsFile } from '../roles/storage-file.ts';
import type { CastMember } from './cast.ts';
import { readJournal } from './journal.ts';
import { measureLatencies, type Percentiles } from './latency.ts';
import { demoPaths, members } from './layout.ts';

/** One process of the run, measured just before it was stopped. */
export interface ProcessReport {
  readonly name: string;
  readonly role: string;
  readonly pid: number | null;
  /** Proportional set size; null where the platform does not say. */
  readonly pssBytes: number | null;
  readonly restarts: number;
}

/** What was counted while the run went on. */
export interface RunFacts {
  readonly seconds: number;
  readonly speed: number;
  readonly recordings: string | null;
  readonly readingsSent: number;
  readonly drainedMs: number;
  readonly hasDrained: boolean;
  readonly firstReadingMs: number;
  readonly processes: readonly ProcessReport[];
  readonly learning: readonly Readonly<Record<string, unknown>>[];
}

/** What `--report` writes: the counts recounted from the stores by a checker, the rest as it was seen. */
export interface RunReport {
  readonly readingsSent: number;
  readonly readingsAcknowledged: number;
  readonly readingsStored: number;
  /** Acknowledged to the device and in no store. */
  readonly readingsLost: number;
  /** Stored under more than one key. */
  readonly readingsDuplicated: number;
  readonly windows: number;
  readonly predictions: number;
  readonly alerts: number;
  readonly notifications: number;
  /** From the sending of a window's last reading until its score was stored and at the gateway. */
  readonly latencyMs: Percentiles;
  /** From the sending of a reading until it was stored and at the gateway. */
  readonly latencyToPageMs: Percentiles;
  readonly processes: readonly ProcessReport[];
  readonly restarts: number;
  readonly pssBytes: number | null;
  /** What became of the study at each hospital that came to its end within the run. */
  readonly learning: readonly Readonly<Record<string, unknown>>[];
  readonly windowsExactlyOnce: boolean;
  readonly isSound: boolean;
  readonly firstReadingMs: number;
  readonly drainedMs: number;
  readonly hasDrained: boolean;
  readonly patients: readonly {
    readonly userId: string;
    readonly rhythm: 'sinus' | 'episode';
    readonly alerts: number;
    readonly notifications: number;
    readonly readingsStored: number;
  }[];
  readonly check: Omit<CheckReport, 'patients'>;
  readonly conditions: Readonly<Record<string, string | number | null>>;
}

/**
 * Recounts a run that has stopped: opens the storage peers' SQLite files itself, opens every record with the
 * patients' seeds, and compares with the devices' own journal of what was acknowledged.
 * @throws what the stores throw.
 */
export async function makeReport(
  dataDirectory: string,
  cast: readonly CastMember[],
  facts: RunFacts,
  deps: { readonly clock: Clock; readonly random: Random },
): Promise<RunReport> {
  const { journalFile, arrivalsFile } = demoPaths(dataDirectory);
  const known = await readPatients(dataDirectory, deps);
  const check = await recount(dataDirectory, journalFile, known);
  const subjectOf = new Map(known.map(({ userId, subjectId }) => [userId as string, subjectId]));
  const latencies = await measureLatencies(readJournal(journalFile), readArrivals(arrivalsFile), subjectOf);
  const { patients, ...counts } = check;
  return {
    readingsSent: facts.readingsSent,
    readingsAcknowledged: counts.readingsAcknowledged,
    readingsStored: counts.readingsStored,
    readingsLost: counts.readingsLost,
    readingsDuplicated: counts.readingsDuplicated,
    windows: counts.windows,
    predictions: counts.predictions,
    alerts: counts.alerts,
    notifications: counts.notifications,
    latencyMs: latencies.toPrediction,
    latencyToPageMs: latencies.toPage,
    processes: facts.processes,
    restarts: facts.processes.reduce((sum, process) => sum + process.restarts, 0),
    pssBytes: sumOf(facts.processes.map((process) => process.pssBytes)),
    learning: facts.learning,
    windowsExactlyOnce:
      counts.windowsMissing + counts.windowsExtra + counts.windowsDuplicated + counts.windowsDifferent === 0,
    isSound: isSound(check),
    firstReadingMs: facts.firstReadingMs,
    drainedMs: facts.drainedMs,
    hasDrained: facts.hasDrained,
    patients: patients.map(({ userId, alerts, notifications, readingsStored }) => ({
      userId,
      rhythm: cast.find((one) => one.patient.userId === userId)?.rhythm ?? 'episode',
      alerts,
      notifications,
      readingsStored,
    })),
    check: counts,
    conditions: conditionsOf(facts),
  };
}

async function recount(
  dataDirectory: string,
  journalFile: string,
  patients: readonly { readonly userId: UserId; readonly seed: Uint8Array }[],
): Promise<CheckReport> {
  await using stack = new AsyncDisposableStack();
  const paths = demoPaths(dataDirectory);
  const stores = [];
  for (const { name, role } of members) {
    const file = recordsFile(paths.node(name));
    if (role === 'storage' && existsSync(file)) stores.push(stack.use(await openSqliteRecords({ file })));
  }
  return await checkRecords({ stores, patients, acknowledged: acknowledged(journalFile), makeWindow });
}

async function* acknowledged(journalFile: string) {
  // The devices' process wrote these user ids; the directory has parsed them.
  for await (const { userId, key, tMs } of readJournal(journalFile)) yield { userId: userId as UserId, key, tMs };
}

/** The patients as the stopped gateway left them, with their seeds. */
async function readPatients(dataDirectory: string, deps: { readonly random: Random }) {
  await using stack = new AsyncDisposableStack();
  const paths = demoPaths(dataDirectory);
  const directory = paths.node('gateway');
  const identity = await loadOrCreateIdentity(
    { file: join(directory, 'identity.json'), keyFile: paths.keyFile('gateway') },
    deps,
  );
  const tables = stack.use(await openLmdbTables({ directory: join(directory, 'tables') }));
  const people = await openPeopleDirectory(
    {},
    { tables, box: createBox(identity.nodeBoxKey, deps), random: deps.random },
  );
  return people.list().flatMap(({ userId, subjectId }) => {
    const facts = people.factsOf(subjectId);
    return facts === undefined ? [] : [{ userId, subjectId, seed: facts.seed }];
  });
}

async function* readArrivals(file: string): AsyncGenerator<Arrival> {
  if (!existsSync(file)) return;
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    const arrival = parseArrival(line);
    if (arrival !== null) yield arrival;
  }
}

function conditionsOf({ seconds, speed, recordings }: RunFacts): RunReport['conditions'] {
  return {
    seconds,
    speed,
    recordings: recordings ?? 'generated, seeds 1 and up',
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    processors: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
