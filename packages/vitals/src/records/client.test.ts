import type { SealedRecord } from '@pulsemesh/store';
import { recordKinds } from '@pulsemesh/store';
import { equalBytes, type PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { reading, userId, World } from '../roles/storage-world.testing.ts';
import { predictionRecord, readingRecord } from './codec.ts';
import { storageLimits } from './storage-wire.ts';

const span = { fromSeconds: 1_699_999_990, untilSeconds: 1_800_000_000 };

describe('the records client', () => {
  it('unites what the storage peers hold, and takes the higher revision', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    using client = world.client();
    await world.clock.advance(100);
    const records = world.records(30);
    const holder = { peer: 'elsewhere', epoch: 'x' };
    await one.store.put(records.slice(0, 20), holder);
    await other.store.put(records.slice(10), holder);
    const prediction = {
      startSeconds: 1_700_000_000,
      score: 0.5,
      input: 'rr',
      modelId: 'm',
      alertState: null,
    } as const;
    await one.store.put([predictionRecord(world.tree, { ...prediction, revision: 9 }, world.random)], holder);
    await other.store.put([predictionRecord(world.tree, { ...prediction, revision: 10 }, world.random)], holder);
    expect(await world.settle(client.readings(world.tree, userId, span))).toEqual(world.readings(30));
    expect(await world.settle(client.latestPrediction(world.tree))).toEqual({ ...prediction, revision: 10 });
    const query = { subject: world.tree.subject, kind: recordKinds.reading, ...span, limit: 7 };
    const buckets = async (isReverse: boolean) =>
      (await world.settle(client.query({ ...query, isReverse }))).map((record) => record.bucketSeconds - 1_700_000_000);
    expect(await buckets(false)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(await buckets(true)).toEqual([20, 20, 20, 20, 20, 20, 20]);
  });

  it('asks page after page', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    using client = world.client();
    await world.clock.advance(100);
    const count = storageLimits.recordsMax + 1000;
    await one.store.put(world.records(count), null);
    const query = { subject: world.tree.subject, kind: recordKinds.reading, ...span, limit: 10_000 };
    expect(await world.settle(client.query(query))).toHaveLength(count);
    expect(await world.settle(client.query({ ...query, isReverse: true }))).toHaveLength(count);
    await expect(client.query({ ...query, limit: 100_001 })).rejects.toMatchObject({ code: 'record-limit' });
  });

  it('refuses a bucket longer than a page instead of asking for ever', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    using client = world.client();
    await world.clock.advance(100);
    const crowded = Array.from({ length: storageLimits.recordsMax + 1 }, (_, index) =>
      readingRecord(world.tree, { ...reading(0), seq: index }, world.random),
    );
    await one.store.put(crowded, null);
    const asked = { subject: world.tree.subject, kind: recordKinds.reading, ...span, limit: 10_000 };
    const failure = client.query(asked);
    await expect(world.settle(failure)).rejects.toMatchObject({
      code: 'records-unavailable',
      cause: { code: 'record-limit' },
    });
  });

  it('takes the next copy when one does not open', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    using client = world.client();
    await world.clock.advance(100);
    const [good] = world.records(1) as [SealedRecord];
    const sealed = good.sealed.slice();
    sealed[20] = (sealed[20] ?? 0) ^ 1;
    const holder = { peer: 'elsewhere', epoch: 'x' };
    await one.store.put([{ ...good, sealed }], holder);
    await other.store.put([good], holder);
    expect(await world.settle(client.readings(world.tree, userId, span))).toEqual(world.readings(1));
  });

  it('gives a digest where all agree, null where they differ', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    using client = world.client();
    await world.clock.advance(100);
    const records = world.records(20);
    const holder = { peer: 'elsewhere', epoch: 'x' };
    await one.store.put(records, holder);
    await other.store.put(records.slice(0, 15), holder);
    const bucket = (bucketSeconds: number) => ({
      subject: world.tree.subject,
      kind: recordKinds.reading,
      bucketSeconds,
    });
    const asked = [bucket(1_700_000_000), bucket(1_700_000_010), bucket(1_700_000_020)];
    const [full, partial, empty] = await world.settle(client.digests(asked));
    expect(full?.count).toBe(10);
    expect(partial).toBeNull();
    expect(empty?.count).toBe(0);
    expect(equalBytes(empty?.idsXor ?? new Uint8Array(), new Uint8Array(16))).toBe(true);
  });

  it('answers with what one peer holds while the other hangs, and asks the hanging one no more for a while', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const hanging = world.join(['storage'], 'peer-hanging');
    let calls = 0;
    hanging.port.serve('/pulsemesh/storage/1', async (channel) => {
      calls += 1;
      await new Promise<void>((resolve) => world.clock.setTimer(resolve, 1_000_000));
      await channel.close();
    });
    using client = world.client();
    await world.clock.advance(100);
    await one.store.put(world.records(3), null);
    const before = calls;
    expect(await world.settle(client.readings(world.tree, userId, span))).toHaveLength(3);
    expect(calls).toBeGreaterThanOrEqual(before);
    const startedMs = world.clock.monotonicMs();
    expect(await world.settle(client.readings(world.tree, userId, span))).toHaveLength(3);
    expect(world.clock.monotonicMs() - startedMs).toBeLessThan(1000);
  });

  it('says so when nobody answers, and holds a put until somebody does', async () => {
    const world = new World();
    using client = world.client();
    await world.clock.advance(100);
    await expect(world.settle(client.readings(world.tree, userId, span))).rejects.toMatchObject({
      code: 'records-unavailable',
      retryable: true,
    });
    const put = client.put(world.records(5));
    await world.clock.advance(30_000);
    const one = await world.storage('peer-one');
    expect(await world.settle(put)).toEqual({ copies: 1 });
    expect((await one.store.counts())[recordKinds.reading]).toBe(5);
    const aborted = new AbortController();
    world.network.kill('peer-one' as PeerId);
    await world.clock.advance(5000);
    const given = client.put(world.records(5), { signal: aborted.signal });
    aborted.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
  });

  it('finds providers through the directory when there are more storage peers than it asks', async () => {
    const world = new World();
    using client = world.client({ askedPeersMax: 2 });
    const stores = [];
    for (let index = 0; index < 6; index += 1) stores.push(await world.storage(`peer-${index}`));
    await world.clock.advance(100);
    const rows = world.records(4);
    await world.settle(client.put(rows));
    expect(await world.settle(client.readings(world.tree, userId, span))).toHaveLength(4);
  });

  it('cuts a put that is too long for one call', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    using client = world.client();
    const count = storageLimits.recordsMax + 10;
    await world.settle(client.put(world.records(count)));
    expect((await one.store.counts())[recordKinds.reading]).toBe(count);
  });
});
