import { errorCode } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { type FeedItem, feedProtocol } from './aggregation.ts';
import { AggregationWorld, startSeconds } from './aggregation-world.testing.ts';

async function newWorld(patients = 1) {
  const world = new AggregationWorld();
  await world.startOthers();
  for (let index = 0; index < patients; index += 1) world.addPatient();
  const [patient] = world.patients;
  if (patient === undefined) throw new Error('a world without a patient');
  return { world, patient };
}

const shape = (windows: readonly { startSeconds: number; readingCount: number }[]) =>
  windows.map((window) => [window.startSeconds - startSeconds, window.readingCount]);

describe('the aggregation role', () => {
  it('turns batches into stored windows, and lets its log go', async () => {
    const { world, patient } = await newWorld();
    const { role, tables } = await world.startAggregation('a');
    await world.send(patient, world.readings(patient, 0, 25));
    await world.clock.advance(500);
    expect(shape(await world.windows(patient))).toEqual([
      [0, 10],
      [10, 10],
    ]);
    expect(role.status()).toMatchObject({ patientsOwned: 1, openWindows: 1, logLength: 1, windowsClosed: 2 });
    await world.clock.advance(9_000);
    expect(shape(await world.windows(patient)).at(-1)).toEqual([20, 5]);
    expect(role.status()).toMatchObject({ openWindows: 0, logLength: 0 });
    expect([tables.count('aggregation-log'), tables.count('aggregation-done')]).toEqual([0, 0]);
  });

  it('raises one alert for an episode and hands it to notification once; nobody hears of an unregistered patient', async () => {
    const { world, patient } = await newWorld();
    const stranger = world.addPatient(false);
    await world.startAggregation('a');
    for (const somebody of [patient, stranger]) await world.send(somebody, world.readings(somebody, 0, 400, 130));
    await world.clock.advance(12_000);
    expect((await world.alerts(patient)).map((event) => event.type)).toEqual(['raised']);
    expect((await world.alerts(stranger)).map((event) => event.type)).toEqual(['raised']);
    expect(world.notified.map(({ subjectId, events }) => [subjectId, events.map((event) => event.type)])).toEqual([
      [patient.subjectId, ['raised']],
    ]);
  });

  it('computes nothing again when a batch comes twice, and once more when a late reading comes', async () => {
    const { world, patient } = await newWorld();
    const { role } = await world.startAggregation('a');
    const readings = world.readings(patient, 0, 13).filter((_, index) => index !== 5);
    await world.send(patient, readings);
    await world.clock.advance(10_000);
    await world.send(patient, readings);
    await world.clock.advance(10_000);
    expect(role.status()).toMatchObject({ windowsClosed: 2, windowsRevised: 0, openWindows: 0 });
    await world.send(patient, world.readings(patient, 5, 6));
    await world.clock.advance(10_000);
    expect(shape(await world.windows(patient))).toEqual([
      [0, 10],
      [10, 3],
    ]);
    expect(role.status()).toMatchObject({ windowsRevised: 1, windowsLate: 1, openWindows: 0, logLength: 0 });
  });

  it('takes readings it was never given from storage', async () => {
    const { world, patient } = await newWorld();
    await world.startAggregation('a');
    await world.send(patient, world.readings(patient, 0, 6));
    const others = world.readings(patient, 6, 10);
    const { readingRecord } = await import('../records/codec.ts');
    await world.act(world.records.put(others.map((reading) => readingRecord(patient.tree, reading, world.random))));
    await world.clock.advance(10_000);
    expect(shape(await world.windows(patient))).toEqual([[0, 10]]);
  });

  it('moves the patients of a killed owner within five seconds, and loses and doubles nothing', async () => {
    const { world } = await newWorld(12);
    const peers = await Promise.all(['a', 'b'].map((id) => world.startAggregation(id)));
    await world.clock.advance(100);
    for (const patient of world.patients) await world.send(patient, world.readings(patient, 0, 7));
    const [first, second] = peers;
    if (first === undefined || second === undefined) throw new Error('two peers were started');
    expect(first.role.status().patientsOwned).toBeGreaterThan(0);
    world.network.kill(first.port.self);
    await first.role[Symbol.asyncDispose]();
    await world.clock.advance(5_000);
    expect(second.role.status()).toMatchObject({ patientsOwned: 12, openWindows: 12 });
    for (const patient of world.patients) await world.send(patient, world.readings(patient, 7, 23));
    await world.clock.advance(10_000);
    for (const patient of world.patients) {
      expect(shape(await world.windows(patient))).toEqual([
        [0, 10],
        [10, 10],
        [20, 3],
      ]);
    }
    expect(second.role.status()).toMatchObject({ openWindows: 0, logLength: 0 });
  });

  it('gives one window and one alert where two peers both believe they hold a patient', async () => {
    const { world, patient } = await newWorld();
    const one = await world.startAggregation('a');
    const two = await world.startAggregation('b');
    await world.clock.advance(100);
    const everybody = world.ingest.port.livePeers().map((peer) => peer.id);
    const without = (id: string) => everybody.filter((peer) => peer !== id);
    world.network.partition([without(one.port.self), without(two.port.self)]);
    await world.clock.advance(2_000);
    for (let second = 0; second < 400; second += 5) {
      const peer = (second / 5) % 2 === 0 ? one : two;
      await world.send(patient, world.readings(patient, second, second + 5, 130), peer.port.self);
    }
    expect([one.role.status().patientsOwned, two.role.status().patientsOwned]).toEqual([1, 1]);
    await world.clock.advance(15_000);
    world.network.heal();
    await world.clock.advance(30_000);
    const windows = await world.windows(patient);
    expect(shape(windows)).toEqual(Array.from({ length: 40 }, (_, index) => [10 * index, 10]));
    expect((await world.alerts(patient)).filter((event) => event.type === 'raised')).toHaveLength(1);
    expect([one.role.status().openWindows, two.role.status().openWindows]).toEqual([0, 0]);
  });

  it('hands open windows to a peer that joins and owns them from then on', async () => {
    const { world } = await newWorld(12);
    await world.startAggregation('a');
    for (const patient of world.patients) await world.send(patient, world.readings(patient, 0, 7));
    const joined = await world.startAggregation('b');
    await world.clock.advance(2_000);
    const owned = joined.role.status().patientsOwned;
    expect(owned).toBeGreaterThan(0);
    expect(joined.role.status().openWindows).toBe(12);
    await world.clock.advance(10_000);
    for (const patient of world.patients) expect(shape(await world.windows(patient))).toEqual([[0, 7]]);
  });

  it('goes on from its log after a crash', async () => {
    const { world, patient } = await newWorld();
    const before = await world.startAggregation('a');
    await world.send(patient, world.readings(patient, 0, 17));
    await world.clock.advance(1_000);
    world.network.kill(before.port.self);
    await before.role[Symbol.asyncDispose]();
    expect(before.tables.count('aggregation-done')).toBe(1);
    const after = await world.startAggregation('a', {}, before.tables);
    expect(after.role.status()).toMatchObject({ openWindows: 1, logLength: 1 });
    await world.clock.advance(10_000);
    expect(shape(await world.windows(patient))).toEqual([
      [0, 10],
      [10, 7],
    ]);
    expect(before.tables.count('aggregation-done')).toBe(0);
  });

  it('keeps windows open while no prediction peer is alive, and an alert while no notification peer is', async () => {
    const { world, patient } = await newWorld();
    const { role } = await world.startAggregation('a');
    world.network.kill('prediction' as never);
    world.network.kill('notification' as never);
    await world.clock.advance(1_500);
    await world.send(patient, world.readings(patient, 0, 300, 130));
    await world.clock.advance(20_000);
    expect(await world.windows(patient)).toEqual([]);
    expect(role.status().predictionsWaiting).toBeGreaterThan(0);
    await world.startPrediction('prediction-2');
    await world.clock.advance(20_000);
    expect(await world.windows(patient)).toHaveLength(30);
    expect(role.status()).toMatchObject({ predictionsWaiting: 0, alertsWaiting: 1, openWindows: 0 });
  });

  it('refuses what does not fit, retryable, and keeps nothing of it', async () => {
    const { world, patient } = await newWorld(2);
    const { role, tables } = await world.startAggregation('a', { windows: { subjectsMax: 1 } });
    await world.send(patient, world.readings(patient, 0, 3));
    const [, second] = world.patients;
    if (second === undefined) throw new Error('there are two');
    const refused = world.take(second, world.readings(second, 0, 3));
    await expect(refused).rejects.toMatchObject({ code: 'open-windows-full', retryable: true });
    expect([role.status().patientsKnown, tables.count('aggregation-log')]).toEqual([1, 1]);
  });

  it('refuses a batch that is none', async () => {
    const { world, patient } = await newWorld();
    const { port } = await world.startAggregation('a');
    const call = (body: unknown) =>
      world.act(world.ingest.rpc.call(port.self, '/pulsemesh/aggregation/1', 'take', body));
    for (const body of [
      null,
      {},
      { batchId: 'x', subjects: [[patient.subjectId, 'u', 'live', true, new Uint8Array(3)]] },
    ]) {
      const code = await call(body).then(() => 'taken', errorCode);
      expect(['malformed-batch', 'reading-codec']).toContain(code);
    }
  });

  it('serves nobody it does not trust', async () => {
    const { world } = await newWorld();
    const { port } = await world.startAggregation('a', {}, undefined, () => false);
    const { rpc } = world.ingest;
    for (const method of ['take', 'replicate', 'done', 'folds']) {
      const refused = world.act(rpc.call(port.self, '/pulsemesh/aggregation/1', method, {}));
      await expect(refused).rejects.toMatchObject({ code: 'untrusted' });
    }
    const subscription = rpc.subscribe(port.self, feedProtocol, 'subscribe', null)[Symbol.asyncIterator]();
    await expect(world.act(subscription.next())).rejects.toMatchObject({ code: 'untrusted' });
  });

  it('shows what passes to a subscriber', async () => {
    const { world, patient } = await newWorld();
    const { port } = await world.startAggregation('a');
    const seen: FeedItem[] = [];
    const controller = new AbortController();
    const subscription = (async () => {
      const { rpc } = world.ingest;
      const pushes = rpc.subscribe(port.self, feedProtocol, 'subscribe', null, { signal: controller.signal });
      for await (const item of pushes) seen.push(item as FeedItem); // this role's own pushes
    })().catch(() => {});
    await world.clock.advance(100);
    await world.send(patient, world.readings(patient, 0, 400, 130));
    await world.clock.advance(5_000);
    expect(seen.flatMap((item) => item.readings)).toHaveLength(400);
    expect(seen.flatMap((item) => item.windows).map((row) => row[2])).toEqual(new Array(39).fill(0.95));
    expect(seen.flatMap((item) => item.alerts).map((row) => row[1][0])).toEqual(['raised']);
    controller.abort();
    await subscription;
  });
});
