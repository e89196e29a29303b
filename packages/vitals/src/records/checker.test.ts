import { createSeededRandom } from '@pulsemesh/base';
import { createKeyTree } from '@pulsemesh/crypto';
import { createMemoryRecords, type RecordStore, recordKinds, type SealedRecord } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { type Reading, readingKey, type UserId } from '../readings/reading.ts';
import { makeWindow } from '../windows/make-window.ts';
import { type AcknowledgedReading, type CheckReport, checkRecords, isSound } from './checker.ts';
import { alertRecord, describeWindow, predictionRecord, readingRecord, windowRecord } from './codec.ts';

const startSeconds = 1_700_000_000;
const alertId = 'ab'.repeat(16);
const holder = { peer: 'other', epoch: 'e' };

/** A run where all is well: two patients, three windows each, two stores. Faults are planted into it. */
class Run {
  readonly random = createSeededRandom(3);
  readonly stores = [createMemoryRecords({ random: this.random }), createMemoryRecords({ random: this.random })];
  readonly patients = ['wearer-1', 'wearer-2'].map((userId) => ({
    userId: userId as UserId,
    seed: this.random.bytes(32),
  }));
  readonly tree = createKeyTree(this.patients[0]?.seed ?? new Uint8Array(32));
  acknowledged: AcknowledgedReading[] = [];

  reading(userId: UserId, second: number): Reading {
    const tMs = (startSeconds + second) * 1000;
    return { userId, tMs, heartRateBpm: 61.5, rrMs: [976], seq: second, confidence: null, isStamped: false };
  }

  get first(): Reading {
    return this.reading('wearer-1' as UserId, 0);
  }

  get store(): RecordStore {
    return this.stores[0] as RecordStore;
  }

  async put(records: readonly SealedRecord[], stores: readonly RecordStore[] = this.stores): Promise<void> {
    for (const store of stores) await store.put(records, holder);
  }

  async fill(options: { readonly leaveOut?: (record: SealedRecord) => boolean } = {}): Promise<this> {
    for (const { userId, seed } of this.patients) {
      const tree = createKeyTree(seed);
      const readings = Array.from({ length: 30 }, (_, second) => this.reading(userId, second));
      this.acknowledged.push(...readings.map((one) => ({ userId, key: readingKey(one), tMs: one.tMs })));
      const records = readings.map((one) => readingRecord(tree, one, this.random));
      for (const start of [0, 10, 20]) {
        const window = makeWindow(startSeconds + start, readings);
        records.push(windowRecord(tree, describeWindow(tree, window), this.random));
        records.push(this.prediction(tree, startSeconds + start, 10));
      }
      const kind = 'irregular-rhythm' as const;
      const raised = {
        type: 'raised',
        alertId,
        kind,
        episodeStartSeconds: startSeconds,
        atSeconds: startSeconds + 10,
      } as const;
      const notified = { type: 'notified', alertId, recipientCount: 2, atMs: 7 } as const;
      for (const event of [raised, notified]) records.push(alertRecord(tree, event, startSeconds, this.random));
      await this.put(records.filter((record) => !options.leaveOut?.(record)));
    }
    return this;
  }

  prediction(tree: typeof this.tree, start: number, revision: number): SealedRecord {
    const score = { startSeconds: start, score: 0.25, input: 'rr', modelId: 'm', revision, alertState: [1] } as const;
    return predictionRecord(tree, score, this.random);
  }

  check(): Promise<CheckReport> {
    const { stores, patients, acknowledged } = this;
    return checkRecords({ stores, patients, acknowledged, makeWindow });
  }
}

