import type { Counter } from '@pulsemesh/base';
import type { RpcCall } from '@pulsemesh/network';
import type { OpenWindow } from '../../windows/open-window.ts';
import { readingBytes } from '../../windows/open-window.ts';
import type { AggregationDependencies } from './options.ts';
import type { AggregationParts } from './parts.ts';
import type { TakenPart } from './replication.ts';
import { type Batch, type DoneWindow, encodeFolds, parseBatch, parseDone, parseFoldsAsked } from './wire.ts';

/**
 * The door: batches from ingest (`take`), copies and hand-overs from other aggregation peers (`replicate`), and the
 * word that a window is `done`. Whoever is asked takes it, owner or not: the log first, then the windows.
 */
export class Intake {
  readonly #deps: AggregationDependencies;
  readonly #parts: AggregationParts;
  readonly #taken: Counter;
  readonly #late: Counter;
  #reservedBytes = 0;
  lateCount = 0;

  constructor(dependencies: AggregationDependencies, parts: AggregationParts) {
    this.#deps = dependencies;
    this.#parts = parts;
    const { meter } = dependencies;
    this.#taken = meter.counter('aggregation_readings_taken_total', 'Readings taken, copies for others included');
    this.#late = meter.counter('aggregation_windows_late_total', 'Windows touched after they could have closed');
  }

  /**
   * Takes a batch of an ingest and sees to its second copy; the answer means: durable here.
   * @throws {MalformedBatchError}, {ReadingCodecError}: it never will · {OpenWindowsFullError}, {StoreFullError}: keep
   *   it and ask again.
   */
  async take(body: unknown): Promise<unknown> {
    const { batch, parts } = await this.#keep(body);
    for (const part of batch.subjects) this.#parts.feed.readings(part);
    await this.#parts.replication.copy(batch.batchId, parts);
    return { taken: true };
  }

  /** Takes what another aggregation peer holds too. @throws as {@link take} */
  async replicate(body: unknown, call: RpcCall): Promise<unknown> {
    const { parts } = await this.#keep(body);
    for (const { touched, fresh } of parts) {
      for (const window of touched) {
        if (fresh.has(window)) window.holders.add(call.from);
        else if (!window.holders.has(call.from)) window.partHolders.add(call.from);
      }
    }
    if (parts.some(({ part }) => this.#parts.ownership.partner(part.subjectId) !== call.from)) {
      this.#parts.replication.requestHandOver();
    }
    return { taken: true };
  }

  /** Another peer has dealt with windows: where it knew all that is held here, they are done here too. */
  async done(body: unknown): Promise<unknown> {
    const changes = parseDone(body).flatMap((done) => {
      if (done.fold !== null) this.#parts.folds.told(done.subjectId, done.fold);
      const window = this.#window(done);
      if (window === undefined || window.keysDigest !== done.keysDigest) return [];
      const lastEntry = window.entries.at(-1) ?? 0;
      const released = this.#parts.windows.finish(done.subjectId, done.startSeconds, done.keysDigest, lastEntry);
      return this.#parts.log.finish(done.subjectId, done.startSeconds, released);
    });
    if (changes.length > 0) await this.#deps.tables.commit(changes);
    return { done: true };
  }

  /** The newest alert folds known here, for a peer that is new to these patients. */
  async folds(body: unknown): Promise<unknown> {
    return encodeFolds(
      parseFoldsAsked(body).map((subjectId) => this.#parts.folds.copy(subjectId)?.fold.record ?? null),
    );
  }

  #window({ subjectId, startSeconds }: DoneWindow): OpenWindow | undefined {
    return this.#parts.windows.subject(subjectId)?.windows.get(startSeconds);
  }

  async #keep(body: unknown): Promise<{ readonly batch: Batch; readonly parts: readonly TakenPart[] }> {
    const batch = parseBatch(body);
    const { windows, log } = this.#parts;
    windows.assertRoom(batch.subjects, this.#reservedBytes);
    const bytes = bytesOf(batch);
    this.#reservedBytes += bytes;
    let entry: number;
    try {
      entry = await log.append(body);
    } finally {
      this.#reservedBytes -= bytes;
    }
    return { batch, parts: await this.#add(batch, entry, body) };
  }

  async #add(batch: Batch, entry: number, body: unknown): Promise<readonly TakenPart[]> {
    const { windows, log } = this.#parts;
    const nowMs = this.#deps.clock.monotonicMs();
    const rows = (body as { readonly subjects: readonly unknown[] }).subjects; // parseBatch has seen to its shape
    let count = 0;
    const parts = batch.subjects.map((part, index): TakenPart => {
      const touched = windows.add(part, entry, nowMs);
      count += touched.length;
      this.#taken.add(part.readings.length);
      this.#countLate(touched);
      return {
        row: rows[index],
        part,
        touched,
        fresh: new Set(touched.filter((window) => window.entries.length === 1)),
      };
    });
    const changes = log.hold(entry, count);
    if (changes.length > 0) await this.#deps.tables.commit(changes);
    return parts;
  }

  #countLate(touched: readonly OpenWindow[]): void {
    for (const window of touched) {
      if (window.settleUntilMs === 0 || window.entries.length > 1) continue;
      this.lateCount += 1;
      this.#late.add();
    }
  }
}

function bytesOf(batch: Batch): number {
  let bytes = 0;
  for (const { readings } of batch.subjects) for (const reading of readings) bytes += readingBytes(reading);
  return bytes;
}
