import { assert } from '@pulsemesh/base';
import { countSubtreeKeys, type SubtreeSpan, subtreeLimits } from '@pulsemesh/crypto';
import { type RecordKind, recordKinds } from '@pulsemesh/store';
import type { VitalKind } from '../market/messages.ts';

/** What is released: these vitals, recorded in this interval. */
export interface ReleaseSpan {
  readonly vitals: readonly VitalKind[];
  /** Seconds since 1970, whole hours. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

/** The kind of record that holds each vital. */
export const kindOfVital: Readonly<Record<VitalKind, RecordKind>> = {
  readings: recordKinds.reading,
  windows: recordKinds.window,
  predictions: recordKinds.prediction,
  alerts: recordKinds.alert,
};

const secondsPerHour = 3600;

/** The part of a key tree that opens a span; kinds in ascending order. */
export function subtreeSpanOf({ vitals, fromSeconds, untilSeconds }: ReleaseSpan): SubtreeSpan {
  assert(fromSeconds % secondsPerHour === 0 && untilSeconds % secondsPerHour === 0, 'a span has whole hours');
  return {
    kinds: vitals.map((vital) => kindOfVital[vital]).sort((a, b) => a - b),
    fromHour: fromSeconds / secondsPerHour,
    untilHour: untilSeconds / secondsPerHour,
  };
}

/** Whether one envelope holds the keys of all that: ten years of two vitals, five of four, whole hours. What is asked for has to. */
export function isReleasable(span: ReleaseSpan): boolean {
  const areHours = span.fromSeconds % secondsPerHour === 0 && span.untilSeconds % secondsPerHour === 0;
  return areHours && countSubtreeKeys(subtreeSpanOf(span)) <= subtreeLimits.keysMax;
}
