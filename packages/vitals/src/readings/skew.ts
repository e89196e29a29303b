import { MessageRefusedError } from './errors.ts';
import type { Reading } from './reading.ts';

/** How far a live device's clock may be off, milliseconds. */
export interface SkewLimits {
  /** Default 5 minutes. */
  readonly futureMsMax: number;
  /** Buffered uploads of a device that was offline are welcome; default 30 days. */
  readonly pastMsMax: number;
}

export const defaultSkewLimits: SkewLimits = {
  futureMsMax: 5 * 60_000,
  pastMsMax: 30 * 24 * 3_600_000,
};

/** A device that measures now, or one that replays a recording and keeps the recording's times. */
export type DeviceKind = 'live' | 'replay';

/** True when `reading` lies where a live device's clock may be. */
export function isWithinSkew(reading: Reading, nowMs: number, limits: SkewLimits = defaultSkewLimits): boolean {
  return reading.tMs <= nowMs + limits.futureMsMax && reading.tMs >= nowMs - limits.pastMsMax;
}

/**
 * Refuses a live device's reading from too far in the future or the past; a replay's times are not checked.
 * @throws {MessageRefusedError} `time-in-future` or `time-too-old`.
 */
export function assertWithinSkew(
  reading: Reading,
  deviceKind: DeviceKind,
  nowMs: number,
  limits: SkewLimits = defaultSkewLimits,
): void {
  if (deviceKind === 'replay' || isWithinSkew(reading, nowMs, limits)) return;
  if (reading.tMs > nowMs) {
    throw new MessageRefusedError('time-in-future', "the reading's time lies too far in the future: set the clock", {
      futureMsMax: limits.futureMsMax,
    });
  }
  throw new MessageRefusedError('time-too-old', "the reading's time lies too far in the past", {
    pastMsMax: limits.pastMsMax,
  });
}
