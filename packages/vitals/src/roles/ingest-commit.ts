import { AssertionError, type Clock, Condition, errorCode, type Logger, sleep, type Timer } from '@pulsemesh/base';
import { hmacSha256 } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { Reading, UserId } from '../readings/reading.ts';
import type { IngestEvents } from './ingest-events.ts';
import type { QosIdBatch, QosIds } from './ingest-ids.ts';
import type { HandOffLog, IngestBatch } from './ingest-log.ts';
import type { SeenBatch, SeenReadings } from './ingest-seen.ts';

export interface CommitLimits {
  /** Readings in one transaction; default 512. */
  readonly readingsMax: number;
  /** How long the first reading of a transaction waits for others, milliseconds; default 20, at most 50. */
  readonly lingerMs: number;
  /** Bytes of the hand-off log above which nothing more is committed (acknowledgements are withheld) until it is half that; default 512 MiB. */
  readonly logBytesMax: number;
}

export const defaultCommitLimits: CommitLimits = { readingsMax: 512, lingerMs: 20, logBytesMax: 512 * 1024 * 1024 };

/** Waiting for room on the disk. */
const retryMs = 1_000;
/** Stamped readings of one wearer in one millisecond: each gets a millisecond of its own, so far. */
const stampStepsMax = 10_000;
const wearerHashesMax = 100_000;

/** One thing for the next transaction, told when it is durable. */
export type CommitItem =
  | {
      readonly kind: 'reading';
      readonly reading: Reading;
      readonly qos2: { readonly clientId: string; readonly messageId: number } | null;
      readonly sinceMs: number;
      /** Called once, when the reading (or the equal one before it) is durable. */
      readonly settle: () => void;
    }
  | {
      readonly kind: 'release';
      readonly clientId: string;
      readonly messageId: number | null;
      readonly settle: () => void;
    };

export interface CommitterDependencies {
  readonly tables: TableStore;
  readonly log: HandOffLog;
  readonly seen: SeenReadings;
  readonly ids: QosIds;
  /** Turns a wearer's id into the key its numbers lie under: secret, so that rows say nothing about who. */
  readonly wearerKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: IngestEvents;
  /** The next batch is durable. */
  readonly onBatch: (batch: IngestBatch) => void;
  /** The disk failed: nothing more is committed or acknowledged. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Group commit: what came within a few milliseconds becomes one transaction of the batch, the readings seen and the
 * QoS 2 ids; only then each is settled. One transaction at a time, so that a repetition is always known.
 */
export class Committer {
  readonly #limits: CommitLimits;
  readonly #deps: CommitterDependencies;
  readonly #stopped = new AbortController();
  #waiting: CommitItem[] = [];
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isFailed = false;
  #isFull = false;
  readonly #wearerHashes = new Map<UserId, Uint8Array>();

  constructor(limits: CommitLimits, dependencies: CommitterDependencies) {
    this.#limits = limits;
    this.#deps = dependencies;
  }

