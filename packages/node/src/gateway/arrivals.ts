import { closeSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '@pulsemesh/base';
import type { LiveReading, WindowView } from '../api/types.ts';

/** One line of the file of arrivals: when something reached the gateway, by the wall clock. */
export type Arrival =
  | { readonly kind: 'reading'; readonly subject: string; readonly tMs: number; readonly atMs: number }
  | { readonly kind: 'window'; readonly subject: string; readonly startMs: number; readonly atMs: number };

/**
 * Writes down when readings and judged windows reached the gateway, one JSON array a line, so that a run can be
 * measured afterwards. It holds no health value. Dispose to close the file.
 */
export function createArrivalsWriter(
  file: string,
  deps: { readonly clock: Clock },
): Disposable & {
  write(change: { readonly readings: readonly LiveReading[]; readonly windows: readonly WindowView[] }): void;
} {
  const handle = openSync(file, 'a', 0o600);
  return {
    write({ readings, windows }) {
      const atMs = deps.clock.now();
      const lines = [
        ...readings.map(({ subject, tMs }) => JSON.stringify(['reading', subject, tMs, atMs])),
        ...windows.map(({ subject, startMs }) => JSON.stringify(['window', subject, startMs, atMs])),
      ];
      if (lines.length > 0) writeSync(handle, `${lines.join('\n')}\n`);
    },
    [Symbol.dispose]: () => closeSync(handle),
  };
}

/** A line of the file, or null when a crash cut it short. */
export function parseArrival(line: string): Arrival | null {
  try {
    const [kind, subject, timeMs, atMs] = JSON.parse(line) as unknown[];
    if (typeof subject !== 'string' || typeof timeMs !== 'number' || typeof atMs !== 'number') return null;
    if (kind === 'reading') return { kind, subject, tMs: timeMs, atMs };
    return kind === 'window' ? { kind, subject, startMs: timeMs, atMs } : null;
  } catch {
    return null;
  }
}
