import { type Reading, readingKey, windowSeconds, windowStartSeconds } from '../readings/reading.ts';
import type { InputKind, Window, WindowQuality } from './window.ts';

/** What a heart can do, and how much of a window must be known before its rhythm is judged. */
export const windowLimits = {
  rateBpmMin: 20,
  rateBpmMax: 300,
  rrMsMin: 200,
  rrMsMax: 3_000,
  /** Plausible beat-to-beat intervals from which a window counts as `rr`. */
  rrCountMin: 4,
  /** More whole seconds without a reading than this: not usable. */
  missingSecondsMax: 4,
  /** Share of implausible readings above which a window is not usable. */
  implausibleShareMax: 0.25,
} as const;

/**
 * The window that starts at `startSeconds` (whole seconds since 1970, a multiple of ten): a pure function of
 * the set of readings. Their order does not matter, one given twice counts once, and those of other windows
 * are left out. Nothing is invented: what is missing or implausible is counted and marked.
 *
 * Of two different readings under one key the lesser by {@link compareReadings} stays, so that the choice
 * too depends on the set alone.
 */
export function makeWindow(startSeconds: number, readings: Iterable<Reading>): Window {
  const byKey = new Map<string, Reading>();
  for (const reading of readings) {
    if (windowStartSeconds(reading.tMs) !== startSeconds) continue;
    const key = readingKey(reading);
    const known = byKey.get(key);
    if (known === undefined || compareReadings(reading, known) < 0) byKey.set(key, reading);
  }
  const ordered = [...byKey.values()].sort(compareReadings);
  const input = inputKindOf(ordered);
  return { startSeconds, readings: ordered, input, quality: qualityOf(startSeconds, ordered) };
}

/** By time, then key, then every field that a window shows: zero only for readings that say the same. */
export function compareReadings(one: Reading, other: Reading): number {
  if (one.tMs !== other.tMs) return one.tMs - other.tMs;
  if (one.seq !== other.seq) return (one.seq ?? -1) - (other.seq ?? -1);
  if (one.heartRateBpm !== other.heartRateBpm) return one.heartRateBpm - other.heartRateBpm;
  if (one.rrMs.length !== other.rrMs.length) return one.rrMs.length - other.rrMs.length;
  for (const [index, rr] of one.rrMs.entries()) {
    const difference = rr - (other.rrMs[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (one.confidence !== other.confidence) return (one.confidence ?? -1) - (other.confidence ?? -1);
  return Number(one.isStamped) - Number(other.isStamped);
}

/** True where a heart can have had the reading's rate and each of its intervals. */
export function isPlausible(reading: Reading): boolean {
  const { heartRateBpm, rrMs } = reading;
  if (heartRateBpm < windowLimits.rateBpmMin || heartRateBpm > windowLimits.rateBpmMax) return false;
  return rrMs.every((rr) => rr >= windowLimits.rrMsMin && rr <= windowLimits.rrMsMax);
}

/**
 * `rr` where enough plausible intervals came with the readings; else `wrist` when every rate is a whole
 * number, as wrist devices round them; else `hr`.
 */
function inputKindOf(readings: readonly Reading[]): InputKind {
  let intervals = 0;
  for (const reading of readings) {
    for (const rr of reading.rrMs) if (rr >= windowLimits.rrMsMin && rr <= windowLimits.rrMsMax) intervals += 1;
  }
  if (intervals >= windowLimits.rrCountMin) return 'rr';
  return readings.every((reading) => Number.isInteger(reading.heartRateBpm)) ? 'wrist' : 'hr';
}

function qualityOf(startSeconds: number, readings: readonly Reading[]): WindowQuality {
  let seen = 0;
  let implausibleCount = 0;
  for (const reading of readings) {
    seen |= 1 << (Math.floor(reading.tMs / 1000) - startSeconds);
    if (!isPlausible(reading)) implausibleCount += 1;
  }
  let missingSeconds = windowSeconds;
  for (let bits = seen; bits !== 0; bits &= bits - 1) missingSeconds -= 1;
  const isUsable =
    missingSeconds <= windowLimits.missingSecondsMax &&
    implausibleCount <= readings.length * windowLimits.implausibleShareMax;
  return { missingSeconds, implausibleCount, isUsable };
}
