import { type Clock, createSeededRandom, sleep } from '@pulsemesh/base';
import { type Reading, readingKey, type UserId } from '@pulsemesh/vitals/readings';
import type { HandOff } from './hand-off.ts';

export interface DeviceOptions {
  readonly userId: UserId;
  readonly seed: number;
  /** Seconds of recording, one reading each. */
  readonly recordingSeconds: number;
  /** Recording seconds per second of the clock. */
  readonly speed: number;
  /** When the recording starts, whole seconds since 1970. */
  readonly startSeconds: number;
  /** Recording seconds in which the rhythm is irregular, from and until, or null. */
  readonly irregular: { readonly fromSeconds: number; readonly untilSeconds: number } | null;
}

export interface DeviceCounts {
  readonly acknowledged: readonly { readonly userId: UserId; readonly key: string; readonly tMs: number }[];
  readonly isDone: boolean;
}

/** What the simulated model goes by: an irregular rhythm shows as a rate above this, others stay below. */
export const irregularRateBpm = 100;

const sendEveryMs = 500;
const acknowledgeWithinMs = 2_000;

/** A wearable: measures, keeps what is not acknowledged, hands it in again until it is. */
export function startDevice(
  options: DeviceOptions,
  dependencies: { readonly clock: Clock; readonly ingest: () => HandOff | undefined },
): DeviceCounts {
  const { clock, ingest } = dependencies;
  const series = makeSeries(options);
  const acknowledged: { userId: UserId; key: string; tMs: number }[] = [];
  let waiting: Reading[] = [];
  let next = 0;
  const startedMs = clock.monotonicMs();

  const send = async () => {
    const untilSeconds = ((clock.monotonicMs() - startedMs) / 1000) * options.speed;
    while (next < series.length && next < untilSeconds) {
      waiting.push(series[next] as Reading); // next is within the series
      next += 1;
    }
    const batch = waiting.slice(0, 40);
    if (batch.length === 0) return;
    const isTaken = await Promise.race([
      ingest()?.accept(batch) ?? Promise.resolve(false),
      sleep(clock, acknowledgeWithinMs).then(() => false),
    ]);
    if (!isTaken) return;
    waiting = waiting.slice(batch.length);
    for (const reading of batch) {
      acknowledged.push({ userId: options.userId, key: readingKey(reading), tMs: reading.tMs });
    }
  };
  const run = async () => {
    while (next < series.length || waiting.length > 0) {
      await sleep(clock, sendEveryMs);
      await send();
    }
  };
  void run();
  return {
    acknowledged,
    get isDone() {
      return next >= series.length && waiting.length === 0;
    },
  };
}

function makeSeries(options: DeviceOptions): readonly Reading[] {
  const random = createSeededRandom(options.seed);
  return Array.from({ length: options.recordingSeconds }, (_, second): Reading => {
    const { irregular } = options;
    const isIrregular = irregular !== null && second >= irregular.fromSeconds && second < irregular.untilSeconds;
    const heartRateBpm = isIrregular ? irregularRateBpm + 20 + 10 * random.float() : 60 + 10 * random.float();
    return {
      userId: options.userId,
      tMs: (options.startSeconds + second) * 1000 + random.integer(900),
      heartRateBpm,
      rrMs: [Math.round(60_000 / heartRateBpm)],
      seq: second,
      confidence: null,
      isStamped: false,
    };
  });
}
