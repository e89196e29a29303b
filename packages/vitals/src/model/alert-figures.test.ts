import { describe, expect, it } from 'vitest';
import type { AlertPolicy } from '../alerts/policy.ts';
import { alertFigures } from './alert-figures.ts';

const policy: AlertPolicy = {
  spanSeconds: 60,
  enterMean: 0.8,
  leaveMean: 0.4,
  coverageMin: 0.5,
  muteSeconds: 300,
  silenceSeconds: 1800,
};

/** An hour of windows, irregular to the engine in the given stretches (seconds). */
function scored(stretches: readonly (readonly [number, number])[], episodes: readonly (readonly [number, number])[]) {
  const startSeconds = Array.from({ length: 360 }, (_, index) => index * 10);
  return {
    durationSeconds: 3600,
    startSeconds,
    scores: startSeconds.map((start) => (stretches.some(([from, until]) => start >= from && start < until) ? 1 : 0)),
    rhythms: [
      { atSeconds: 0, rhythm: 'N' },
      ...episodes.flatMap(([from, until]) => [
        { atSeconds: from, rhythm: 'AFIB' },
        { atSeconds: until, rhythm: 'N' },
      ]),
    ],
  };
}

describe('the figures of a policy', () => {
  it('count an alert in an episode as found, with its delay from the onset', () => {
    const figures = alertFigures(scored([[1000, 1600]], [[1000, 1600]]), policy);
    expect(figures).toEqual({
      alertCount: 1,
      falseAlertCount: 0,
      regularSeconds: 3000,
      episodeCount: 1,
      foundCount: 1,
      delaySeconds: [50],
    });
  });

  it('count an alert away from every episode as false, and an episode without one as missed', () => {
    const figures = alertFigures(scored([[1000, 1600]], [[2500, 3000]]), policy);
    expect(figures).toMatchObject({
      alertCount: 1,
      falseAlertCount: 1,
      episodeCount: 1,
      foundCount: 0,
      delaySeconds: [],
    });
  });

  it('count an episode that begins under an open alert as found, without a delay', () => {
    const figures = alertFigures(
      scored(
        [[1000, 2500]],
        [
          [1000, 1400],
          [1500, 2500],
        ],
      ),
      policy,
    );
    expect(figures).toMatchObject({ alertCount: 1, episodeCount: 2, foundCount: 2, delaySeconds: [50] });
  });

  it('call nothing false where nothing is labelled', () => {
    const figures = alertFigures({ ...scored([[1000, 1600]], []), rhythms: [] }, policy);
    expect(figures).toMatchObject({ alertCount: 1, falseAlertCount: 0, regularSeconds: 0, episodeCount: 0 });
  });
});
