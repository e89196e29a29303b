import type { AlertPolicy } from '../alerts/policy.ts';
import { alertFigures } from './alert-figures.ts';
import type { RecordedWindows } from './dataset.ts';
import { areaUnderCurve, sensitivityAt } from './scoring.ts';

/** How well scores tell irregular windows from others; null where a label does not occur. */
export interface WindowFigures {
  readonly scoredCount: number;
  readonly unusableCount: number;
  /** Scored windows without a label: in no figure but this. */
  readonly unlabelledCount: number;
  readonly irregularCount: number;
  readonly areaUnderCurve: number | null;
  readonly sensitivityAt95: number | null;
  readonly sensitivityAt99: number | null;
}

/** What the alert policy makes of the scores. */
export interface AlertSummary {
  readonly alertCount: number;
  readonly falseAlertCount: number;
  /** False alerts by labelled days without fibrillation; null where there is no such time. */
  readonly falseAlertsPerPatientDay: number | null;
  readonly regularHours: number;
  /** Of at least five minutes. */
  readonly episodeCount: number;
  readonly episodeFoundCount: number;
  readonly medianDelaySeconds: number | null;
}

export interface RecordFigures {
  readonly name: string;
  readonly durationHours: number;
  readonly isLabelled: boolean;
  readonly windows: WindowFigures;
  readonly alerts: AlertSummary;
}

export interface PooledFigures {
  readonly recordCount: number;
  readonly durationHours: number;
  readonly windows: WindowFigures;
  readonly alerts: AlertSummary;
}

/** A recording with the score of each of its windows (those that are not usable are left out by the figures). */
export interface ScoredWindows {
  readonly recorded: RecordedWindows;
  readonly scores: ArrayLike<number>;
}

const secondsPerDay = 86_400;

/** The figures of each recording and of all together. */
export function figuresOf(
  scored: readonly ScoredWindows[],
  policy: AlertPolicy,
): { readonly records: readonly RecordFigures[]; readonly pooled: PooledFigures } {
  const records = scored.map(
    (each): RecordFigures => ({
      name: each.recorded.name,
      durationHours: hours(each.recorded.durationSeconds),
      isLabelled: each.recorded.rhythms.length > 0,
      windows: windowFigures([each]),
      alerts: alertSummary([each], policy),
    }),
  );
  const pooled: PooledFigures = {
    recordCount: scored.length,
    durationHours: hours(scored.reduce((sum, { recorded }) => sum + recorded.durationSeconds, 0)),
    windows: windowFigures(scored),
    alerts: alertSummary(scored, policy),
  };
  return { records, pooled };
}

function windowFigures(scored: readonly ScoredWindows[]): WindowFigures {
  const scores: number[] = [];
  const labels: number[] = [];
  let unusableCount = 0;
  let unlabelledCount = 0;
  for (const each of scored) {
    for (const [index, label] of each.recorded.labels.entries()) {
      if (each.recorded.usable[index] !== 1) unusableCount += 1;
      else if (label === -1) unlabelledCount += 1;
      else {
        scores.push(each.scores[index] as number); // one score per window
        labels.push(label);
      }
    }
  }
  return {
    scoredCount: scores.length + unlabelledCount,
    unusableCount,
    unlabelledCount,
    irregularCount: labels.filter((label) => label === 1).length,
    areaUnderCurve: rounded(areaUnderCurve(scores, labels)),
    sensitivityAt95: rounded(sensitivityAt(0.95, scores, labels)),
    sensitivityAt99: rounded(sensitivityAt(0.99, scores, labels)),
  };
}

function alertSummary(scored: readonly ScoredWindows[], policy: AlertPolicy): AlertSummary {
  const figures = scored.map(({ recorded, scores }) =>
    alertFigures(
      {
        durationSeconds: recorded.durationSeconds,
        startSeconds: recorded.startSeconds,
        scores: Array.from(scores, (score, index) => (recorded.usable[index] === 1 ? score : null)),
        rhythms: recorded.rhythms,
      },
      policy,
    ),
  );
  const sum = (pick: (each: (typeof figures)[number]) => number) =>
    figures.reduce((total, each) => total + pick(each), 0);
  const regularSeconds = sum((each) => each.regularSeconds);
  const falseAlertCount = sum((each) => each.falseAlertCount);
  const delays = figures.flatMap((each) => each.delaySeconds).sort((one, other) => one - other);
  return {
    alertCount: sum((each) => each.alertCount),
    falseAlertCount,
    falseAlertsPerPatientDay: regularSeconds === 0 ? null : rounded((falseAlertCount / regularSeconds) * secondsPerDay),
    regularHours: hours(regularSeconds),
    episodeCount: sum((each) => each.episodeCount),
    episodeFoundCount: sum((each) => each.foundCount),
    medianDelaySeconds: delays.length === 0 ? null : Math.round(delays[delays.length >> 1] as number), // not empty
  };
}

function hours(seconds: number): number {
  return Math.round(seconds / 36) / 100;
}

function rounded<T extends number | null>(value: T): T | number {
  return value === null ? value : Math.round(value * 10_000) / 10_000;
}