describe('the checker', () => {
  it('finds nothing where all is well', async () => {
    const report = await (await new Run().fill()).check();
    expect(report).toMatchObject({
      readingsAcknowledged: 60,
      readingsStored: 60,
      readingsLost: 0,
      readingsDuplicated: 0,
      windows: 6,
      predictions: 6,
      alerts: 2,
      notifications: 4,
      copies: { one: 0, two: 76 },
      subjectsUnknown: 0,
      copiesBroken: 0,
    });
    expect(isSound(report)).toBe(true);
    expect(report.patients.map((patient) => patient.userId)).toEqual(['wearer-1', 'wearer-2']);
  });

  it('finds a lost reading, and those of somebody nobody knows', async () => {
    const run = await new Run().fill();
    run.acknowledged.push({ userId: 'wearer-1' as UserId, key: 's999', tMs: 0 });
    run.acknowledged.push({ userId: 'wearer-1' as UserId, key: 's999', tMs: 0 });
    run.acknowledged.push({ userId: 'stranger' as UserId, key: 's1', tMs: 0 });
    const report = await run.check();
    expect(report.readingsLost).toBe(2);
    expect(isSound(report)).toBe(false);
  });

  it('finds a reading under two keys', async () => {
    const run = await new Run().fill();
    const record = readingRecord(run.tree, run.first, run.random);
    const place = { kind: record.kind, bucketSeconds: record.bucketSeconds, id: run.random.bytes(16), revision: 0 };
    const plaintext = run.tree.open(record, record.sealed);
    await run.put([{ ...record, id: place.id, sealed: run.tree.seal(place, plaintext, run.random) }]);
    expect((await run.check()).readingsDuplicated).toBe(1);
  });

  it('finds a missing window, an extra one, a second one and a different one', async () => {
    const isFirst = (record: SealedRecord) => record.bucketSeconds === startSeconds;
    const missing = await new Run().fill({
      leaveOut: (record) => record.kind === recordKinds.window && isFirst(record),
    });
    expect(await missing.check()).toMatchObject({ windowsMissing: 2, predictionsExtra: 2 });

    const run = await new Run().fill();
    const extra = describeWindow(run.tree, makeWindow(startSeconds + 100, []));
    await run.put([windowRecord(run.tree, extra, run.random)]);
    expect(await run.check()).toMatchObject({ windowsExtra: 1, predictionsMissing: 1 });

    const twice = await new Run().fill();
    const window = makeWindow(
      startSeconds,
      Array.from({ length: 10 }, (_, second) => twice.reading(twice.first.userId, second)),
    );
    const record = windowRecord(twice.tree, describeWindow(twice.tree, window), twice.random);
    const place = { kind: record.kind, bucketSeconds: record.bucketSeconds, id: new Uint8Array(16), revision: 10 };
    const plaintext = twice.tree.open(record, record.sealed);
    await twice.put([{ ...record, id: place.id, sealed: twice.tree.seal(place, plaintext, twice.random) }]);
    expect(await twice.check()).toMatchObject({ windowsDuplicated: 1, windowsDifferent: 0 });

    const different = await new Run().fill();
    await different.put([readingRecord(different.tree, { ...different.first, seq: 77 }, different.random)]);
    expect(await different.check()).toMatchObject({ windowsDifferent: 1 });
  });

  it('finds a missing prediction and one that judged fewer readings', async () => {
    const run = await new Run().fill({ leaveOut: (record) => record.kind === recordKinds.prediction });
    await run.put([run.prediction(run.tree, startSeconds, 9)]);
    expect(await run.check()).toMatchObject({ predictions: 1, predictionsMissing: 5, predictionsStale: 1 });
  });

  it('finds an event of an alert never raised', async () => {
    const run = await new Run().fill();
    const stray = { type: 'acknowledged', alertId: 'cd'.repeat(16), by: 'Ada', atMs: 1 } as const;
    await run.put([alertRecord(run.tree, stray, startSeconds, run.random)]);
    expect((await run.check()).alertEventsStray).toBe(1);
  });

  it('finds records with one copy, records that do not open, and unknown subjects', async () => {
    const run = await new Run().fill();
    const [second] = run.stores.slice(1) as [RecordStore];
    await run.put([readingRecord(run.tree, run.reading(run.first.userId, 5), run.random)], [second]);
    const record = readingRecord(run.tree, { ...run.first, seq: 500 }, run.random);
    await run.put([record], [run.store]);
    const sealed = run.random.bytes(60);
    await run.put([{ ...record, sealed }], [second]);
    await run.put([{ ...record, id: new Uint8Array(16), sealed }], [second]);
    await run.put([{ ...record, subject: new Uint8Array(16) }], [second]);
    expect(await run.check()).toMatchObject({
      copies: { one: 1, two: 76 },
      recordsBroken: 1,
      copiesBroken: 2,
      subjectsUnknown: 1,
      readingsStored: 61,
    });
  });

  it('reads more than one page of a patient', async () => {
    const run = new Run();
    const readings = Array.from({ length: 12_000 }, (_, second) => run.reading(run.first.userId, second));
    await run.put(readings.map((one) => readingRecord(run.tree, one, run.random)));
    run.acknowledged = readings.map((one) => ({ userId: one.userId, key: readingKey(one), tMs: one.tMs }));
    expect(await run.check()).toMatchObject({ readingsStored: 12_000, readingsLost: 0, windowsMissing: 1200 });
  });
});
