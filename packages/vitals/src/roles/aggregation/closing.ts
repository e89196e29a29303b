import { errorCode } from '@pulsemesh/base';
import type { SubjectId, WorkerFinder } from '@pulsemesh/network';
import type { TableChange } from '@pulsemesh/store';
import type { OpenWindow } from '../../windows/open-window.ts';
import type { OpenSubject } from '../../windows/open-windows.ts';
import { type ClosingItem, ClosingJob, type ClosingResult } from './closing-job.ts';
import type { AggregationDependencies, AggregationOptions } from './options.ts';
import type { AggregationParts } from './parts.ts';

const retryMsMin = 250;
/** Starts a gap was looked for, per patient. */
const gapsTriedMax = 64;

/**
 * Finds windows that may close and sees them through: a {@link ClosingJob}, then one transaction that says they are
 * done, puts their alerts into the outbox and lets the log entries go. A patient is in one job at a time.
 */
export class Closing {
  readonly #options: AggregationOptions;
  readonly #deps: AggregationDependencies;
  readonly #parts: AggregationParts;
  readonly #job: ClosingJob;
  readonly #signal: AbortSignal;
  readonly #busy = new Set<SubjectId>();
  readonly #gapsTried = new Map<SubjectId, number[]>();
  readonly #closed;
  readonly #seconds;
  #running = new Set<Promise<void>>();
  #failures = 0;
  #notBeforeMs = 0;
  #waiting = 0;
  closedCount = 0;
  revisedCount = 0;

