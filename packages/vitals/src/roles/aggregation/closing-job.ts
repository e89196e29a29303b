import { errorCode } from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import type { SubjectId, WorkerFinder } from '@pulsemesh/network';
import { type BucketDigest, recordKinds, type SealedRecord } from '@pulsemesh/store';
import { equalBytes } from '@pulsemesh/wire';
import type { Reading, UserId } from '../../readings/reading.ts';
import { windowSeconds } from '../../readings/reading.ts';
import {
  alertRecord,
  describeWindow,
  digestReadings,
  openPrediction,
  predictionRecord,
  type StoredPrediction,
  type StoredWindow,
  windowRecord,
} from '../../records/codec.ts';
import { makeWindow } from '../../windows/make-window.ts';
import type { Prediction, Window } from '../../windows/window.ts';
import { AlertFold, encodeFold, type FoldedEvent, type FoldRecord, isNewerFold, parseFold } from './fold.ts';
import type { Folds } from './folds.ts';
import { mapBounded } from './map-bounded.ts';
import type { AggregationDependencies } from './options.ts';
import {
  encodeWindowForPrediction,
  parsePredictions,
  predictionProtocol,
  splitForPrediction,
} from './prediction-wire.ts';

/** One window to deal with, as it was when the job began. */
export interface ClosingItem {
  readonly subjectId: SubjectId;
  readonly userId: UserId;
  readonly isRegistered: boolean;
  /** The patient is this peer's, as it sees the network. */
  readonly isOwned: boolean;
  readonly startSeconds: number;
  readonly readings: readonly Reading[];
  readonly keysDigest: string;
  readonly lastEntry: number;
  /** Do not wait any longer for storage to agree with itself. */
  readonly isLastAttempt: boolean;
  /** Earlier windows were looked for already. */
  readonly isGapKnown: boolean;
}

/** What became of a window. */
export type ClosingResult =
  | {
      readonly outcome: 'done';
      readonly item: ClosingItem;
      readonly events: readonly FoldedEvent[];
      readonly made: MadeWindow | null;
    }
  /** Storage does not yet tell one story, or the patient is not known: again later. */
  | { readonly outcome: 'unsettled'; readonly item: ClosingItem }
  /** Earlier windows of the patient have to be dealt with first; storage has readings for them. */
  | { readonly outcome: 'gap'; readonly item: ClosingItem; readonly missing: readonly number[] };

/** A window that was computed and is in storage now. */
export interface MadeWindow {
  readonly window: Window;
  readonly prediction: Prediction;
  readonly fold: FoldRecord;
  readonly isRevision: boolean;
}

export interface ClosingJobOptions {
  readonly callTimeoutMs: number;
}

export interface ClosingJobDependencies extends AggregationDependencies {
  readonly finder: WorkerFinder;
}

/** Asks the other aggregation peers for the newest folds they know; whoever does not answer is left out. */
export type FoldsElsewhere = (subjectIds: readonly SubjectId[]) => Promise<ReadonlyMap<SubjectId, FoldRecord>>;

/** How many windows before one are looked for in storage when they were not dealt with: ten minutes. */
const gapWindowsMax = 60;
/** The same for a patient of whom nothing is known at all, as each is at first: a minute. */
const firstGapWindowsMax = 6;
/** Newest predictions read to go on from. */
const latestPredictionsMax = 8;

interface Asked extends ClosingItem {
  readonly tree: KeyTree;
}

/** Windows that come before others and were not dealt with. */
interface Gap {
  /** The first item that has to wait for them. */
  readonly beforeSeconds: number;
  readonly missing: readonly number[];
}

interface Prepared {
  readonly item: Asked;
  readonly window: Window;
  readonly described: StoredWindow;
  /** What storage has for the window already. */
  readonly stored: { readonly prediction: StoredPrediction; readonly fold: FoldRecord } | null;
  readonly needsPrediction: boolean;
}

/**
 * Deals with windows of several patients, those of one patient in the order of their start: compares with storage,
 * takes the union where sets differ, asks for predictions, folds the alert engine, and writes everything in one put.
 * It changes nothing but storage, so it can fail and be repeated at any point; `folds` moves on after the put.
 */
export class ClosingJob {
  readonly #options: ClosingJobOptions;
  readonly #deps: ClosingJobDependencies;
  readonly #folds: Folds;
  readonly #foldsElsewhere: FoldsElsewhere;
  readonly #signal: AbortSignal;
  readonly #onWaiting: (change: number) => void;

