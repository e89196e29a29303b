import { Condition } from '@pulsemesh/base';
import { createKeyTree, type KeyTree } from '@pulsemesh/crypto';
import { type RecordKind, type RecordStore, recordKinds, type SealedRecord } from '@pulsemesh/store';
import { equalBytes, toHex } from '@pulsemesh/wire';
import type { AlertEvent } from '../alerts/alert.ts';
import { type Reading, readingKey, type UserId, windowStartSeconds } from '../readings/reading.ts';
import type { Window } from '../windows/window.ts';
import {
  describeWindow,
  openAlertEvent,
  openPrediction,
  openReading,
  openWindow,
  type StoredPrediction,
  type StoredWindow,
} from './codec.ts';
import { RecordLimitError } from './parse.ts';

/** A patient whose records are checked. */
export interface CheckedPatient {
  readonly userId: UserId;
  /** The 32 bytes its key tree grows from. */
  readonly seed: Uint8Array;
}

/** A reading that was acknowledged to its device: `key` as {@link readingKey} gives it. */
export interface AcknowledgedReading {
  readonly userId: UserId;
  readonly key: string;
  readonly tMs: number;
}

export interface CheckInput {
  /** The storage peers' stores, read only. */
  readonly stores: readonly RecordStore[];
  /** All patients, unregistered ones too. */
  readonly patients: Iterable<CheckedPatient>;
  readonly acknowledged: Iterable<AcknowledgedReading> | AsyncIterable<AcknowledgedReading>;
  /** The pure function a window must be of its stored readings. */
  readonly makeWindow: (startSeconds: number, readings: readonly Reading[]) => Window;
}

/** What the stores hold, recounted. Where all is well, the fields from `readingsLost` on that count a fault are 0. */
export interface CheckReport {
  readonly readingsAcknowledged: number;
  /** Different readings that open in at least one store. */
  readonly readingsStored: number;
  readonly windows: number;
  readonly predictions: number;
  /** Alerts raised. */
  readonly alerts: number;
  /** Mails their `notified` events tell of. */
  readonly notifications: number;
  /** Acknowledged and in no store. */
  readonly readingsLost: number;
  /** Stored under more than one key: how many keys too many. */
  readonly readingsDuplicated: number;
  /** Ten seconds with stored readings and no window. */
  readonly windowsMissing: number;
  /** Windows without any stored reading. */
  readonly windowsExtra: number;
  /** Window records beyond the first for one start. */
  readonly windowsDuplicated: number;
  /** Windows that are not what `makeWindow` makes of the stored readings. */
  readonly windowsDifferent: number;
  readonly predictionsMissing: number;
  readonly predictionsExtra: number;
  /** Predictions that judge another set of readings than the window's. */
  readonly predictionsStale: number;
  /** `notified`, `resolved` or `acknowledged` events of an alert that was never raised, and second `raised` ones. */
  readonly alertEventsStray: number;
  /** Records that one of the stores holds and none opens. */
  readonly recordsBroken: number;
  /** Records, over all stores, that do not open, whether or not another store has a good copy. */
  readonly copiesBroken: number;
  readonly copies: {
    /** Records held, at their newest revision, by two stores or more; by one only. */
    readonly two: number;
    readonly one: number;
  };
  /** Subjects in the stores that belong to none of the patients. */
  readonly subjectsUnknown: number;
  /** Per patient in the order given, for whoever knows who is who. */
  readonly patients: readonly CheckedPatientReport[];
}

export interface CheckedPatientReport {
  readonly userId: UserId;
  readonly subjectId: string;
  readonly readingsStored: number;
  readonly readingsLost: number;
  readonly windows: number;
  readonly alerts: number;
  readonly notifications: number;
}

/** Acknowledged readings one check can hold in memory. */
export const acknowledgedMax = 20_000_000;
/** Records of one subject read at a time. */
const pageRecords = 5000;
const secondsMax = 2 ** 34;

/**
 * Recounts what a run left behind, from the stores themselves and the journal of what was acknowledged. Works
 * through one patient after another; what it holds at a time is one patient's records and the journal's keys.
 * @throws {RecordLimitError} when the journal is longer than {@link acknowledgedMax}; what reading a store throws.
 */
export async function checkRecords(input: CheckInput): Promise<CheckReport> {
  const journal = await readJournal(input.acknowledged);
  const totals = { ...emptyFaults(), copiesOne: 0, copiesTwo: 0 };
  const patients: CheckedPatientReport[] = [];
  const subjects = new Set<string>();
  for (const patient of input.patients) {
    const tree = createKeyTree(patient.seed);
    subjects.add(tree.subjectId);
    const acknowledged = journal.keys.get(patient.userId) ?? new Set<string>();
    journal.keys.delete(patient.userId);
    const found = await checkPatient(tree, patient.userId, acknowledged, input);
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += found.totals[name];
    patients.push(found.report);
  }
  // Readings acknowledged for somebody nobody knows are in no store that could be opened.
  for (const keys of journal.keys.values()) totals.readingsLost += keys.size;
  const { copiesOne, copiesTwo, ...counts } = totals;
  return {
    readingsAcknowledged: journal.count,
    ...counts,
    copies: { one: copiesOne, two: copiesTwo },
    subjectsUnknown: await countUnknown(input.stores, subjects),
    patients,
  };
}

