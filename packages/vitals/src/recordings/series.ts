import type { Reading, UserId } from '../readings/reading.ts';
import type { InputKind } from '../windows/window.ts';
import type { BeatRecording, RateRecording, Recording } from './recording.ts';

/** What a device that wears this recording says at one whole second. */
export interface SeriesPoint {
  /** Since the recording's start. */
  readonly second: number;
  readonly heartRateBpm: number;
  /** Intervals that ended since the previous second, oldest first; empty unless the input is `rr`. */
  readonly rrMs: readonly number[];
}

/** Which part of a recording: whole seconds, `until` exclusive. Default: all of it. */
export interface SeriesRange {
  readonly fromSecond?: number;
  readonly untilSecond?: number;
}

/**
 * Intervals that a sensor reports. What lies outside is a lost signal or a double detection (a shorter one
 * would be a rate that no reading may carry): the device stays silent about it.
 */
export const sensorRangeMs = { min: 150, max: 3_000 } as const;

/** A reading carries at most this many intervals (`readings/reading.ts`). */
const intervalsPerPointMax = 64;
const wristSpanSeconds = 5;

/** Length of the recording in seconds. */
export function durationSeconds(recording: Recording): number {
  if (recording.type === 'rate') return recording.heartRateBpm.length;
  return recording.firstBeatSeconds + recording.rrMs.reduce((sum, interval) => sum + interval, 0) / 1000;
}

/**
 * Plays a recording as a device of one kind, one point a second where the device has something to say:
 * `rr` and `hr` give 60,000 / (last complete interval in ms), `rr` with the intervals themselves; `wrist` gives
 * the mean of the last five seconds' rates, rounded. No point is made up: three seconds without a beat are silent.
 */
export function* seriesOf(recording: Recording, input: InputKind, range: SeriesRange = {}): Generator<SeriesPoint> {
  const points = recording.type === 'beats' ? beatPoints(recording, range) : ratePoints(recording, range);
  if (input === 'rr') yield* points;
  else if (input === 'hr') for (const point of points) yield { ...point, rrMs: [] };
  else yield* smoothed(points);
}

/** The points as readings of one wearer, `startMs` being the time of second 0 (milliseconds since 1970). */
export function* toReadings(
  points: Iterable<SeriesPoint>,
  wearer: { readonly userId: UserId; readonly startMs: number },
): Generator<Reading> {
  for (const { second, heartRateBpm, rrMs } of points) {
    const tMs = wearer.startMs + second * 1000;
    yield { userId: wearer.userId, tMs, heartRateBpm, rrMs, seq: null, confidence: null, isStamped: false };
  }
}

function* beatPoints(recording: BeatRecording, range: SeriesRange): Generator<SeriesPoint> {
  const { fromSecond = 0, untilSecond = Number.POSITIVE_INFINITY } = range;
  const { rrMs } = recording;
  let next = 0;
  let beatMs = recording.firstBeatSeconds * 1000;
  let last: { readonly rr: number; readonly endMs: number } | null = null;
  for (let second = Math.ceil(recording.firstBeatSeconds); second < untilSecond && next < rrMs.length; second += 1) {
    const ended: number[] = [];
    while (next < rrMs.length && beatMs + (rrMs[next] as number) <= second * 1000) {
      const rr = rrMs[next] as number; // next is within the array
      beatMs += rr;
      next += 1;
      if (rr < sensorRangeMs.min || rr > sensorRangeMs.max) continue;
      ended.push(rr);
      last = { rr, endMs: beatMs };
    }
    if (second < fromSecond || last === null || second * 1000 - last.endMs > sensorRangeMs.max) continue;
    yield { second, heartRateBpm: 60_000 / last.rr, rrMs: ended.slice(-intervalsPerPointMax) };
  }
}

function* ratePoints(recording: RateRecording, range: SeriesRange): Generator<SeriesPoint> {
  const { heartRateBpm } = recording;
  const until = Math.min(heartRateBpm.length, range.untilSecond ?? heartRateBpm.length);
  for (let second = range.fromSecond ?? 0; second < until; second += 1) {
    const rate = heartRateBpm[second] as number; // second is within the array
    if (rate > 0 && rate <= 60_000 / sensorRangeMs.min) yield { second, heartRateBpm: rate, rrMs: [] };
  }
}

function* smoothed(points: Iterable<SeriesPoint>): Generator<SeriesPoint> {
  let recent: SeriesPoint[] = [];
  for (const point of points) {
    recent = [...recent.filter(({ second }) => second > point.second - wristSpanSeconds), point];
    const mean = recent.reduce((sum, { heartRateBpm }) => sum + heartRateBpm, 0) / recent.length;
    yield { second: point.second, heartRateBpm: Math.round(mean), rrMs: [] };
  }
}