  constructor(
    options: ClosingJobOptions,
    dependencies: ClosingJobDependencies,
    folds: Folds,
    foldsElsewhere: FoldsElsewhere,
    signal: AbortSignal,
    onWaiting: (change: number) => void,
  ) {
    this.#options = options;
    this.#deps = dependencies;
    this.#folds = folds;
    this.#foldsElsewhere = foldsElsewhere;
    this.#signal = signal;
    this.#onWaiting = onWaiting;
  }

  /** @throws what storage, the people directory or `signal` say: nothing is decided then, try again later. */
  async run(items: readonly ClosingItem[]): Promise<readonly ClosingResult[]> {
    const patients = await this.#deps.people.resolve([...new Set(items.map((item) => item.userId))], this.#wait());
    const results: ClosingResult[] = [];
    const asked: Asked[] = [];
    for (const item of items) {
      const patient = patients.get(item.userId);
      if (patient === undefined) results.push({ outcome: 'unsettled', item });
      // Somebody may have registered the patient since the readings came.
      else asked.push({ ...item, tree: patient.keyTree, isRegistered: patient.isRegistered });
    }
    const digests = await this.#digests(asked);
    const folds = await this.#foldsFor(asked, digests);
    const gaps = await this.#gaps(asked, folds);
    const ready: { item: Asked; index: number }[] = [];
    asked.forEach((item, index) => {
      const gap = gaps.get(item.subjectId);
      if (gap === undefined || item.startSeconds < gap.beforeSeconds) ready.push({ item, index });
      else results.push({ outcome: 'gap', item, missing: gap.missing });
    });
    const prepared = await mapBounded(ready, fetchesMax, ({ item, index }) =>
      this.#prepare(item, digests[2 * index] ?? null, digests[2 * index + 1] ?? null),
    );
    const settled = prepared.filter((one): one is Prepared => !('outcome' in one));
    results.push(...prepared.filter((one): one is ClosingResult => 'outcome' in one));
    results.push(...(await this.#write(settled, folds)));
    return results;
  }

  /** For each item two: its stored readings and its stored prediction; null where storage peers differ. */
  async #digests(asked: readonly Asked[]): Promise<readonly (BucketDigest | null)[]> {
    if (asked.length === 0) return [];
    const buckets = asked.flatMap(({ tree, startSeconds }) => [
      { subject: tree.subject, kind: recordKinds.reading, bucketSeconds: startSeconds },
      { subject: tree.subject, kind: recordKinds.prediction, bucketSeconds: startSeconds },
    ]);
    return await this.#deps.records.digests(buckets, this.#wait());
  }

  /** Copies of the folds, read again where this peer is not sure to have made the newest step itself. */
  async #foldsFor(
    asked: readonly Asked[],
    digests: readonly (BucketDigest | null)[],
  ): Promise<Map<SubjectId, AlertFold>> {
    const folds = new Map<SubjectId, AlertFold>();
    const stale = new Map<SubjectId, Asked>();
    const seen = new Set<SubjectId>();
    asked.forEach((item, index) => {
      const known = folds.has(item.subjectId) ? undefined : this.#folds.copy(item.subjectId);
      const isFirst = !seen.has(item.subjectId);
      seen.add(item.subjectId);
      if (known !== undefined) folds.set(item.subjectId, known.fold);
      const isNext =
        !isFirst || (known?.isSure === true && item.startSeconds <= known.fold.upToSeconds + windowSeconds);
      const isStored = digests[2 * index + 1]?.count !== 0;
      if (!isNext || isStored) stale.set(item.subjectId, item);
    });
    const elsewhere = await this.#foldsElsewhere([...stale.keys()]);
    await mapBounded([...stale.values()], fetchesMax, async (item) => {
      const record = await this.#newestFold(item, elsewhere.get(item.subjectId) ?? null);
      const known = folds.get(item.subjectId);
      if (known === undefined || (record !== null && known.isBehind(record))) {
        folds.set(item.subjectId, new AlertFold(item.subjectId, record));
      }
    });
    return folds;
  }

