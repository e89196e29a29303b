import { stepAlert } from '../alerts/engine.ts';
import type { AlertPolicy } from '../alerts/policy.ts';
import { initialAlertState } from '../alerts/state.ts';
import { windowSeconds } from '../readings/reading.ts';
import type { RhythmChange } from '../recordings/recording.ts';
import { fibrillationEpisodes, fibrillationRhythms, type RhythmSpan, rhythmSpans } from '../recordings/rhythm.ts';

/** One recording's scores in order of time. */
export interface ScoredRecording {
  readonly durationSeconds: number;
  readonly startSeconds: ArrayLike<number>;
  /** Null where the window was not usable. */
  readonly scores: readonly (number | null)[];
  readonly rhythms: readonly RhythmChange[];
}

/** What a policy does on one recording. */
export interface AlertFigures {
  readonly alertCount: number;
  /** Raised although no fibrillation lay between the episode's start as the engine saw it and the raise. */
  readonly falseAlertCount: number;
  /** Labelled time without fibrillation. */
  readonly regularSeconds: number;
  /** Episodes of at least {@link episodeSecondsMin}, those during which an alert was raised or already open, and their delays. */
  readonly episodeCount: number;
  readonly foundCount: number;
  /** From an episode's onset to the end of the window that tipped the alert, seconds; only alerts raised within it. */
  readonly delaySeconds: readonly number[];
}

/** Shorter episodes are not counted as found or missed. */
export const episodeSecondsMin = 300;

interface AlertSpan {
  readonly episodeStartSeconds: number;
  readonly raisedSeconds: number;
  readonly resolvedSeconds: number;
}

/** Plays the scores through the alert engine and compares with the labels. */
export function alertFigures(recording: ScoredRecording, policy: AlertPolicy): AlertFigures {
  const alerts = alertSpans(recording, policy);
  const spans = rhythmSpans(recording.rhythms, recording.durationSeconds);
  const irregular = spans.filter(({ rhythm }) => fibrillationRhythms.has(rhythm));
  const episodes = fibrillationEpisodes(recording.rhythms, recording.durationSeconds, episodeSecondsMin);
  const falseAlerts = alerts.filter(
    ({ episodeStartSeconds, raisedSeconds }) =>
      !irregular.some((span) => overlaps(span, episodeStartSeconds, raisedSeconds + windowSeconds)),
  );
  const found = episodes.filter(({ fromSeconds, untilSeconds }) =>
    alerts.some(({ raisedSeconds, resolvedSeconds }) => raisedSeconds < untilSeconds && resolvedSeconds > fromSeconds),
  );
  return {
    alertCount: alerts.length,
    falseAlertCount: recording.rhythms.length === 0 ? 0 : falseAlerts.length,
    regularSeconds: spans.reduce((sum, span) => sum + (irregular.includes(span) ? 0 : lengthOf(span)), 0),
    episodeCount: episodes.length,
    foundCount: found.length,
    delaySeconds: found.flatMap((episode) => delayOf(episode, alerts)),
  };
}

/** The alerts the engine raises on these scores, those still open ending with the recording. */
function alertSpans(recording: ScoredRecording, policy: AlertPolicy): readonly AlertSpan[] {
  const alerts: AlertSpan[] = [];
  let state = initialAlertState;
  for (const [index, score] of recording.scores.entries()) {
    const startSeconds = recording.startSeconds[index] as number; // one per score
    const step = stepAlert(state, { startSeconds, score }, policy, { subjectId: 'recording' });
    state = step.state;
    for (const event of step.events) {
      if (event.type === 'raised') {
        const { episodeStartSeconds, atSeconds } = event;
        alerts.push({ episodeStartSeconds, raisedSeconds: atSeconds, resolvedSeconds: recording.durationSeconds });
      } else if (event.type === 'resolved') {
        const last = alerts.pop();
        if (last !== undefined) alerts.push({ ...last, resolvedSeconds: event.atSeconds });
      }
    }
  }
  return alerts;
}

function delayOf(episode: RhythmSpan, alerts: readonly AlertSpan[]): readonly number[] {
  const { fromSeconds, untilSeconds } = episode;
  const isOpen = alerts.some((each) => each.raisedSeconds < fromSeconds && each.resolvedSeconds > fromSeconds);
  const raised = alerts.find((each) => each.raisedSeconds >= fromSeconds && each.raisedSeconds < untilSeconds);
  return isOpen || raised === undefined ? [] : [raised.raisedSeconds + windowSeconds - fromSeconds];
}

function overlaps(span: RhythmSpan, fromSeconds: number, untilSeconds: number): boolean {
  return span.fromSeconds < untilSeconds && span.untilSeconds > fromSeconds;
}

function lengthOf(span: RhythmSpan): number {
  return span.untilSeconds - span.fromSeconds;
}
