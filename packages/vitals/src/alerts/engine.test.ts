import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AlertEvent } from './alert.ts';
import { alertIdOf } from './alert-id.ts';
import { type ScoredWindow, stepAlert } from './engine.ts';
import { type AlertPolicy, alertSpanSecondsMax, defaultAlertPolicy } from './policy.ts';
import { type AlertState, AlertStateError, initialAlertState, parseAlertState, recentWindowsMax } from './state.ts';

const policy: AlertPolicy = {
  spanSeconds: 60,
  enterMean: 0.8,
  leaveMean: 0.4,
  coverageMin: 0.5,
  muteSeconds: 300,
  silenceSeconds: 600,
};
const subjectId = '00112233445566778899aabbccddeeff';

function run(windows: Iterable<ScoredWindow>, from: AlertState = initialAlertState, by: AlertPolicy = policy) {
  let state = from;
  const events: AlertEvent[] = [];
  for (const window of windows) {
    const step = stepAlert(state, window, by, { subjectId });
    state = step.state;
    events.push(...step.events);
  }
  return { state, events };
}

/** One window every ten seconds from `startSeconds`. */
function windowsOf(scores: readonly (number | null)[], startSeconds = 1000): readonly ScoredWindow[] {
  return scores.map((score, index) => ({ startSeconds: startSeconds + index * 10, score }));
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

describe('the alert engine', () => {
  it('raises one alert for many irregular windows, from where they began, and resolves it once', () => {
    const { events, state } = run(windowsOf([...times(10, 0.05), ...times(30, 0.98), ...times(20, 0.02)]));
    const alertId = alertIdOf(subjectId, 'irregular-rhythm', 1100);
    expect(events).toEqual([
      { type: 'raised', alertId, kind: 'irregular-rhythm', episodeStartSeconds: 1100, atSeconds: 1140 },
      { type: 'resolved', alertId, kind: 'irregular-rhythm', atSeconds: 1430 },
    ]);
    expect(state.open).toBeNull();
  });

  it('says nothing while too little of the span is known', () => {
    expect(run(windowsOf([0.99, 0.99])).events).toEqual([]);
    expect(run(windowsOf([0.99, null, null, 0.99, null, null, 0.99, null, null])).events).toEqual([]);
  });

  it('keeps an alert open through a short gap, and invents nothing for it', () => {
    const first = run(windowsOf(times(6, 0.95)));
    const { events, state } = run(windowsOf(times(3, 0.02), 1000 + 60 + 300), first.state);
    expect(events.map(({ type }) => type)).toEqual(['resolved']);
    expect(state.recent).toEqual([-1, -1, -1, 200, 200, 200]);
    const still = run(windowsOf(times(10, null), 1060), first.state);
    expect(still.events).toEqual([]);
    expect(still.state.open).not.toBeNull();
  });

  it('resolves after a long silence, as of the last thing known', () => {
    const first = run(windowsOf(times(6, 0.95)));
    const { events } = run(windowsOf(times(61, null), 1060), first.state);
    expect(events).toMatchObject([{ type: 'resolved', atSeconds: 1060 }]);
    const jumped = run([{ startSeconds: 9000, score: 0.95 }], first.state);
    expect(jumped.events).toMatchObject([{ type: 'resolved', atSeconds: 1060 }]);
    expect(jumped.state.recent).toEqual([-1, -1, -1, -1, -1, 9500]);
  });

  it('raises nothing while muted and raises when the mute is over', () => {
    const scores = [...times(6, 0.95), ...times(8, 0), ...times(60, 0.95)];
    const { events } = run(windowsOf(scores));
    expect(events.map(({ type }) => type)).toEqual(['raised', 'resolved', 'raised']);
    const [, resolved, raised] = events as { atSeconds: number }[];
    expect(raised?.atSeconds).toBe((resolved?.atSeconds ?? 0) + policy.muteSeconds);
  });

  it('changes nothing for a window that is not newer than the last', () => {
    const { state } = run(windowsOf(times(6, 0.95)));
    for (const startSeconds of [1050, 1000, 0]) {
      expect(stepAlert(state, { startSeconds, score: 0 }, policy, { subjectId })).toEqual({ state, events: [] });
    }
  });

  it('takes a policy out of bounds, a score out of range or a crooked start for a bug', () => {
    const step = (window: ScoredWindow, by: Partial<AlertPolicy> = {}) =>
      stepAlert(initialAlertState, window, { ...policy, ...by }, { subjectId });
    expect(() => step({ startSeconds: 5, score: 0 })).toThrow('multiple of 10');
    expect(() => step({ startSeconds: 0, score: 1.1 })).toThrow('score');
    expect(() => step({ startSeconds: 0, score: 0 }, { spanSeconds: alertSpanSecondsMax + 10 })).toThrow('span');
    expect(() => step({ startSeconds: 0, score: 0 }, { leaveMean: 0.9 })).toThrow('leaves');
  });

  it('has shipped policies it can run', () => {
    for (const shipped of Object.values(defaultAlertPolicy)) {
      const { events } = run(windowsOf(times(60, 1)), initialAlertState, shipped);
      expect(events.map(({ type }) => type)).toEqual(['raised']);
    }
  });
});

/** Scores in stretches, so that episodes begin and end; now and then a gap or an unusable window. */
const histories = fc
  .array(
    fc.record({
      score: fc.constantFrom<number | null>(0, 0.3, 0.6, 0.95, 1, null),
      count: fc.integer({ min: 1, max: 20 }),
      gap: fc.constantFrom(0, 0, 0, 10, 60, 900),
    }),
    { maxLength: 30 },
  )
  .map((stretches) => {
    const windows: ScoredWindow[] = [];
    let startSeconds = 0;
    for (const { score, count, gap } of stretches) {
      startSeconds += gap;
      for (let index = 0; index < count; index += 1) {
        windows.push({ startSeconds, score });
        startSeconds += 10;
      }
    }
    return windows;
  });

describe('whatever the scores, the alert engine', () => {
  it('opens at most one alert at a time, resolves the one that is open, and keeps the mute', () => {
    fc.assert(
      fc.property(histories, (windows) => {
        let open: string | null = null;
        let quietUntil = Number.NEGATIVE_INFINITY;
        const seen = new Set<string>();
        for (const event of run(windows).events) {
          if (event.type === 'raised') {
            expect(open).toBeNull();
            expect(event.atSeconds).toBeGreaterThanOrEqual(quietUntil);
            expect(event.episodeStartSeconds).toBeLessThanOrEqual(event.atSeconds);
            expect(seen.has(event.alertId)).toBe(false);
            seen.add(event.alertId);
            open = event.alertId;
            quietUntil = event.atSeconds + policy.muteSeconds;
          } else if (event.type === 'resolved') {
            expect(event.alertId).toBe(open);
            open = null;
            quietUntil = event.atSeconds + policy.muteSeconds;
          }
        }
      }),
    );
  });

  it('goes on from a stored state as if it had never stopped', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (windows, cut) => {
        const at = windows.length === 0 ? 0 : cut % windows.length;
        const before = run(windows.slice(0, at));
        const stored = parseAlertState(decodeCbor(encodeCbor(before.state)));
        const after = run(windows.slice(at), stored);
        const whole = run(windows);
        expect(after.state).toEqual(whole.state);
        expect([...before.events, ...after.events]).toEqual(whole.events);
      }),
    );
  });

  it('keeps its state within bounds', () => {
    fc.assert(
      fc.property(histories, (windows) => {
        const { state } = run(windows, initialAlertState, { ...policy, spanSeconds: alertSpanSecondsMax });
        expect(state.recent.length).toBeLessThanOrEqual(recentWindowsMax);
        expect(encodeCbor(state).length).toBeLessThan(512);
      }),
    );
  });
});

describe('a stored alert state', () => {
  it('is refused when a field is wrong, and the field is named', () => {
    const good = run(windowsOf(times(6, 0.95))).state;
    expect(parseAlertState(good)).toEqual(good);
    const wrong: [unknown, string][] = [
      [null, 'type'],
      [{ ...good, lastStartSeconds: 'x' }, 'lastStartSeconds'],
      [{ ...good, recent: times(recentWindowsMax + 1, 0) }, 'recent'],
      [{ ...good, recent: [10_001] }, 'recent'],
      [{ ...good, lastStartSeconds: null }, 'recent'],
      [{ ...good, open: { alertId: 'x', episodeStartSeconds: 0 } }, 'open.alertId'],
      [{ ...good, mutedUntilSeconds: 0.5 }, 'mutedUntilSeconds'],
    ];
    for (const [value, field] of wrong) {
      expect(() => parseAlertState(value)).toThrow(AlertStateError);
      expect(() => parseAlertState(value)).toThrow(field);
    }
  });
});
