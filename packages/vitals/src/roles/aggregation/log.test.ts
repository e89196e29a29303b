import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../../readings/reading.ts';
import { OpenWindows } from '../../windows/open-windows.ts';
import { AggregationLog, aggregationTables } from './log.ts';
import { encodeBatch, parseBatch } from './wire.ts';

const subjectId = '0a'.repeat(16) as SubjectId;
const userId = 'device' as UserId;
const startSeconds = 1_767_225_600;

/** A batch with one reading in each of the windows named by their number. */
function batch(...windows: readonly number[]): unknown {
  const readings = windows.map((index) => {
    const tMs = (startSeconds + 10 * index) * 1000;
    return { userId, tMs, heartRateBpm: 60, rrMs: [], seq: null, confidence: null, isStamped: false };
  });
  return encodeBatch({
    batchId: 'b',
    subjects: [{ subjectId, userId, deviceKind: 'live', isRegistered: true, readings }],
  });
}

class Peer {
  readonly windows = new OpenWindows();
  readonly log: AggregationLog;
  readonly tables: TableStore;

  constructor(tables: TableStore, key = 1) {
    this.tables = tables;
    const box = createBox(new Uint8Array(32).fill(key), { random: createSeededRandom(1) });
    this.log = new AggregationLog({ tables, box });
  }

  async take(body: unknown): Promise<void> {
    const entry = await this.log.append(body);
    let count = 0;
    for (const part of parseBatch(body).subjects) count += this.windows.add(part, entry, 0).length;
    await this.tables.commit(this.log.hold(entry, count));
  }

  async finish(index: number): Promise<void> {
    const start = startSeconds + 10 * index;
    const window = this.windows.subject(subjectId)?.windows.get(start);
    const last = window?.entries.at(-1) ?? 0;
    const released = this.windows.finish(subjectId, start, window?.keysDigest ?? '', last);
    await this.tables.commit(this.log.finish(subjectId, start, released));
  }

  async restart(key = 1): Promise<Peer> {
    const again = new Peer(this.tables, key);
    await this.tables.commit(again.log.restore(again.windows, 0, silentLogger).changes);
    return again;
  }

  get rows(): readonly number[] {
    return [this.tables.count(aggregationTables.log), this.tables.count(aggregationTables.done)];
  }

  get open(): readonly number[] {
    const starts = [...(this.windows.subject(subjectId)?.windows.keys() ?? [])];
    return starts.map((start) => (start - startSeconds) / 10);
  }
}

describe('AggregationLog', () => {
  it('keeps a batch until all its windows are done, and marks what is done before', async () => {
    const peer = new Peer(createMemoryTables());
    await peer.take(batch(0, 1));
    await peer.finish(0);
    expect(peer.rows).toEqual([1, 1]);
    const again = await peer.restart();
    expect(again.open).toEqual([1]);
    await again.finish(1);
    expect(again.rows).toEqual([0, 0]);
    expect((await again.restart()).open).toEqual([]);
  });

  it('opens a done window again for what came after it', async () => {
    const peer = new Peer(createMemoryTables());
    await peer.take(batch(0, 1));
    await peer.finish(0);
    const again = await peer.restart();
    const late = encodeBatch({
      batchId: 'late',
      subjects: parseBatch(batch(0)).subjects.map((part) => ({
        ...part,
        readings: part.readings.map((reading) => ({ ...reading, tMs: reading.tMs + 1_000 })),
      })),
    });
    await again.take(late);
    expect((await again.restart()).open).toEqual([1, 0]);
    await again.finish(0);
    await again.finish(1);
    expect(again.rows).toEqual([0, 0]);
  });

  it('does not keep a batch that brings nothing new', async () => {
    const peer = new Peer(createMemoryTables());
    await peer.take(batch(0));
    await peer.take(batch(0));
    expect(peer.rows).toEqual([1, 0]);
  });

  it('leaves a batch that does not open where it is', async () => {
    const peer = new Peer(createMemoryTables());
    await peer.take(batch(0));
    const stranger = await peer.restart(2);
    expect(stranger.open).toEqual([]);
    expect((await stranger.restart()).open).toEqual([0]);
  });
});
