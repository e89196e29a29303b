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

/** The policy the product ships with. */
export const defaultAlertPolicy: Readonly<Record<InputKind, AlertPolicy>> = {
  rr: { spanSeconds: 180, enterMean: 0.8, leaveMean: 0.4, coverageMin: 0.6, muteSeconds: 900, silenceSeconds: 1800 },
  hr: { spanSeconds: 240, enterMean: 0.8, leaveMean: 0.4, coverageMin: 0.6, muteSeconds: 900, silenceSeconds: 1800 },
  wrist: { spanSeconds: 240, enterMean: 0.8, leaveMean: 0.4, coverageMin: 0.6, muteSeconds: 900, silenceSeconds: 1800 },
};
