import type { InputKind } from '../windows/window.ts';

/**
 * When irregular windows become an alert. All times are recording time, in seconds and multiples of ten.
 * The mean is taken over the windows of the last `spanSeconds` that have a score.
 */
export interface AlertPolicy {
  /** 10 … {@link alertSpanSecondsMax}. */
  readonly spanSeconds: number;
  /** An alert is raised when the mean score reaches this; above `leaveMean`, at most 1. */
  readonly enterMean: number;
  /** An open alert is resolved when the mean score falls to this. */
  readonly leaveMean: number;
  /** Share of the span's windows that must have a score before anything is decided, 0 < share ≤ 1. */
  readonly coverageMin: number;
  /** After a raise and after a resolve, how long no further alert is raised. */
  readonly muteSeconds: number;
  /** An open alert about which nothing was heard for this long is resolved as of its last scored window. */
  readonly silenceSeconds: number;
}

/** Longest span: it bounds the state, which is stored with every prediction. */
export const alertSpanSecondsMax = 600;

const common = { spanSeconds: 180, leaveMean: 0.4, coverageMin: 0.6, muteSeconds: 900, silenceSeconds: 1800 } as const;

/**
 * The policy the product ships with. Chosen on scores of models that had not seen the patient (five folds by patient over 43
 * records, 174 hours without fibrillation, 51 episodes of 5 minutes and more; `models/MODEL-CARD.md` has the current
 * figures): three minutes at these means give 0.3 (rr) to 0.6 (hr) false alerts per patient-day, find 48 or 49 of
 * the 51 episodes, and do so 2.5 to 3 minutes after the onset (median). One minute would be 100 seconds faster, at three to
 * eight times as many false alerts; five minutes would be 90 seconds slower and save one false alert a week.
 */
export const defaultAlertPolicy: Readonly<Record<InputKind, AlertPolicy>> = {
  rr: { ...common, enterMean: 0.8 },
  hr: { ...common, enterMean: 0.8 },
  wrist: { ...common, enterMean: 0.85 },
};
