import type { Arrival } from '../gateway/arrivals.ts';
import type { JournalEntry } from './journal.ts';

/** Percentiles of a set of durations, milliseconds; null of an empty one. */
export interface Percentiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** How long readings took, by the one wall clock of the machine. */
export interface Latencies {
  /**
   * From a device's sending the last reading of a window to the window's score, stored, reaching the gateway. The
   * allowed lateness is in it: a window closes when readings two seconds past its end have come. The last window
   * of each patient, which ends in silence, is left out.
   */
  readonly toPrediction: Percentiles;
  /** From a device's sending a reading to the reading, stored, reaching the gateway. */
  readonly toPage: Percentiles;
}

const windowMs = 10_000;

/** Joins what devices sent with what arrived. `subjectOf` gives the pseudonym of a device's wearer. */
export async function measureLatencies(
  journal: AsyncIterable<JournalEntry> | Iterable<JournalEntry>,
  arrivals: AsyncIterable<Arrival> | Iterable<Arrival>,
  subjectOf: ReadonlyMap<string, string>,
): Promise<Latencies> {
  const sentReading = new Map<string, number>();
  const sentLast = new Map<string, number>();
  const newest = new Map<string, number>();
  for await (const { userId, tMs, sentMs } of journal) {
    const subject = subjectOf.get(userId);
    if (subject === undefined) continue;
    sentReading.set(`${subject} ${tMs}`, sentMs);
    const startMs = Math.floor(tMs / windowMs) * windowMs;
    const window = `${subject} ${startMs}`;
    sentLast.set(window, Math.max(sentLast.get(window) ?? 0, sentMs));
    newest.set(subject, Math.max(newest.get(subject) ?? 0, startMs));
  }
  const toPage: number[] = [];
  const toPrediction = new Map<string, number>();
  for await (const arrival of arrivals) {
    if (arrival.kind === 'reading') {
      const sentMs = sentReading.get(`${arrival.subject} ${arrival.tMs}`);
      if (sentMs !== undefined) toPage.push(arrival.atMs - sentMs);
      continue;
    }
    const window = `${arrival.subject} ${arrival.startMs}`;
    const sentMs = sentLast.get(window);
    if (sentMs === undefined || newest.get(arrival.subject) === arrival.startMs) continue;
    if (!toPrediction.has(window)) toPrediction.set(window, arrival.atMs - sentMs);
  }
  return { toPage: percentiles(toPage), toPrediction: percentiles([...toPrediction.values()]) };
}

/** By the nearest-rank method. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
