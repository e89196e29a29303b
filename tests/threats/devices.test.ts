import { once } from 'node:events';
import { connect } from 'node:net';
import type { Clock } from '@pulsemesh/base';
import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import mqtt, { type MqttClient } from 'mqtt';
import { describe, expect, it } from 'vitest';
import { IngestWorld, messageOf } from '../../packages/vitals/src/roles/ingest-world.testing.ts';

const publish = (client: MqttClient, message: string) => client.publishAsync('readings', message, { qos: 1 });

/** An ingest among remembering peers, and a way to connect devices that are switched off at the end. */
async function startWorld(clockOf: (inner: Clock) => Clock = (inner) => inner) {
  const world = new IngestWorld();
  const stack = new AsyncDisposableStack();
  const storage = world.storage();
  const aggregation = world.aggregation();
  const ingest = stack.use(await world.ingest({}, createMemoryTables(), { clock: clockOf(world.clock) }));
  const device = async (clientId: string) => {
    const client = await mqtt.connectAsync(ingest.mqttUrl, { clientId, reconnectPeriod: 0 });
    stack.defer(() => void client.end(true));
    return client;
  };
  return { world, storage, aggregation, ingest, device, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('row 51: a cloned device', () => {
  it('cannot change or double what the first one said, whatever it says under the same number', async () => {
    await using setup = await startWorld();
    const { world, storage, aggregation, device } = setup;
    const [own, clone] = [await device('watch-1'), await device('watch-1-clone')];
    const t = world.clock.now();
    await world.settled(publish(own, messageOf('watch-1', t, { seq: 7, heartrate: 61 })));
    await world.settled(publish(clone, messageOf('watch-1', t, { seq: 7, heartrate: 180 })));
    await world.settled(publish(clone, messageOf('watch-1', t + 1, { seq: 7, heartrate: 180 })));
    await world.settled(publish(own, messageOf('watch-1', t + 1_000, { seq: 8, heartrate: 62 })));
    await world.until(() => aggregation.taken.length === 2);
    expect(aggregation.taken.map(({ reading }) => reading.heartRateBpm)).toEqual([61, 62]);
    expect(storage.records.size).toBe(2);
    expect(await world.counted('ingest_readings_duplicate_total')).toBe(2);
  });
});

describe('row 17: a node whose clock jumps', () => {
  const hourMs = 3_600_000;

  it.each([
    ['two hours back', -2 * hourMs],
    ['three days back', -72 * hourMs],
    ['three days ahead', 72 * hourMs],
    ['forty days ahead, past the horizon of what it remembers', 960 * hourMs],
  ])('%s loses and doubles no reading that it stamps, and goes on', async (_what, jumpMs) => {
    let offsetMs = 0;
    await using setup = await startWorld((inner) => ({
      now: () => inner.now() + offsetMs,
      monotonicMs: () => inner.monotonicMs(),
      setTimer: (action, delayMs) => inner.setTimer(action, delayMs),
    }));
    const { world, storage, ingest, device } = setup;
    const client = await device('watch-1');
    const original = '{"userId":"watch-1","heartrate":"60"}';
    const timed = messageOf('watch-1', world.clock.now(), { seq: 1 });
    const send = () =>
      world.settled(Promise.all([...Array(10).fill(original), timed].map((one) => publish(client, one))));
    await send();
    await world.until(() => storage.records.size === 11);
    offsetMs = jumpMs;
    await world.clock.advance(60_000);
    await send();
    await world.until(() => storage.records.size === 21 && ingest.status().batchesWaiting === 0);
    expect(new Set(world.stored(storage, 'watch-1')).size).toBe(21);
  });

  it('refuses a live reading from the future and from long ago, keeps neither, and takes the next', async () => {
    await using setup = await startWorld();
    const { world, storage, device } = setup;
    const client = await device('watch-1');
    const now = world.clock.now();
    for (const jumpMs of [hourMs, 72 * hourMs, 8_760 * hourMs, -31 * 24 * hourMs, -now]) {
      await world.settled(publish(client, messageOf('watch-1', now + jumpMs)));
    }
    await world.settled(publish(client, messageOf('watch-1', now)));
    await world.until(() => storage.records.size === 1);
    expect(world.stored(storage, 'watch-1')).toEqual([`t${now}`]);
    expect(await world.counted('ingest_readings_refused_total')).toBe(5);
  });
});

describe('row 26: noise on the device port', () => {
  const connectHead = [0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60];
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((rest) => Uint8Array.from([...connectHead, ...rest])),
    fc.constant(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f])),
    fc.constant(Uint8Array.from(Array(5_000).fill([0xc0, 0]).flat())),
  );

  it('stops nobody else: a device that behaves is acknowledged throughout', async () => {
    await using setup = await startWorld();
    const { world, storage, ingest, device } = setup;
    const client = await device('watch-1');
    const sockets: ReturnType<typeof connect>[] = [];
    for (const [index, bytes] of fc.sample(noise, { numRuns: 300, seed: 42 }).entries()) {
      const socket = connect(Number(new URL(ingest.mqttUrl).port), '127.0.0.1');
      socket.on('error', () => {}).resume();
      await once(socket, 'connect');
      socket.write(bytes);
      sockets.push(socket);
      if (index % 30 === 0)
        await world.settled(publish(client, messageOf('watch-1', world.clock.now(), { seq: index })));
    }
    await world.until(() => storage.records.size === 10);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => ingest.status().clientCount).toBe(1);
    expect(world.failed).toBeUndefined();
  });
});
