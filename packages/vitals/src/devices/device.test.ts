import { type Condition, createSeededRandom, createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IncomingPublish, type MqttBroker, type Refusal, startMqttBroker } from '../mqtt/broker.ts';
import { parseReadingMessage } from '../readings/message.ts';
import { type Reading, readingKey, type UserId } from '../readings/reading.ts';
import { type Device, type DeviceOptions, startDevice } from './device.ts';

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const startMs = Date.UTC(2026, 0, 1);
const ids = { has: () => false, hasAny: () => false, release: async () => {}, releaseAll: async () => {} };

function seriesOf(count: number, userId = 'watch-1'): Reading[] {
  return Array.from({ length: count }, (_, second) => ({
    userId: userId as UserId,
    tMs: startMs + second * 1000,
    heartRateBpm: 60 + second / 10,
    rrMs: [1000],
    seq: null,
    confidence: null,
    isStamped: false,
  }));
}

type Take = (message: IncomingPublish, settle: (refusal: Refusal | null) => void) => void;

async function startBroker(take: Take, port = 0): Promise<MqttBroker> {
  const deps = { clock: createSystemClock(), logger: silentLogger, meter: silentMeter };
  return stack.use(await startMqttBroker({ port }, { onPublish: take, ids, ...deps }));
}

/** Remembers what it acknowledged. */
function collector() {
  const taken: Reading[] = [];
  const take: Take = (message, settle) => {
    taken.push(parseReadingMessage(message.payload, startMs));
    queueMicrotask(() => settle(null));
  };
  return { taken, take };
}

function device(
  options: Partial<DeviceOptions> & Pick<DeviceOptions, 'mqttUrl'>,
  acked: Reading[] = [],
  clock = createSystemClock(),
) {
  return stack.use(
    startDevice(
      {
        userId: 'watch-1' as UserId,
        series: seriesOf(50),
        speed: Number.POSITIVE_INFINITY,
        reconnectMs: 10,
        ...options,
      },
      { clock, random: createSeededRandom(1), logger: silentLogger, onAcked: (reading) => acked.push(reading) },
    ),
  );
}

function until(condition: () => boolean): Promise<void> {
  return expect.poll(condition, { timeout: 30_000, interval: 2 }).toBe(true);
}

describe('a device', () => {
  it('sends its series and reports each acknowledgement once', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    const acked: Reading[] = [];
    const watch = device({ mqttUrl: broker.url }, acked);
    await watch.finished;
    expect(taken).toEqual(seriesOf(50));
    expect(acked.map(readingKey)).toEqual(seriesOf(50).map(readingKey));
    expect(watch.status()).toMatchObject({ sent: 50, acked: 50, waiting: 0, refused: 0 });
  });

  it('speaks the original form too', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    await device({ mqttUrl: broker.url, form: 'original', qos: 2 }).finished;
    expect(taken).toHaveLength(50);
    expect(taken[7]).toMatchObject({ heartRateBpm: 60.7, isStamped: true, rrMs: [] });
  });

  it('keeps the times of its series at the speed it was given', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    const clock = new VirtualClock();
    const watch = device({ mqttUrl: broker.url, speed: 10 }, [], clock);
    await until(() => watch.status().isConnected);
    await clock.advance(2_000);
    expect(watch.status().sent).toBe(21);
    await until(() => taken.length === 21);
    await clock.advance(10_000);
    await watch.finished;
    expect(taken).toHaveLength(50);
  });

  it('sends again what a broker that died had not acknowledged, to wherever the next one is', async () => {
    const settled = new Set<string>();
    let isDeaf = true;
    const deaf: Take = (message, settle) => {
      const key = readingKey(parseReadingMessage(message.payload, startMs));
      if (isDeaf && settled.size >= 10) return;
      settled.add(key);
      queueMicrotask(() => settle(null));
    };
    const first = await startBroker(deaf);
    let url = first.url;
    const acked: Reading[] = [];
    const watch = device({ mqttUrl: () => url }, acked);
    await until(() => settled.size === 10);
    await first[Symbol.asyncDispose]();
    isDeaf = false;
    url = (await startBroker(deaf)).url;
    await watch.finished;
    expect(new Set(acked.map(readingKey)).size).toBe(50);
    expect(acked).toHaveLength(50);
    expect(settled.size).toBe(50);
  });

  it('measures no more than it can keep while nobody acknowledges', async () => {
    const broker = await startBroker(() => {});
    let read = 0;
    function* counted() {
      for (const reading of seriesOf(1_000)) {
        read += 1;
        yield reading;
      }
    }
    const watch = device({ mqttUrl: broker.url, series: counted(), queueReadingsMax: 20, inFlightMax: 5 });
    await until(() => watch.status().sent === 5);
    expect(watch.status().waiting).toBe(20);
    expect(read).toBeLessThanOrEqual(21);
  });

  it('counts what the broker refuses and goes on', async () => {
    const broker = await startBroker((_message, settle) =>
      queueMicrotask(() => settle({ code: 'time-too-old', explanation: 'why' })),
    );
    const watch = device({ mqttUrl: broker.url, speed: 1_000 });
    await watch.finished;
    await until(() => watch.status().refused > 0);
  });

  it('finishes on demand with everything it measured acknowledged', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    const watch = device({ mqttUrl: broker.url, speed: 100, series: seriesOf(100_000) });
    await until(() => taken.length > 5);
    await watch.finish();
    expect(watch.status().waiting).toBe(0);
    expect(watch.status().acked).toBe(taken.length);
  });

  it('finishes while its series has nothing to say', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    async function* silent() {
      yield* seriesOf(3);
      await new Promise(() => {});
    }
    const watch = device({ mqttUrl: broker.url, series: silent() });
    await until(() => taken.length === 3);
    await watch.finish();
  });

  it('rejects what waits for it when it is switched off', async () => {
    const broker = await startBroker(() => {});
    const watch: Device = device({ mqttUrl: broker.url });
    const finished = expect(watch.finished).rejects.toMatchObject({ code: 'device-off' } satisfies Partial<Condition>);
    await until(() => watch.status().sent > 0);
    await watch[Symbol.asyncDispose]();
    await finished;
  });

  it('is cheap: a hundred of them share one process', async () => {
    const { taken, take } = collector();
    const broker = await startBroker(take);
    const watches = Array.from({ length: 100 }, (_, index) => {
      const userId = `watch-${index}` as UserId;
      return device({ mqttUrl: broker.url, userId, series: seriesOf(10, userId) });
    });
    await Promise.all(watches.map((watch) => watch.finished));
    expect(taken).toHaveLength(1_000);
  });
});