/** True when nothing that was acknowledged is lost and every effect is there exactly once. */
export function isSound(report: CheckReport): boolean {
  const { readingsLost, readingsDuplicated, windowsMissing, windowsExtra, windowsDuplicated, windowsDifferent } =
    report;
  const { predictionsMissing, predictionsExtra, predictionsStale, alertEventsStray, recordsBroken } = report;
  const faults = [readingsLost, readingsDuplicated, windowsMissing, windowsExtra, windowsDuplicated, windowsDifferent];
  faults.push(predictionsMissing, predictionsExtra, predictionsStale, alertEventsStray, recordsBroken);
  return faults.every((count) => count === 0);
}

function emptyFaults() {
  return {
    readingsStored: 0,
    windows: 0,
    predictions: 0,
    alerts: 0,
    notifications: 0,
    readingsLost: 0,
    readingsDuplicated: 0,
    windowsMissing: 0,
    windowsExtra: 0,
    windowsDuplicated: 0,
    windowsDifferent: 0,
    predictionsMissing: 0,
    predictionsExtra: 0,
    predictionsStale: 0,
    alertEventsStray: 0,
    recordsBroken: 0,
    copiesBroken: 0,
  };
}

async function readJournal(acknowledged: CheckInput['acknowledged']) {
  const keys = new Map<UserId, Set<string>>();
  let count = 0;
  for await (const { userId, key } of acknowledged) {
    const known = keys.get(userId) ?? new Set<string>();
    keys.set(userId, known);
    const sizeBefore = known.size;
    known.add(key);
    if (known.size === sizeBefore) continue; // acknowledged twice: one reading
    count += 1;
    if (count > acknowledgedMax) throw new RecordLimitError('acknowledged readings', acknowledgedMax);
  }
  return { keys, count };
}

async function checkPatient(tree: KeyTree, userId: UserId, acknowledged: ReadonlySet<string>, input: CheckInput) {
  const gather = <T>(kind: RecordKind, open: (record: SealedRecord) => T) => gatherKind(input.stores, tree, kind, open);
  const readings = await gather(recordKinds.reading, (record) => openReading(tree, record, userId));
  const windows = await gather(recordKinds.window, (record) => openWindow(tree, record));
  const predictions = await gather(recordKinds.prediction, (record) => openPrediction(tree, record));
  const alerts = await gather(recordKinds.alert, (record) => openAlertEvent(tree, record));
  const kinds = [readings, windows, predictions, alerts];
  const sum = (pick: (gathered: Gathered<unknown>) => number) => kinds.reduce((total, one) => total + pick(one), 0);
  const totals = {
    ...emptyFaults(),
    ...checkReadings(readings.values, acknowledged),
    ...checkWindows(tree, readings.values, windows.values, input.makeWindow),
    ...checkPredictions(windows.values, predictions.values),
    ...checkAlerts(alerts.values),
    recordsBroken: sum((one) => one.recordsBroken),
    copiesBroken: sum((one) => one.copiesBroken),
    copiesOne: sum((one) => one.copiesOne),
    copiesTwo: sum((one) => one.copiesTwo),
  };
  const { readingsStored, readingsLost, notifications } = totals;
  const counted = { readingsStored, readingsLost, windows: totals.windows, alerts: totals.alerts, notifications };
  return { totals, report: { userId, subjectId: tree.subjectId, ...counted } };
}

interface Gathered<T> {
  /** One opened value per key: the newest copy that opens. */
  readonly values: readonly T[];
  readonly recordsBroken: number;
  readonly copiesBroken: number;
  readonly copiesOne: number;
  readonly copiesTwo: number;
}

async function gatherKind<T>(
  stores: readonly RecordStore[],
  tree: KeyTree,
  kind: RecordKind,
  open: (record: SealedRecord) => T,
): Promise<Gathered<T>> {
  const byKey = new Map<string, { best: T | null; revision: number; copies: number }>();
  let copiesBroken = 0;
  for (const store of stores) {
    for await (const record of recordsOf(store, tree.subject, kind)) {
      const key = `${record.bucketSeconds}:${toHex(record.id)}`;
      const known = byKey.get(key) ?? { best: null, revision: -1, copies: 0 };
      byKey.set(key, known);
      const value = tryOpen(record, open);
      if (value === null) copiesBroken += 1;
      else if (record.revision > known.revision) {
        byKey.set(key, { best: value, revision: record.revision, copies: 1 });
      } else if (record.revision === known.revision) known.copies += 1;
    }
  }
  const entries = [...byKey.values()];
  const values = entries.flatMap((entry) => (entry.best === null ? [] : [entry.best]));
  const copiesTwo = entries.filter((entry) => entry.copies >= 2).length;
  const copiesOne = entries.filter((entry) => entry.copies === 1).length;
  return { values, recordsBroken: entries.length - values.length, copiesBroken, copiesOne, copiesTwo };
}

