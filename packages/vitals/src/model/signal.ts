import type { Window } from '../windows/window.ts';

/** Plausible for a heart; others are left out of the signal (`WindowQuality.implausibleCount` counts them). */
const plausibleRrMs = { min: 200, max: 3_000 } as const;

/** Most values that a window's signal has: 50 are ten seconds at 300 beats a minute. */
export const signalValuesMax = 64;

/**
 * What the model sees of a window: RR intervals in milliseconds in order of time. For the inputs `hr` and
 * `wrist` one value per whole second, 60,000 / rate of that second's last reading.
 */
export function signalOf(window: Pick<Window, 'input' | 'readings'>): readonly number[] {
  const values = window.input === 'rr' ? intervals(window) : ratesAsIntervals(window);
  return values.filter((value) => value >= plausibleRrMs.min && value <= plausibleRrMs.max).slice(0, signalValuesMax);
}

function intervals(window: Pick<Window, 'readings'>): readonly number[] {
  return window.readings.flatMap(({ rrMs }) => rrMs);
}

function ratesAsIntervals(window: Pick<Window, 'readings'>): readonly number[] {
  const bySecond = new Map<number, number>();
  for (const { tMs, heartRateBpm } of window.readings) bySecond.set(Math.floor(tMs / 1000), 60_000 / heartRateBpm);
  return [...bySecond.values()];
}
