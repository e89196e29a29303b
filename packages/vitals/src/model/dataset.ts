import { type Reading, type UserId, windowSeconds, windowStartSeconds } from '../readings/reading.ts';
import type { Recording, RhythmChange } from '../recordings/recording.ts';
import { fibrillationRhythms, rhythmSpans } from '../recordings/rhythm.ts';
import { durationSeconds, seriesOf, toReadings } from '../recordings/series.ts';
import { makeWindow } from '../windows/make-window.ts';
import type { InputKind, Window } from '../windows/window.ts';
import { featureCount, featuresOf } from './features.ts';
import { signalOf } from './signal.ts';

/** A recording as the model sees it: one row for each ten seconds in which the device said anything. */
export interface RecordedWindows {
  readonly name: string;
  readonly input: InputKind;
  readonly durationSeconds: number;
  /** Seconds since the recording's start. */
  readonly startSeconds: Int32Array;
  /** {@link featureCount} per window, row after row. */
  readonly features: Float64Array;
  /** 1 where the window's quality allows a score. */
  readonly usable: Uint8Array;
  /** 1 fibrillation or flutter in more than half of the window, 0 not, −1 where half of it has no label. */
  readonly labels: Int8Array;
  readonly rhythms: readonly RhythmChange[];
}

/** The wearer's name is of no consequence: windows of one recording are never mixed with another's. */
const wearer = { userId: 'recording' as UserId, startMs: 0 };

/** The windows a node would make of this recording worn by a device of this kind. */
export function windowsOf(recording: Recording, input: InputKind): readonly Window[] {
  const windows: Window[] = [];
  let pending: Reading[] = [];
  const close = () => {
    const first = pending[0];
    // The kind is the one that was asked for, even where a quiet stretch would pass for another.
    if (first !== undefined) windows.push({ ...makeWindow(windowStartSeconds(first.tMs), pending), input });
    pending = [];
  };
  for (const reading of toReadings(seriesOf(recording, input), wearer)) {
    const open = pending[0];
    if (open !== undefined && windowStartSeconds(open.tMs) !== windowStartSeconds(reading.tMs)) close();
    pending.push(reading);
  }
  close();
  return windows;
}

/** Windows, features and labels of a recording. */
export function recordedWindows(recording: Recording, input: InputKind): RecordedWindows {
  const windows = windowsOf(recording, input);
  const rhythms = recording.type === 'beats' ? recording.rhythms : [];
  const length = durationSeconds(recording);
  const features = new Float64Array(windows.length * featureCount);
  for (const [index, window] of windows.entries()) features.set(featuresOf(signalOf(window)), index * featureCount);
  const startSeconds = Int32Array.from(windows, (window) => window.startSeconds);
  return {
    name: recording.name,
    input,
    durationSeconds: length,
    startSeconds,
    features,
    usable: Uint8Array.from(windows, ({ quality }) => Number(quality.isUsable)),
    labels: labelsOf(startSeconds, rhythms, length),
    rhythms,
  };
}

function labelsOf(startSeconds: Int32Array, rhythms: readonly RhythmChange[], length: number): Int8Array {
  const spans = rhythmSpans(rhythms, length);
  let first = 0;
  return Int8Array.from(startSeconds, (start) => {
    while (first < spans.length && (spans[first]?.untilSeconds ?? 0) <= start) first += 1;
    let known = 0;
    let irregular = 0;
    for (let index = first; index < spans.length; index += 1) {
      const span = spans[index];
      if (span === undefined || span.fromSeconds >= start + windowSeconds) break;
      const shared = Math.min(span.untilSeconds, start + windowSeconds) - Math.max(span.fromSeconds, start);
      known += shared;
      if (fibrillationRhythms.has(span.rhythm)) irregular += shared;
    }
    if (known <= windowSeconds / 2) return -1;
    return irregular > windowSeconds / 2 ? 1 : 0;
  });
}