/** Bucket by bucket: a page that ends inside a bucket is followed by one that begins with that bucket again. */
async function* recordsOf(store: RecordStore, subject: Uint8Array, kind: RecordKind): AsyncGenerator<SealedRecord> {
  let fromSeconds = 0;
  let seen = new Set<string>();
  for (;;) {
    const page = await store.query({ subject, kind, fromSeconds, untilSeconds: secondsMax, limit: pageRecords });
    const last = page.at(-1);
    if (last === undefined) return;
    const fresh = page.filter((record) => record.bucketSeconds !== fromSeconds || !seen.has(toHex(record.id)));
    yield* fresh;
    if (page.length < pageRecords) return;
    if (fresh.length === 0) throw new RecordLimitError('records of one bucket', pageRecords);
    fromSeconds = last.bucketSeconds;
    seen = new Set(page.filter((record) => record.bucketSeconds === fromSeconds).map((record) => toHex(record.id)));
  }
}

function tryOpen<T>(record: SealedRecord, open: (record: SealedRecord) => T): T | null {
  try {
    return open(record);
  } catch (error) {
    if (error instanceof Condition) return null;
    throw error;
  }
}

function checkReadings(readings: readonly Reading[], acknowledged: ReadonlySet<string>) {
  const stored = new Set(readings.map(readingKey));
  let readingsLost = 0;
  for (const key of acknowledged) if (!stored.has(key)) readingsLost += 1;
  return { readingsStored: stored.size, readingsDuplicated: readings.length - stored.size, readingsLost };
}

function checkWindows(
  tree: KeyTree,
  readings: readonly Reading[],
  windows: readonly StoredWindow[],
  makeWindow: CheckInput['makeWindow'],
) {
  const readingsByStart = Map.groupBy(readings, (reading) => windowStartSeconds(reading.tMs));
  const windowsByStart = Map.groupBy(windows, (window) => window.startSeconds);
  let windowsExtra = 0;
  let windowsDuplicated = 0;
  let windowsDifferent = 0;
  for (const [startSeconds, stored] of windowsByStart) {
    windowsDuplicated += stored.length - 1;
    const own = readingsByStart.get(startSeconds);
    if (own === undefined) windowsExtra += 1;
    else {
      const expected = describeWindow(tree, makeWindow(startSeconds, own));
      if (stored.some((window) => !isSameWindow(window, expected))) windowsDifferent += 1;
    }
  }
  const starts = [...readingsByStart.keys()];
  const windowsMissing = starts.filter((start) => !windowsByStart.has(start)).length;
  return { windows: windowsByStart.size, windowsMissing, windowsExtra, windowsDuplicated, windowsDifferent };
}

function isSameWindow(one: StoredWindow, other: StoredWindow): boolean {
  return (
    one.startSeconds === other.startSeconds &&
    one.readingCount === other.readingCount &&
    equalBytes(one.idsXor, other.idsXor) &&
    one.input === other.input &&
    one.quality.missingSeconds === other.quality.missingSeconds &&
    one.quality.implausibleCount === other.quality.implausibleCount &&
    one.quality.isUsable === other.quality.isUsable
  );
}

function checkPredictions(windows: readonly StoredWindow[], predictions: readonly StoredPrediction[]) {
  const windowsByStart = new Map(windows.map((window) => [window.startSeconds, window]));
  const starts = new Set(predictions.map((prediction) => prediction.startSeconds));
  let predictionsExtra = predictions.length - starts.size;
  let predictionsStale = 0;
  for (const prediction of predictions) {
    const window = windowsByStart.get(prediction.startSeconds);
    if (window === undefined) predictionsExtra += 1;
    else if (window.readingCount !== prediction.revision) predictionsStale += 1;
  }
  const predictionsMissing = [...windowsByStart.keys()].filter((start) => !starts.has(start)).length;
  return { predictions: starts.size, predictionsMissing, predictionsExtra, predictionsStale };
}

function checkAlerts(events: readonly AlertEvent[]) {
  const raised = new Set<string>();
  let alertEventsStray = 0;
  let notifications = 0;
  for (const event of events) {
    if (event.type !== 'raised') continue;
    if (raised.has(event.alertId)) alertEventsStray += 1;
    raised.add(event.alertId);
  }
  for (const event of events) {
    if (event.type !== 'raised' && !raised.has(event.alertId)) alertEventsStray += 1;
    if (event.type === 'notified') notifications += event.recipientCount;
  }
  return { alerts: raised.size, alertEventsStray, notifications };
}

async function countUnknown(stores: readonly RecordStore[], known: ReadonlySet<string>): Promise<number> {
  const unknown = new Set<string>();
  for (const store of stores) {
    for (const subject of await store.subjects()) {
      const subjectId = toHex(subject);
      if (!known.has(subjectId)) unknown.add(subjectId);
    }
  }
  return unknown.size;
}
