import { Condition, silentLogger } from '@pulsemesh/base';
import { createRpcClient } from '@pulsemesh/network';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusalTopic } from '../mqtt/refusal-topic.ts';
import { parsePatientInput } from '../people/patient.ts';
import { createPeopleClient } from '../people/remote-people.ts';
import { servePeople } from '../people/serve-people.ts';
import { fakes, IngestWorld, messageOf } from './ingest-world.testing.ts';

let world: IngestWorld;
let stack: AsyncDisposableStack;
beforeEach(() => {
  world = new IngestWorld();
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function connect(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, keepalive: 0, ...options });
  client.on('error', () => {});
  stack.defer(() => client.endAsync(true));
  return client;
}

function publish(client: MqttClient, message: string, qos: 0 | 1 | 2 = 1): Promise<unknown> {
  const sent = client.publishAsync('vitals', message, { qos });
  sent.catch(() => {});
  return sent;
}

function unavailable(): Condition {
  return new Condition('store-full', 'full', { retryable: true });
}

describe('the ingest role', () => {
  it('takes both forms from a device to storage and then to aggregation', async () => {
    const storage = world.storage();
    const aggregation = world.aggregation();
    const ingest = stack.use(await world.ingest());
    const client = await connect(ingest.mqttUrl);
    const now = world.clock.now();
    await world.settled(publish(client, messageOf('watch-1', now, { seq: 1, rr: [990] })));
    await world.settled(publish(client, messageOf('watch-1', now + 1000)));
    await world.settled(publish(client, '{"userId":"watch-1","heartrate":"75.52868227718442"}'));
    await world.until(() => aggregation.taken.length === 3);
    const keys = world.stored(storage, 'watch-1');
    expect(keys).toEqual(['s1', `t${now + 1000}`, expect.stringMatching(/^t\d+$/)]);
    expect(aggregation.taken.map(({ reading }) => reading.heartRateBpm)).toEqual([60, 60, 75.52868227718442]);
    expect(aggregation.taken.at(-1)?.reading.isStamped).toBe(true);
    await world.until(() => ingest.status().batchesWaiting === 0);
    expect(await world.counted('ingest_readings_forwarded_total')).toBe(3);
  });

  it('withholds the acknowledgement until the commit, and gives none when the disk fails', async () => {
    const tables = createMemoryTables();
    let fail: ((error: unknown) => void) | undefined;
    const failing: TableStore = Object.assign(Object.create(tables) as TableStore, {
      get: tables.get.bind(tables),
      range: tables.range.bind(tables),
      count: tables.count.bind(tables),
      commit: (changes: Parameters<TableStore['commit']>[0]) =>
        changes.some((change) => change.table === 'ingest.log')
          ? new Promise<void>((_resolve, reject) => {
              fail = reject;
            })
          : tables.commit(changes),
    });
    const ingest = stack.use(await world.ingest({}, failing));
    const client = await connect(ingest.mqttUrl);
    let isAcknowledged = false;
    void publish(client, messageOf('watch-1', world.clock.now())).then(
      () => {
        isAcknowledged = true;
      },
      () => {},
    );
    await world.until(() => fail !== undefined);
    fail?.(new Condition('store-failed', 'the disk failed'));
    await world.until(() => world.failed !== undefined);
    expect(world.failed).toMatchObject({ code: 'store-failed' });
    expect(isAcknowledged).toBe(false);
  });

  it('stores a reading once, however often it is sent, also after a restart', async () => {
    const storage = world.storage();
    const aggregation = world.aggregation();
    const tables = createMemoryTables();
    const now = world.clock.now();
    for (let start = 0; start < 2; start += 1) {
      const ingest = await world.ingest({}, tables);
      const client = await connect(ingest.mqttUrl);
      for (const extra of [{ seq: 5 }, { seq: 5 }, {}, {}]) {
        await world.settled(publish(client, messageOf('watch-1', now, extra)));
      }
      await world.settled(ingest.drain());
      await ingest[Symbol.asyncDispose]();
    }
    expect(world.stored(storage, 'watch-1').sort()).toEqual(['s5', `t${now}`]);
    expect(aggregation.taken).toHaveLength(2);
    expect(await world.counted('ingest_readings_duplicate_total')).toBe(6);
  });

  it('gives each stamped reading a time of its own', async () => {
    const storage = world.storage();
    world.aggregation();
    const ingest = stack.use(await world.ingest());
    const client = await connect(ingest.mqttUrl);
    const message = '{"userId":"watch-1","heartrate":"60"}';
    const all = Promise.all(Array.from({ length: 20 }, () => publish(client, message)));
    await world.settled(all);
    await world.until(() => world.stored(storage, 'watch-1').length === 20);
  });

  it('forwards after a restart what it had acknowledged before a crash', async () => {
    const tables = createMemoryTables();
    const first = await world.ingest({}, tables);
    const client = await connect(first.mqttUrl);
    const now = world.clock.now();
    for (let seq = 0; seq < 5; seq += 1) await world.settled(publish(client, messageOf('watch-1', now, { seq })));
    expect(first.status().batchesWaiting).toBeGreaterThan(0);
    const onDisk = [...tables.range('ingest.log')].map(({ value }) => Buffer.from(value).toString('latin1')).join();
    expect(onDisk).not.toContain('watch-1');
    await first[Symbol.asyncDispose]();

    const storage = world.storage();
    const aggregation = world.aggregation();
    const second = stack.use(await world.ingest({}, tables));
    await world.until(() => second.status().batchesWaiting === 0);
    expect(world.stored(storage, 'watch-1').sort()).toEqual(['s0', 's1', 's2', 's3', 's4']);
    expect(aggregation.taken).toHaveLength(5);
  });

  it('keeps a batch until storage and every owner have answered, and repeats without a second record', async () => {
    const storage = world.storage();
    const aggregations = [world.aggregation(), world.aggregation()];
    storage.failure = { error: unavailable(), isWritten: true };
    for (const aggregation of aggregations) aggregation.failure = unavailable();
    const ingest = stack.use(await world.ingest());
    const client = await connect(ingest.mqttUrl);
    const wearers = Array.from({ length: 8 }, (_, index) => `watch-${index}`);
    const now = world.clock.now();
    await world.settled(Promise.all(wearers.map((wearer) => publish(client, messageOf(wearer, now)))));
    await world.until(() => storage.puts.length >= 16);
    expect(aggregations.flatMap(({ taken }) => taken)).toEqual([]);
    storage.failure = undefined;
    await world.clock.advance(10_000);
    expect(ingest.status().batchesWaiting).toBeGreaterThan(0);
    for (const aggregation of aggregations) aggregation.failure = undefined;
    await world.until(() => ingest.status().batchesWaiting === 0);
    expect(storage.records.size).toBe(8);
    expect(new Set(aggregations.flatMap(({ taken }) => taken.map(({ reading }) => reading.userId))).size).toBe(8);
  });

  it('hands patients to another aggregation peer when theirs dies', async () => {
    world.storage();
    const first = world.aggregation();
    const second = world.aggregation();
    const ingest = stack.use(await world.ingest());
    const client = await connect(ingest.mqttUrl);
    const wearers = Array.from({ length: 12 }, (_, index) => `watch-${index}`);
    const send = (t: number) =>
      world.settled(Promise.all(wearers.map((wearer) => publish(client, messageOf(wearer, t)))));
    const now = world.clock.now();
    await send(now);
    await world.until(() => ingest.status().batchesWaiting === 0);
    expect(first.taken.length).toBeGreaterThan(0);
    expect(second.taken.length).toBeGreaterThan(0);
    expect(first.taken.length + second.taken.length).toBe(12);
    world.network.kill(first.port.self);
    await send(now + 1000);
    await world.until(() => ingest.status().batchesWaiting === 0);
    const moved = second.taken.filter(({ reading }) => reading.tMs === now + 1000);
    expect(new Set(moved.map(({ reading }) => reading.userId)).size).toBe(12);
  });

  it('acknowledges and keeps readings while the directory has never been reached', async () => {
    const storage = world.storage();
    world.aggregation();
    const tables = createMemoryTables();
    const directory = await world.openDirectory();
    const port = world.network.join({ roles: ['ingest'] });
    const rpc = createRpcClient({ port, clock: world.clock });
    const people = stack.use(
      createPeopleClient({ port, rpc, tables, box: world.box, clock: world.clock, logger: silentLogger }),
    );
    const ingest = stack.use(await world.ingest({}, tables, { port, rpc, people }));
    const client = await connect(ingest.mqttUrl);
    await world.settled(publish(client, messageOf('watch-1', world.clock.now(), { seq: 1 })));
    await world.clock.advance(20_000);
    expect(ingest.status().batchesWaiting).toBe(1);
    expect(storage.puts).toEqual([]);
    stack.use(servePeople(world.network.join({ roles: ['gateway'] }), directory, fakes));
    await world.until(() => ingest.status().batchesWaiting === 0);
    expect(world.stored(storage, 'watch-1')).toEqual(['s1']);
  });

  it('keeps aside what the directory has no room for, and sends it on once there is', async () => {
    const storage = world.storage();
    world.aggregation();
    const directory = await world.openDirectory({ unregisteredMax: 1 });
    const ingest = stack.use(await world.ingest({ forward: { unparkMs: 5_000 } }));
    const client = await connect(ingest.mqttUrl);
    const now = world.clock.now();
    const both = ['a', 'b'].map((wearer) => publish(client, messageOf(wearer, now)));
    await world.settled(Promise.all(both));
    await world.until(() => ingest.status().batchesWaiting === 0 && ingest.status().batchesParked === 1);
    expect(storage.records.size).toBe(1);
    const unknown = directory.list()[0]?.userId === 'a' ? 'b' : 'a';
    const person = { name: 'Bo', email: 'bo@example.org', language: 'en' };
    await directory.register(
      parsePatientInput({
        ...person,
        userId: unknown,
        doctor: null,
        tells: { patient: true, doctor: false },
        device: { kind: 'live' },
      }),
    );
    await world.until(() => storage.records.size === 2);
    expect(ingest.status().batchesParked).toBe(0);
  });

  it('keeps aside a batch that storage will never take, and goes on with the next', async () => {
    const storage = world.storage();
    const aggregation = world.aggregation();
    storage.failure = { error: new Condition('malformed-record', 'no'), isWritten: false };
    const ingest = stack.use(await world.ingest({ forward: { unparkMs: 5_000 } }));
    const client = await connect(ingest.mqttUrl);
    await world.settled(publish(client, messageOf('watch-1', world.clock.now(), { seq: 1 })));
    await world.until(() => ingest.status().batchesParked === 1);
    storage.failure = undefined;
    await world.settled(publish(client, messageOf('watch-1', world.clock.now(), { seq: 2 })));
    await world.until(() => aggregation.taken.length === 2);
    expect(world.stored(storage, 'watch-1').sort()).toEqual(['s1', 's2']);
  });

  it('refuses what it cannot take, explains and counts it, and takes what follows', async () => {
    world.storage();
    const aggregation = world.aggregation();
    const lines: string[] = [];
    const note = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const logger = { ...silentLogger, warn: note, error: note, info: note, debug: note };
    const ingest = stack.use(await world.ingest({}, createMemoryTables(), { logger }));
    const client = await connect(ingest.mqttUrl, { clientId: 'watch-1' });
    await client.subscribeAsync(refusalTopic('watch-1'));
    const heard: string[] = [];
    client.on('message', (_topic, payload) => heard.push(JSON.parse(payload.toString()).code));
    const now = world.clock.now();
    for (let count = 0; count < 3; count += 1) await world.settled(publish(client, 'MARKER'));
    await world.settled(publish(client, messageOf('MARKER', now + 3_600_000)));
    await world.settled(publish(client, messageOf('watch-1', now)));
    await world.until(() => aggregation.taken.length === 1 && heard.length === 4);
    expect(heard).toEqual(['message-not-json', 'message-not-json', 'message-not-json', 'time-in-future']);
    expect(await world.counted('ingest_readings_refused_total{code="message-not-json"}')).toBe(3);
    expect(lines.filter((line) => line.includes('message-not-json'))).toHaveLength(1);
    expect(lines.join()).not.toMatch(/MARKER|watch-1/);
    expect(await world.meter.text()).not.toMatch(/MARKER|watch-1/);
  });

  it("keeps a replay's times, whatever they are", async () => {
    const storage = world.storage();
    world.aggregation();
    const directory = await world.openDirectory();
    await directory.register(
      parsePatientInput({
        userId: 'replay-1',
        name: 'Ada',
        email: 'ada@example.org',
        language: 'en',
        doctor: null,
        tells: { patient: false, doctor: false },
        device: { kind: 'replay' },
      }),
    );
    const ingest = stack.use(await world.ingest());
    const client = await connect(ingest.mqttUrl);
    const far = world.clock.now() + 10 * 365 * 24 * 3_600_000;
    await world.settled(publish(client, messageOf('replay-1', far)));
    await world.settled(publish(client, messageOf('replay-1', 0)));
    await world.until(() => storage.records.size === 2);
    expect(world.stored(storage, 'replay-1').sort()).toEqual(['t0', `t${far}`]);
  });

  it('holds back a device that is too fast, and loses nothing of it', async () => {
    world.storage();
    const aggregation = world.aggregation();
    const ingest = stack.use(await world.ingest({ rate: { perSecond: 10, burst: 5 } }));
    const client = await connect(ingest.mqttUrl);
    const now = world.clock.now();
    let acknowledged = 0;
    for (let seq = 0; seq < 25; seq += 1) {
      void publish(client, messageOf('watch-1', now, { seq })).then(() => {
        acknowledged += 1;
      });
    }
    await world.until(() => acknowledged >= 5);
    const elapsedMs = world.clock.now() - now;
    await world.until(() => acknowledged === 25);
    expect(elapsedMs).toBeLessThan(1_000);
    expect(world.clock.now() - now).toBeGreaterThanOrEqual(1_900);
    await world.until(() => aggregation.taken.length === 25);
  });

  it('acknowledges nothing while the hand-off log is full, and goes on when it is half empty', async () => {
    const ingest = stack.use(await world.ingest({ commit: { logBytesMax: 150 } }));
    const client = await connect(ingest.mqttUrl);
    const now = world.clock.now();
    let acknowledged = 0;
    const send = (seq: number) =>
      publish(client, messageOf('watch-1', now, { seq })).then(() => {
        acknowledged += 1;
      });
    await world.settled(send(0));
    await world.settled(send(1));
    void send(2);
    await world.clock.advance(5_000);
    expect(acknowledged).toBe(2);
    expect(await world.counted('ingest_log_full')).toBe(1);
    world.storage();
    const aggregation = world.aggregation();
    await world.until(() => acknowledged === 3 && aggregation.taken.length === 3);
  });

  it('waits while the disk is full and goes on when there is room', async () => {
    const tables = createMemoryTables();
    let isFull = true;
    const commit = tables.commit.bind(tables);
    tables.commit = async (changes) => {
      if (isFull && changes.some((change) => change.table === 'ingest.log')) throw unavailable();
      await commit(changes);
    };
    const ingest = stack.use(await world.ingest({}, tables));
    const client = await connect(ingest.mqttUrl);
    let isAcknowledged = false;
    void publish(client, messageOf('watch-1', world.clock.now())).then(() => {
      isAcknowledged = true;
    });
    await world.clock.advance(500);
    await world.until(() => world.clock.monotonicMs() > 3_000);
    expect(isAcknowledged).toBe(false);
    isFull = false;
    await world.until(() => isAcknowledged);
  });

  it('forgets repetitions past the horizon and keeps its tables small', async () => {
    world.storage();
    world.aggregation();
    const tables = createMemoryTables();
    const ingest = stack.use(await world.ingest({ seen: { horizonSeconds: 3_600 } }, tables));
    const client = await connect(ingest.mqttUrl);
    await world.settled(publish(client, messageOf('watch-1', world.clock.now(), { seq: 1 })));
    expect(tables.count('ingest.seen')).toBe(1);
    await world.clock.advance(3_700_000);
    expect(tables.count('ingest.seen')).toBe(0);
  });
});