  /** The newest of what storage has and what another aggregation peer knows. */
  async #newestFold({ tree }: Asked, told: FoldRecord | null): Promise<FoldRecord | null> {
    const asked = { subject: tree.subject, kind: recordKinds.prediction, limit: latestPredictionsMax };
    let newest = told;
    for (const sealed of await this.#deps.records.latest(asked, this.#wait())) {
      const record = this.#readFold(tree, sealed);
      if (record !== null && (newest === null || isNewerFold(record, newest))) newest = record;
    }
    return newest;
  }

  #readFold(tree: KeyTree, sealed: SealedRecord): FoldRecord | null {
    try {
      return parseFold(openPrediction(tree, sealed).alertState);
    } catch (error) {
      this.#deps.logger.warn('a prediction record is left out', { code: errorCode(error) });
      return null;
    }
  }

  /** Per patient the first item here that has to wait, and the windows before it that storage has readings of. */
  async #gaps(asked: readonly Asked[], folds: ReadonlyMap<SubjectId, AlertFold>): Promise<ReadonlyMap<SubjectId, Gap>> {
    const candidates = gapCandidates(asked, folds);
    const gaps = new Map<SubjectId, Gap>();
    if (candidates.length === 0) return gaps;
    const buckets = candidates.flatMap(({ item, startSeconds }) => [
      { subject: item.tree.subject, kind: recordKinds.reading, bucketSeconds: startSeconds },
      { subject: item.tree.subject, kind: recordKinds.prediction, bucketSeconds: startSeconds },
    ]);
    const digests = await this.#deps.records.digests(buckets, this.#wait());
    candidates.forEach(({ item, startSeconds }, index) => {
      if (digests[2 * index]?.count === 0 || digests[2 * index + 1]?.count !== 0) return;
      const { beforeSeconds, missing } = gaps.get(item.subjectId) ?? { beforeSeconds: item.startSeconds, missing: [] };
      gaps.set(item.subjectId, { beforeSeconds, missing: [...missing, startSeconds] });
    });
    return gaps;
  }

  async #prepare(
    item: Asked,
    readingsDigest: BucketDigest | null,
    predictionDigest: BucketDigest | null,
  ): Promise<Prepared | ClosingResult> {
    const { tree, userId, startSeconds } = item;
    const span = { fromSeconds: startSeconds, untilSeconds: startSeconds + windowSeconds };
    let window = makeWindow(startSeconds, item.readings);
    let idsXor = digestReadings(tree, window.readings);
    if (readingsDigest?.count !== window.readings.length || !equalBytes(readingsDigest.idsXor, idsXor)) {
      const stored = await this.#deps.records.readings(tree, userId, span, this.#wait());
      window = makeWindow(startSeconds, [...item.readings, ...stored]);
      idsXor = digestReadings(tree, window.readings);
    }
    const described = {
      ...describeWindow(tree, { ...window, readings: [] }),
      readingCount: window.readings.length,
      idsXor,
    };
    if (window.readings.length === 0) return { outcome: 'done', item, events: [], made: null };
    if (predictionDigest?.count === 0) return { item, window, described, stored: null, needsPrediction: true };
    return await this.#compareWithStored(item, window, described, span);
  }

  /** Somebody computed the window before: with less, with the same, or with what cannot be seen now. */
  async #compareWithStored(
    item: Asked,
    window: Window,
    described: StoredWindow,
    span: { fromSeconds: number; untilSeconds: number },
  ): Promise<Prepared | ClosingResult> {
    const { records } = this.#deps;
    const [prediction] = await records.predictions(item.tree, span, this.#wait());
    if (prediction === undefined) return { item, window, described, stored: null, needsPrediction: true };
    const stored = { prediction, fold: parseFold(prediction.alertState) };
    if (prediction.revision < described.readingCount) return { item, window, described, stored, needsPrediction: true };
    const [storedWindow] = await records.windows(item.tree, span, this.#wait());
    const isSame = storedWindow !== undefined && equalBytes(storedWindow.idsXor, described.idsXor);
    if (isSame || item.isLastAttempt) return { item, window, described, stored, needsPrediction: false };
    return { outcome: 'unsettled', item };
  }

  async #write(
    prepared: readonly Prepared[],
    folds: ReadonlyMap<SubjectId, AlertFold>,
  ): Promise<readonly ClosingResult[]> {
    const predictions = await this.#predict(prepared.filter((one) => one.needsPrediction).map((one) => one.window));
    const records: SealedRecord[] = [];
    const results = prepared.map((one): ClosingResult => {
      const prediction = predictions.get(one.window);
      if (prediction === undefined) {
        // Computed before. Written and told again, in case whoever did so died in between: a record that its second
        // holder was handed may be the only copy, and an alert may be in nobody's outbox.
        if (one.stored !== null) records.push(...this.#recordsAgain(one, one.stored));
        return { outcome: 'done', item: one.item, events: one.stored?.fold.events ?? [], made: null };
      }
      const fold = folds.get(one.item.subjectId) ?? new AlertFold(one.item.subjectId, null);
      const stepped = fold.step({
        startSeconds: one.item.startSeconds,
        score: prediction.score,
        input: prediction.input,
      });
      const events = unionEvents(one.stored?.fold.events ?? [], stepped.events);
      records.push(...this.#records(one, prediction, { ...stepped, events }));
      const made = { window: one.window, prediction, fold: stepped, isRevision: one.stored !== null };
      return { outcome: 'done', item: one.item, events, made };
    });
    if (records.length > 0) await this.#deps.records.put(records, this.#wait());
    for (const { item } of prepared) {
      const fold = folds.get(item.subjectId);
      if (fold !== undefined) this.#folds.keep(item.subjectId, fold, item.isOwned);
    }
    return results;
  }

  #records(one: Prepared, prediction: Prediction, fold: FoldRecord): readonly SealedRecord[] {
    const { random } = this.#deps;
    const { tree } = one.item;
    const stored = { ...prediction, revision: one.described.readingCount, alertState: encodeFold(fold) };
    return [
      windowRecord(tree, one.described, random),
      predictionRecord(tree, stored, random),
      ...fold.events.map(({ event, episodeStartSeconds }) => alertRecord(tree, event, episodeStartSeconds, random)),
    ];
  }

  #recordsAgain(one: Prepared, stored: NonNullable<Prepared['stored']>): readonly SealedRecord[] {
    const { random } = this.#deps;
    const { tree } = one.item;
    // A last attempt does not know the stored window's readings: its record is left as it is.
    if (stored.prediction.revision !== one.described.readingCount) return [];
    return [
      windowRecord(tree, one.described, random),
      predictionRecord(tree, stored.prediction, random),
      ...stored.fold.events.map((folded) => alertRecord(tree, folded.event, folded.episodeStartSeconds, random)),
    ];
  }

  /** Asks whoever is free, for as long as it takes. */
  async #predict(windows: readonly Window[]): Promise<ReadonlyMap<Window, Prediction>> {
    const predicted = new Map<Window, Prediction>();
    this.#onWaiting(windows.length);
    try {
      for (const part of splitForPrediction(windows)) {
        const body = { windows: part.map(encodeWindowForPrediction) };
        const predictions = await this.#deps.finder.run(async (peer) => {
          const options = { ...this.#wait(), timeoutMs: this.#options.callTimeoutMs };
          return parsePredictions(await this.#deps.rpc.call(peer, predictionProtocol, 'predict', body, options), part);
        }, this.#wait());
        part.forEach((window, index) => {
          predicted.set(window, predictions[index] as Prediction); // as many as asked for
        });
      }
    } finally {
      this.#onWaiting(-windows.length);
    }
    return predicted;
  }

  #wait(): { readonly signal: AbortSignal } {
    return { signal: this.#signal };
  }
}

