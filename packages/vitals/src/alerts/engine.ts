import { assert } from '@pulsemesh/base';
import { windowSeconds } from '../readings/reading.ts';
import type { AlertEvent, AlertKind } from './alert.ts';
import { alertIdOf } from './alert-id.ts';
import { type AlertPolicy, alertSpanSecondsMax } from './policy.ts';
import type { AlertState } from './state.ts';

/** One window as the engine sees it. */
export interface ScoredWindow {
  /** Whole seconds since 1970, a multiple of ten. */
  readonly startSeconds: number;
  /** 0 … 1, null when the window was not usable. */
  readonly score: number | null;
}

export interface AlertStep {
  readonly state: AlertState;
  /** What happened, in order: at most one `resolved` and one `raised`. */
  readonly events: readonly AlertEvent[];
}

const kind: AlertKind = 'irregular-rhythm';
const scoreScale = 10_000;
const noScore = -1;
/** Halfway between regular and irregular: where a window speaks for neither. */
const neutralScore = scoreScale / 2;

/**
 * Folds one window into a patient's state and says what it changes: consecutive irregular windows make an
 * episode, and an episode makes one alert. Pure and deterministic, so that any peer goes on from a stored state.
 *
 * - Windows come in the order of their start. One that is not newer than the last changes nothing; whoever
 *   recomputes an older window starts again from the state stored before it.
 * - A window without a score, and one that never came, count as unknown: they are left out of the mean, and
 *   when too few of the span are known nothing is decided: an open alert stays open, none is raised.
 * - After `silenceSeconds` without any score an open alert is resolved as of the end of the last scored
 *   window, and nothing older counts any more.
 *
 * Raises and resolves keep `leaveMean` < `enterMean` apart (hysteresis) and are followed by a mute
 * (spec: enter, leave, mute; the shipped figures are in `policy.ts`).
 */
export function stepAlert(
  state: AlertState,
  window: ScoredWindow,
  policy: AlertPolicy,
  options: { readonly subjectId: string },
): AlertStep {
  assertStep(window, policy);
  if (state.lastStartSeconds !== null && window.startSeconds <= state.lastStartSeconds) return { state, events: [] };
  const events: AlertEvent[] = [];
  let next = afterSilence(state, window.startSeconds, policy, events);
  next = withWindow(next, window, policy);
  const mean = meanScore(next.recent, policy);
  if (mean !== null && window.score !== null) next = decide(next, mean, policy, options.subjectId, events);
  return { state: next, events };
}

function decide(
  state: AlertState,
  mean: number,
  policy: AlertPolicy,
  subjectId: string,
  events: AlertEvent[],
): AlertState {
  const atSeconds = state.lastStartSeconds as number; // withWindow has just set it
  const mutedUntilSeconds = atSeconds + policy.muteSeconds;
  if (state.open !== null) {
    if (mean > policy.leaveMean) return state;
    events.push({ type: 'resolved', alertId: state.open.alertId, kind, atSeconds });
    return { ...state, open: null, mutedUntilSeconds };
  }
  if (mean < policy.enterMean) return state;
  if (state.mutedUntilSeconds !== null && atSeconds < state.mutedUntilSeconds) return state;
  const episodeStartSeconds = episodeStart(state.recent, atSeconds);
  const alertId = alertIdOf(subjectId, kind, episodeStartSeconds);
  events.push({ type: 'raised', alertId, kind, episodeStartSeconds, atSeconds });
  return { ...state, open: { alertId, episodeStartSeconds }, mutedUntilSeconds };
}

/** Resolves what was open, and forgets what was recent, when nothing was known for too long. */
function afterSilence(state: AlertState, startSeconds: number, policy: AlertPolicy, events: AlertEvent[]): AlertState {
  if (state.lastScoredSeconds === null) return state;
  const knownUntilSeconds = state.lastScoredSeconds + windowSeconds;
  if (startSeconds - knownUntilSeconds < policy.silenceSeconds) return state;
  const forgotten = { ...state, lastScoredSeconds: null, recent: state.recent.map(() => noScore) };
  if (state.open === null) return forgotten;
  events.push({ type: 'resolved', alertId: state.open.alertId, kind, atSeconds: knownUntilSeconds });
  return { ...forgotten, open: null, mutedUntilSeconds: knownUntilSeconds + policy.muteSeconds };
}

/** The state with the window appended, those that never came filled in as unknown, and the span cut to length. */
function withWindow(state: AlertState, window: ScoredWindow, policy: AlertPolicy): AlertState {
  const spanWindows = policy.spanSeconds / windowSeconds;
  const steps = state.lastStartSeconds === null ? 1 : (window.startSeconds - state.lastStartSeconds) / windowSeconds;
  const missed = new Array<number>(Math.min(steps - 1, spanWindows)).fill(noScore);
  const score = window.score === null ? noScore : Math.round(window.score * scoreScale);
  return {
    ...state,
    lastStartSeconds: window.startSeconds,
    lastScoredSeconds: window.score === null ? state.lastScoredSeconds : window.startSeconds,
    recent: [...state.recent, ...missed, score].slice(-spanWindows),
  };
}

/** The mean of the known scores, 0 … 1, or null when too few of the span are known. */
function meanScore(recent: readonly number[], policy: AlertPolicy): number | null {
  const known = recent.filter((score) => score !== noScore);
  if (known.length < Math.ceil((policy.coverageMin * policy.spanSeconds) / windowSeconds - 1e-9)) return null;
  return known.reduce((sum, score) => sum + score, 0) / known.length / scoreScale;
}

/**
 * Where the irregular stretch that ends now began: the start of the suffix with the greatest sum of
 * (score − ½), the change point of a cumulative-sum test (Page 1954). Unknown windows weigh nothing.
 */
function episodeStart(recent: readonly number[], lastStartSeconds: number): number {
  let sum = 0;
  let bestSum = Number.NEGATIVE_INFINITY;
  let bestIndex = recent.length - 1;
  for (let index = recent.length - 1; index >= 0; index -= 1) {
    const score = recent[index] as number; // index is within the array
    if (score === noScore) continue;
    sum += score - neutralScore;
    if (sum > bestSum) [bestSum, bestIndex] = [sum, index];
  }
  return lastStartSeconds - (recent.length - 1 - bestIndex) * windowSeconds;
}

function assertStep(window: ScoredWindow, policy: AlertPolicy): void {
  const { startSeconds, score } = window;
  assert(
    Number.isSafeInteger(startSeconds) && startSeconds % windowSeconds === 0,
    'a window starts at a multiple of 10 s',
  );
  assert(score === null || (score >= 0 && score <= 1), 'a score is 0 … 1');
  const { spanSeconds, enterMean, leaveMean, coverageMin, muteSeconds, silenceSeconds } = policy;
  const isSpanGood = spanSeconds > 0 && spanSeconds % windowSeconds === 0 && spanSeconds <= alertSpanSecondsMax;
  assert(isSpanGood, `an alert policy's span is a multiple of 10 s up to ${alertSpanSecondsMax} s`);
  assert(leaveMean < enterMean && enterMean <= 1, 'an alert policy leaves below where it enters');
  assert(coverageMin > 0 && coverageMin <= 1, 'an alert policy covers 0 … 1 of its span');
  assert(muteSeconds >= 0 && silenceSeconds > 0, 'an alert policy has no negative times');
}
