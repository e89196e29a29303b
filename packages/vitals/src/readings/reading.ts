import type { Brand } from '@pulsemesh/base';

/** What a wearable calls its wearer: 1 … 128 printable characters, often a legacy `Qm…` peer id. Private: never in logs. */
export type UserId = Brand<string, 'UserId'>;

/**
 * One measurement. Its key within a patient is `seq` where the device counts, else `tMs`; a reading in the
 * original form has neither and is stamped on arrival.
 */
export interface Reading {
  readonly userId: UserId;
  /** When it was measured, milliseconds since 1970 (a replay's recording time; the arrival time when stamped). */
  readonly tMs: number;
  /** 0 < value ≤ 400; implausible values are kept and marked by the window, not refused. */
  readonly heartRateBpm: number;
  /** RR intervals that ended since the previous reading, oldest first, milliseconds, at most 64. */
  readonly rrMs: readonly number[];
  /** The device's counter, 0 … 2^53-1, or null. */
  readonly seq: number | null;
  /** 0 … 1, or null where the device does not say. */
  readonly confidence: number | null;
  /** True when `tMs` is the arrival time because the message carried none. */
  readonly isStamped: boolean;
}

/** The reading's name within its patient: equal names mean the same reading. */
export function readingKey(reading: Reading): string {
  return reading.seq === null ? `t${reading.tMs}` : `s${reading.seq}`;
}

export const windowSeconds = 10;

/** Start of the ten-second window that holds `tMs`, in whole seconds since 1970. */
export function windowStartSeconds(tMs: number): number {
  return Math.floor(tMs / 1000 / windowSeconds) * windowSeconds;
}