const fetchesMax = 16;

/** The starts between what is folded and each item, none of which this job is about. */
function gapCandidates(
  asked: readonly Asked[],
  folds: ReadonlyMap<SubjectId, AlertFold>,
): readonly { readonly item: Asked; readonly startSeconds: number }[] {
  const candidates: { item: Asked; startSeconds: number }[] = [];
  const reached = new Map<SubjectId, number>();
  for (const item of asked) {
    const { subjectId, startSeconds } = item;
    const upToSeconds = reached.get(subjectId) ?? folds.get(subjectId)?.upToSeconds ?? Number.NEGATIVE_INFINITY;
    reached.set(subjectId, Math.max(upToSeconds, startSeconds));
    if (item.isGapKnown) continue;
    const windowsMax = Number.isFinite(upToSeconds) ? gapWindowsMax : firstGapWindowsMax;
    const fromSeconds = Math.max(upToSeconds + windowSeconds, startSeconds - windowsMax * windowSeconds, 0);
    for (let start = fromSeconds; start < startSeconds; start += windowSeconds) {
      candidates.push({ item, startSeconds: start });
    }
  }
  return candidates;
}

function unionEvents(stored: readonly FoldedEvent[], fresh: readonly FoldedEvent[]): readonly FoldedEvent[] {
  const isNew = ({ event }: FoldedEvent) =>
    !stored.some((known) => known.event.alertId === event.alertId && known.event.type === event.type);
  return [...stored, ...fresh.filter(isNew)];
}