  constructor(
    options: AggregationOptions,
    dependencies: AggregationDependencies & { readonly finder: WorkerFinder },
    parts: AggregationParts,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#deps = dependencies;
    this.#parts = parts;
    this.#signal = signal;
    this.#job = new ClosingJob(
      options,
      dependencies,
      parts.folds,
      (subjectIds) => parts.replication.foldsElsewhere(subjectIds),
      signal,
      (change) => {
        this.#waiting += change;
      },
    );
    const { meter } = dependencies;
    this.#closed = meter.counter('aggregation_windows_closed_total', 'Windows dealt with, by how', ['how']);
    this.#seconds = meter.histogram(
      'aggregation_window_seconds',
      'From the moment a window may close until it is done',
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    );
  }

  /** Windows now with prediction peers. */
  get waitingCount(): number {
    return this.#waiting;
  }

  /** Starts jobs for what may close. */
  tick(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < this.#notBeforeMs || this.#parts.outbox.length >= this.#options.outboxMax) return;
    let items: ClosingItem[] = [];
    for (const subject of this.#parts.windows.subjects()) {
      if (this.#running.size >= this.#options.closingsMax) return;
      if (this.#busy.has(subject.info.subjectId)) continue;
      items.push(...this.#itemsOf(subject, nowMs));
      if (items.length < this.#options.windowsPerClosingMax) continue;
      this.#start(items);
      items = [];
    }
    if (items.length > 0) this.#start(items);
  }

  /** Resolves when no job runs. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #itemsOf(subject: OpenSubject, nowMs: number): readonly ClosingItem[] {
    const { subjectId } = subject.info;
    const closable = this.#parts.windows.closable(subjectId, nowMs, this.#options.windowsPerSubjectMax);
    if (closable.length === 0) return [];
    const isOwned = this.#parts.ownership.isOwned(subjectId);
    const mine: OpenWindow[] = [];
    for (const window of closable) {
      window.closableSinceMs ??= nowMs;
      if (!isOwned) window.waitingSinceMs ??= nowMs;
      const isOrphan = window.waitingSinceMs !== null && nowMs - window.waitingSinceMs >= this.#options.orphanAfterMs;
      if (isOwned || isOrphan) mine.push(window);
    }
    return mine.map((window) => this.#itemOf(subject, window, isOwned));
  }

  #itemOf({ info }: OpenSubject, window: OpenWindow, isOwned: boolean): ClosingItem {
    const { subjectId, userId, isRegistered } = info;
    return {
      subjectId,
      userId,
      isRegistered,
      isOwned,
      startSeconds: window.startSeconds,
      readings: [...window.readings.values()],
      keysDigest: window.keysDigest,
      lastEntry: window.entries.at(-1) ?? 0,
      isLastAttempt: window.unsettledCount >= this.#options.unsettledCountMax,
      isGapKnown: false,
    };
  }

  #start(items: readonly ClosingItem[]): void {
    const subjects = new Set(items.map((item) => item.subjectId));
    for (const subjectId of subjects) this.#busy.add(subjectId);
    const running = this.#run(items).finally(() => {
      this.#running.delete(running);
      for (const subjectId of subjects) this.#busy.delete(subjectId);
    });
    this.#running.add(running);
  }

  async #run(items: readonly ClosingItem[]): Promise<void> {
    try {
      const results = await this.#job.run(items.map((item) => this.#withKnownGap(item)));
      await this.#finish(results);
      this.#failures = 0;
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#failures += 1;
      const pauseMs = Math.min(this.#options.retryMsMax, retryMsMin * 2 ** Math.min(this.#failures, 16));
      this.#notBeforeMs = this.#deps.clock.monotonicMs() + pauseMs * (0.5 + this.#deps.random.float() / 2);
      this.#deps.logger.warn('windows stay open for now', { windows: items.length, code: errorCode(error) });
    }
  }

  #withKnownGap(item: ClosingItem): ClosingItem {
    const tried = this.#gapsTried.get(item.subjectId);
    return tried === undefined || !tried.includes(item.startSeconds) ? item : { ...item, isGapKnown: true };
  }

  async #finish(results: readonly ClosingResult[]): Promise<void> {
    const { windows, outbox, log, folds, feed, replication } = this.#parts;
    const nowMs = this.#deps.clock.monotonicMs();
    const changes: TableChange[] = [];
    const committed: (() => void)[] = [];
    const blocked = new Set<SubjectId>();
    for (const result of results) {
      const { item } = result;
      const { subjectId, startSeconds } = item;
      if (result.outcome === 'gap') this.#fillGap(item, result.missing, blocked);
      else if (result.outcome === 'unsettled') this.#postpone(item, nowMs);
      else {
        const isTold = item.isRegistered && result.events.length > 0;
        const told = isTold ? outbox.put(subjectId, result.events) : undefined;
        changes.push(...(told?.changes ?? []));
        if (told !== undefined) committed.push(told.committed);
        const window = windows.subject(subjectId)?.windows.get(startSeconds);
        if (window !== undefined) {
          this.#observe(result, window, nowMs);
          const fold = result.made?.fold ?? null;
          if (fold !== null) changes.push(folds.put(subjectId, fold));
          replication.tellDone(window, { subjectId, startSeconds, keysDigest: item.keysDigest, fold });
        }
        const released = windows.finish(subjectId, startSeconds, item.keysDigest, item.lastEntry);
        changes.push(...log.finish(subjectId, startSeconds, released));
      }
    }
    if (changes.length > 0) await this.#deps.tables.commit(changes);
    for (const action of committed) action();
    for (const result of results) {
      if (result.outcome !== 'done' || result.made === null) continue;
      feed.window(result.item.subjectId, result.made.window, result.made.prediction);
      for (const event of result.events) feed.alert(result.item.subjectId, event);
    }
  }

  #observe(result: ClosingResult & { readonly outcome: 'done' }, window: OpenWindow, nowMs: number): void {
    const how = result.made === null ? 'known' : result.made.isRevision ? 'revised' : 'new';
    if (how === 'new') this.closedCount += 1;
    if (how === 'revised') this.revisedCount += 1;
    this.#closed.add(1, { how });
    this.#seconds.observe((nowMs - (window.closableSinceMs ?? nowMs)) / 1000);
  }

  /** Opens the windows that come first; looked for once, so that records that do not open block nothing. */
  #fillGap(item: ClosingItem, missing: readonly number[], seen: Set<SubjectId>): void {
    const tried = this.#gapsTried.get(item.subjectId) ?? [];
    this.#gapsTried.delete(item.subjectId);
    this.#gapsTried.set(item.subjectId, [...tried, item.startSeconds].slice(-gapsTriedMax));
    const oldest = this.#gapsTried.keys().next().value;
    if (this.#gapsTried.size > this.#parts.windows.subjectCount + 1 && oldest !== undefined) {
      this.#gapsTried.delete(oldest);
    }
    if (seen.has(item.subjectId)) return;
    seen.add(item.subjectId);
    for (const startSeconds of missing) this.#parts.windows.openEmpty(item.subjectId, startSeconds);
  }

  #postpone(item: ClosingItem, nowMs: number): void {
    const window = this.#parts.windows.subject(item.subjectId)?.windows.get(item.startSeconds);
    if (window === undefined) return;
    window.unsettledCount += 1;
    window.settleUntilMs = nowMs + this.#options.unsettledMs;
  }
}