  /** Bounded by what the broker reads of its clients while acknowledgements are withheld. */
  add(item: CommitItem): void {
    if (this.#stopped.signal.aborted) return;
    this.#waiting.push(item);
    if (this.#waiting.length >= this.#limits.readingsMax) this.#start();
    else this.#timer ??= this.#deps.clock.setTimer(() => this.#start(), Math.min(50, this.#limits.lingerMs));
  }

  /** The log has become shorter: what was held back for its length may go on. */
  logShrank(): void {
    if (this.#isFull && this.#deps.log.bytes <= this.#limits.logBytesMax / 2) {
      this.#isFull = false;
      this.#start();
    }
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    while ((this.#waiting.length > 0 || this.#running !== undefined) && !this.#isFailed && !this.#isFull) {
      this.#start();
      await this.#running;
    }
  }

  /** What waits is not settled: the devices send it again. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopped.abort(new Condition('ingest-stopped', 'the ingest is stopped'));
    await this.#running;
    this.#waiting = [];
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isFailed || this.#stopped.signal.aborted || this.#waiting.length === 0) return;
    this.#isFull ||= this.#deps.log.bytes >= this.#limits.logBytesMax;
    this.#deps.events.logFull(this.#isFull);
    if (this.#isFull) return;
    this.#running ??= this.#commitOnce()
      .then(undefined, (error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running = undefined;
        if (this.#waiting.length >= this.#limits.readingsMax) this.#start();
        else if (this.#waiting.length > 0 && this.#timer === undefined) {
          this.#timer = this.#deps.clock.setTimer(() => this.#start(), Math.min(50, this.#limits.lingerMs));
        }
      });
  }

  async #commitOnce(): Promise<void> {
    const { readingsMax } = this.#limits;
    const items = this.#waiting.length <= readingsMax ? this.#waiting : this.#waiting.slice(0, readingsMax);
    this.#waiting = this.#waiting.length <= readingsMax ? [] : this.#waiting.slice(readingsMax);
    const { tables, log, clock, events, onBatch } = this.#deps;
    const { changes, readings, appended } = this.#prepare(items);
    if (changes.length > 0 && !(await this.#commit(() => tables.commit(changes)))) return;
    if (appended !== undefined) log.appended(appended.batch, appended.change);
    const nowMs = clock.monotonicMs();
    let readingItems = 0;
    for (const item of items) {
      item.settle();
      if (item.kind !== 'reading') continue;
      readingItems += 1;
      events.latency(nowMs - item.sinceMs);
    }
    events.committed(readings.length, readingItems - readings.length);
    if (appended !== undefined) onBatch(appended.batch);
  }

  #prepare(items: readonly CommitItem[]) {
    const nowSeconds = Math.floor(this.#deps.clock.now() / 1000);
    const seen = this.#deps.seen.begin(nowSeconds);
    const ids = this.#deps.ids.begin(nowSeconds);
    const readings: Reading[] = [];
    for (const item of items) {
      if (item.kind === 'release') release(ids, item.clientId, item.messageId);
      else if (item.qos2 === null || ids.take(item.qos2.clientId, item.qos2.messageId)) {
        const fresh = this.#fresh(seen, item.reading);
        if (fresh !== undefined) readings.push(fresh);
      }
    }
    const changes: TableChange[] = [...seen.changes(), ...ids.changes()];
    const appended = readings.length > 0 ? this.#deps.log.append(readings) : undefined;
    if (appended !== undefined) changes.push(appended.change);
    return { changes, readings, appended };
  }

  /** The reading, unless it was seen. One stamped on arrival is always fresh: its stamp moves to a free millisecond. */
  #fresh(seen: SeenBatch, reading: Reading): Reading | undefined {
    const hash = this.#hashOf(reading.userId);
    if (!reading.isStamped) {
      const isNew =
        reading.seq === null
          ? seen.add(hash, reading.userId, 'time', reading.tMs)
          : seen.add(hash, reading.userId, 'seq', reading.seq);
      return isNew ? reading : undefined;
    }
    for (let step = 0; step < stampStepsMax; step += 1) {
      const tMs = reading.tMs + step;
      if (seen.add(hash, reading.userId, 'time', tMs)) return step === 0 ? reading : { ...reading, tMs };
    }
    throw new AssertionError('a wearer has more stamped readings in a few seconds than the rate limit lets through');
  }

  #fail(error: unknown): void {
    this.#isFailed = true;
    this.#deps.onFailed(error);
  }

  #hashOf(userId: UserId): Uint8Array {
    let hash = this.#wearerHashes.get(userId);
    if (hash === undefined) {
      if (this.#wearerHashes.size >= wearerHashesMax) this.#wearerHashes.clear();
      hash = hmacSha256(this.#deps.wearerKey, new TextEncoder().encode(userId)).slice(0, 8);
      this.#wearerHashes.set(userId, hash);
    }
    return hash;
  }

  /** True once committed; tries again while the disk is full, gives up when it fails. */
  async #commit(action: () => Promise<void>): Promise<boolean> {
    for (;;) {
      try {
        await action();
        return true;
      } catch (error) {
        if (!(error instanceof Condition && error.retryable)) {
          this.#fail(error);
          return false;
        }
        this.#deps.logger.warn('readings wait for the disk', { code: errorCode(error) });
        this.#deps.events.commitFailed();
      }
      try {
        await sleep(this.#deps.clock, retryMs, { signal: this.#stopped.signal });
      } catch {
        return false; // stopped
      }
    }
  }
}

function release(ids: QosIdBatch, clientId: string, messageId: number | null): void {
  if (messageId === null) ids.releaseAll(clientId);
  else ids.release(clientId, messageId);
}
