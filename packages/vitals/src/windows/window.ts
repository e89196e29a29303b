import type { Reading } from '../readings/reading.ts';

/** What the rhythm model gets to see: beat-to-beat intervals, an ideal 1 Hz rate, or a smoothed, rounded wrist rate. */
export type InputKind = 'rr' | 'hr' | 'wrist';

/**
 * Ten seconds of one patient: a pure function of the set of readings that lie in them. Computing it twice
 * is harmless; a superset of readings gives a higher revision.
 */
export interface Window {
  readonly startSeconds: number;
  /** Ordered by time, then key. */
  readonly readings: readonly Reading[];
  readonly input: InputKind;
  readonly quality: WindowQuality;
}

export interface WindowQuality {
  /** Whole seconds of the ten without any reading. */
  readonly missingSeconds: number;
  /** Readings whose values cannot be a heart's (rate outside 20–300, interval outside 200–3,000 ms). */
  readonly implausibleCount: number;
  /** False when too little is known to judge the rhythm; such a window gets no score. */
  readonly isUsable: boolean;
}

/** The model's word on a window. */
export interface Prediction {
  readonly startSeconds: number;
  /** 0 … 1, or null when the window was not usable. Screening, not diagnosis. */
  readonly score: number | null;
  readonly input: InputKind;
  /** Content id of the model file that gave it, 16 hex characters. */
  readonly modelId: string;
}
