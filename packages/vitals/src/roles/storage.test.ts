import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, silentMeter } from '@pulsemesh/base';
import { createRpcClient } from '@pulsemesh/network';
import { openSqliteRecords, type RecordStore, recordKinds, type SealedRecord } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { storageLimits, storageProtocol, toRow } from '../records/storage-wire.ts';
import { startStorageRole } from './storage.ts';
import { type Peer, userId, World } from './storage-world.testing.ts';

async function countOf(store: RecordStore): Promise<number> {
  return (await store.counts())[recordKinds.reading];
}

const span = { fromSeconds: 1_699_999_990, untilSeconds: 1_800_000_000 };

describe('a storage peer', () => {
  it('has another peer write first, and says that two copies lie', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    using client = world.client();
    expect(await world.settle(client.put(world.records(30)))).toEqual({ copies: 2 });
    expect(await countOf(one.store)).toBe(30);
    expect(await countOf(other.store)).toBe(30);
    expect(await one.store.owed(10)).toEqual([]);
    expect(await other.store.owed(10)).toEqual([]);
    const holders = [...(await one.store.copyHolders()), ...(await other.store.copyHolders())];
    expect(holders).toContainEqual({ peer: 'peer-two', epoch: other.store.epoch });
    expect(holders).toContainEqual({ peer: 'peer-one', epoch: one.store.epoch });
  });

  it('writes alone when it is alone, owes the copy, and pays when another comes', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    using client = world.client();
    expect(await world.settle(client.put(world.records(2500)))).toEqual({ copies: 1 });
    expect(await one.store.owed(1)).toHaveLength(1);
    const other = await world.storage('peer-two');
    await world.clock.advance(5000);
    expect(await countOf(other.store)).toBe(2500);
    expect(await one.store.owed(1)).toEqual([]);
  });

  it('fills the replacement of a peer whose disk was destroyed, whoever wrote first', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    using client = world.client();
    await world.settle(client.put(world.records(100)));
    // Writing through the other one as well, so that both hold first and second copies.
    const rows = { records: world.records(100, 100).map(toRow) };
    await world.settle(client.peer.rpc.call('peer-two' as PeerId, storageProtocol, 'put', rows));
    world.network.kill('peer-two' as PeerId);
    await world.clock.advance(2000);
    await world.settle(client.put(world.records(50, 200)));
    expect(await countOf(one.store)).toBe(250);
    expect(await countOf(other.store)).toBe(200);
    const replacement = await world.storage('peer-two');
    await world.clock.advance(10_000);
    expect(await countOf(replacement.store)).toBe(250);
    expect(await one.store.owed(1)).toEqual([]);
    expect(await one.store.copyHolders()).toEqual([{ peer: 'peer-two', epoch: replacement.store.epoch }]);
    expect(await world.settle(client.readings(world.tree, userId, span))).toEqual(world.readings(250));
  });

  it('fills a replacement over real files, after the disk was destroyed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-storage-'));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const open = async (name: string) => stack.use(await openSqliteRecords({ file: join(directory, name) }));
    const world = new World();
    const one = await world.storage('peer-one', await open('one.sqlite'));
    const lost = await world.storage('peer-two', await open('two.sqlite'));
    using client = world.client();
    await world.settle(client.put(world.records(500)));
    expect([await countOf(one.store), await countOf(lost.store)]).toEqual([500, 500]);
    world.network.kill('peer-two' as PeerId);
    await lost.store[Symbol.asyncDispose]();
    await rm(join(directory, 'two.sqlite'));
    await world.clock.advance(2000);
    const replacement = await world.storage('peer-two', await open('two-again.sqlite'));
    // The files answer in their own time, the timers in the clock's.
    const isFilled = async () => (await countOf(replacement.store)) === 500 && (await one.store.owed(1)).length === 0;
    for (let round = 0; round < 5000 && !(await isFilled()); round += 1) await world.clock.advance(20);
    expect(await countOf(replacement.store)).toBe(500);
    expect(await one.store.owed(1)).toEqual([]);
    for (const peer of [one, replacement]) await peer.role[Symbol.asyncDispose]();
  });

  it('gives up a holder gone for long when a third peer can hold the copy', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    await world.storage('peer-two');
    using client = world.client();
    await world.settle(client.put(world.records(40)));
    world.network.kill('peer-two' as PeerId);
    await world.clock.advance(500_000);
    const third = await world.storage('peer-three');
    await world.clock.advance(60_000);
    expect(await countOf(third.store)).toBe(0);
    await world.clock.advance(60_000);
    expect(await countOf(third.store)).toBe(40);
    expect(await one.store.copyHolders()).toEqual([{ peer: 'peer-three', epoch: third.store.epoch }]);
  });

  it('keeps the higher revision as owed when its peer holds only a lower one', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    const other = await world.storage('peer-two');
    const [record] = world.records(1) as [SealedRecord];
    const higher = { ...record, revision: 5 };
    await other.store.put([record], { peer: 'peer-one', epoch: one.store.epoch });
    await one.store.put([higher], null);
    await one.store.put([record], { peer: 'peer-two', epoch: other.store.epoch });
    expect(await one.store.owed(10)).toEqual([higher]);
    await world.clock.advance(3000);
    expect(await one.store.owed(10)).toEqual([]);
    const query = { subject: record.subject, kind: record.kind, ...span, limit: 10 };
    expect((await other.store.query(query)).map((found) => found.revision)).toEqual([5]);
  });

  it('changes nothing when a put is repeated, also after its answer was lost', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    await world.storage('peer-two');
    using client = world.client();
    const records = world.records(20);
    await world.settle(client.put(records));
    await world.settle(client.put(records));
    expect(await countOf(one.store)).toBe(20);
  });

  it('refuses strangers, and malformed or oversized calls, without writing anything', async () => {
    const world = new World();
    const peer = world.join(['ingest'], 'peer-asker');
    const port = world.network.join({
      roles: ['storage'],
      id: 'peer-strict' as PeerId,
      isTrusted: (id) => id === 'peer-asker',
    });
    const store = world.newStore();
    const rpc = createRpcClient({ port, clock: world.clock });
    const deps = { port, rpc, records: store, clock: world.clock, random: world.random };
    await using _role = await startStorageRole({}, { ...deps, logger: silentLogger, meter: silentMeter });
    const stranger = world.join(['ingest'], 'peer-stranger');
    await world.clock.advance(100);
    const put = (from: Peer, body: unknown, method = 'put') =>
      world.settle(from.rpc.call('peer-strict' as PeerId, storageProtocol, method, body));
    const [row] = world.records(1).map(toRow);
    if (row === undefined) throw new Error('no record');
    const [subject, kind, bucket, id, revision, sealed] = row;
    await expect(put(stranger, { records: [row] })).rejects.toMatchObject({ code: 'untrusted' });
    const bad: unknown[] = [
      null,
      {},
      { records: {} },
      { records: [[]] },
      { records: [[subject.subarray(1), kind, bucket, id, revision, sealed]] },
      { records: [[subject, 9, bucket, id, revision, sealed]] },
      { records: [[subject, kind, -1, id, revision, sealed]] },
      { records: [[subject, kind, bucket, id.subarray(1), revision, sealed]] },
      { records: [[subject, kind, bucket, id, 2 ** 31, sealed]] },
      { records: [[subject, kind, bucket, id, revision, new Uint8Array(0)]] },
      { records: [[subject, kind, bucket, id, revision, new Uint8Array(storageLimits.sealedBytesMax + 1)]] },
    ];
    for (const body of bad) await expect(put(peer, body)).rejects.toMatchObject({ code: 'malformed-record' });
    const many = {
      records: Array.from({ length: storageLimits.recordsMax + 1 }, () => [...row.slice(0, 5), new Uint8Array(1)]),
    };
    await expect(put(peer, many)).rejects.toMatchObject({ code: 'record-limit' });
    const forged = { records: [row], holder: { peer: 'somebody-else', epoch: 'e' } };
    await expect(put(peer, forged, 'copy')).rejects.toMatchObject({ code: 'malformed-record' });
    await expect(put(peer, { after: null, limit: 0 }, 'scan')).rejects.toMatchObject({ code: 'malformed-record' });
    const buckets = Array.from({ length: storageLimits.bucketsMax + 1 }, () => [subject, kind, bucket]);
    await expect(put(peer, { asked: buckets }, 'digests')).rejects.toMatchObject({ code: 'record-limit' });
    expect(await countOf(store)).toBe(0);
  });

  it('says busy past its queue and does not offer itself', async () => {
    const world = new World();
    const gate = Promise.withResolvers<void>();
    const inner = world.newStore();
    const slow: RecordStore = Object.assign(Object.create(inner) as RecordStore, {
      epoch: inner.epoch,
      put: async () => await gate.promise,
      subjects: async () => [],
      owed: async () => [],
      copyHolders: async () => [],
    });
    const { role } = await world.storage('peer-slow', slow, { queuedBytesMax: 10_000 });
    const asker = world.join(['ingest']);
    await world.clock.advance(100);
    const call = (records: SealedRecord[]) =>
      asker.rpc.call('peer-slow' as PeerId, storageProtocol, 'put', { records: records.map(toRow) });
    const first = call(world.records(50));
    await world.clock.advance(10);
    expect(role.queuedBytes).toBeGreaterThan(5000);
    await expect(world.settle(call(world.records(50)))).rejects.toMatchObject({ code: 'busy', retryable: true });
    using client = world.client();
    const waiting = client.put(world.records(1));
    await world.clock.advance(3000);
    gate.resolve();
    expect(await world.settle(first)).toEqual({ copies: 1 });
    expect(await world.settle(waiting)).toEqual({ copies: 1 });
    expect(role.queuedBytes).toBe(0);
  });

  it('tells its counts and gives everything away page by page', async () => {
    const world = new World();
    const one = await world.storage('peer-one');
    using client = world.client();
    await world.settle(client.put(world.records(70)));
    const ask = (method: string, body: unknown) =>
      world.settle(client.peer.rpc.call('peer-one' as PeerId, storageProtocol, method, body)) as Promise<
        Record<string, unknown>
      >;
    expect(await ask('info', null)).toEqual({
      epoch: one.store.epoch,
      counts: [
        [1, 70],
        [2, 0],
        [3, 0],
        [4, 0],
      ],
    });
    let found = 0;
    let after: unknown = null;
    do {
      const page = await ask('scan', { after, limit: 20 });
      found += (page['records'] as unknown[]).length;
      after = page['next'];
    } while (after !== null);
    expect(found).toBe(70);
  });

  it('announces the subjects it holds, also those it held before', async () => {
    const world = new World();
    const store = world.newStore();
    await store.put(world.records(1), null);
    const { port, role } = await world.storage('peer-one', store);
    const key = `records:${world.tree.subjectId}`;
    expect(await port.lookUp(key)).toEqual(['peer-one']);
    await role[Symbol.asyncDispose]();
    expect(await port.lookUp(key)).toEqual([]);
  });
});
