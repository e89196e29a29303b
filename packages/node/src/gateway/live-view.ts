import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import { z } from 'zod';
import type { LiveReading, WindowView } from '../api/types.ts';

const subject = z.string().regex(/^[0-9a-f]{32}$/);
const entriesMax = 20_000;

// The feed of an aggregation peer, as `roles/aggregation` of vitals pushes it.
const itemSchema = z.object({
  readings: z.array(z.tuple([subject, z.number(), z.number(), z.array(z.number()).max(64)])).max(entriesMax),
  windows: z
    .array(
      z.tuple(
        [subject, z.int(), z.number().min(0).max(1).nullable(), z.string(), z.int(), z.int(), z.int()],
        z.unknown(),
      ),
    )
    .max(entriesMax),
  alerts: z.array(z.tuple([subject, z.unknown()])).max(entriesMax),
});

/** What a push of a feed brings that was not known yet. */
export interface LiveChange {
  readonly readings: readonly LiveReading[];
  readonly windows: readonly WindowView[];
  readonly alerts: readonly { readonly subject: string; readonly event: AlertEvent }[];
}

/** Subjects whose newest readings are remembered at most. */
export const liveSubjectsMax = 100_000;
const recentMax = 256;

interface Recent {
  lastReadingMs: number;
  lastArrivalMs: number;
  /** Times of the newest readings, to leave out what a second peer pushes too. */
  readonly times: Set<number>;
}

/** The newest of each heart, put together from the feeds of several peers, which may overlap. */
export class LiveView {
  readonly #recent = new Map<string, Recent>();
  readonly #parseAlert: (fields: unknown) => AlertEvent;

  /** `parseAlert` throws on fields that are no alert event. */
  constructor(parseAlert: (fields: unknown) => AlertEvent) {
    this.#parseAlert = parseAlert;
  }

  /** @throws {z.ZodError}, or what `parseAlert` throws, on an item that is none: nothing of it was taken. */
  take(item: unknown, nowMs: number): LiveChange {
    const { readings, windows, alerts } = itemSchema.parse(item);
    const events = alerts.map(([id, fields]) => ({ subject: id, event: this.#parseAlert(fields) }));
    return {
      readings: readings
        .filter(([id, tMs]) => this.#isNew(id, tMs, nowMs))
        .map(([id, tMs, heartRateBpm, rrMs]) => ({ subject: id, tMs, heartRateBpm, rrMs })),
      windows: windows.map(([id, startSeconds, score, , missingSeconds, , readingCount]) => ({
        subject: id,
        startMs: startSeconds * 1000,
        readingCount,
        missingSeconds,
        // An unusable window is the one that gets no score.
        isUsable: score !== null,
        score,
      })),
      alerts: events,
    };
  }

  lastOf(id: string): { readonly lastReadingMs: number; readonly lastArrivalMs: number } | undefined {
    return this.#recent.get(id);
  }

  #isNew(id: string, tMs: number, nowMs: number): boolean {
    let recent = this.#recent.get(id);
    if (recent === undefined) {
      if (this.#recent.size >= liveSubjectsMax) {
        const oldest = this.#recent.keys().next().value;
        if (oldest !== undefined) this.#recent.delete(oldest);
      }
      recent = { lastReadingMs: tMs, lastArrivalMs: nowMs, times: new Set() };
      this.#recent.set(id, recent);
    }
    if (recent.times.has(tMs)) return false;
    recent.times.add(tMs);
    if (recent.times.size > recentMax) {
      const oldest = recent.times.values().next().value;
      if (oldest !== undefined) recent.times.delete(oldest);
    }
    recent.lastReadingMs = Math.max(recent.lastReadingMs, tMs);
    recent.lastArrivalMs = nowMs;
    return true;
  }
}
