import { type Recording, type SeriesPoint, seriesOf } from '@pulsemesh/vitals/recordings';

/** One reading of a device that never comes to its recording's end. */
export interface LapPoint extends SeriesPoint {
  /** Seconds since the device's very first, laps included. */
  readonly position: number;
}

/**
 * Plays a stretch of a recording again and again, time going on over the laps: from `entrySecond` for `lapSeconds`,
 * beginning at `fromPosition` seconds of the whole.
 */
export function* playLaps(
  recording: Recording,
  lap: { readonly entrySecond: number; readonly lapSeconds: number },
  fromPosition: number,
): Generator<LapPoint, void, undefined> {
  const { entrySecond } = lap;
  const lapSeconds = Math.max(1, Math.floor(lap.lapSeconds));
  for (let start = Math.floor(fromPosition / lapSeconds) * lapSeconds; ; start += lapSeconds) {
    let isSilent = true;
    const untilSecond = entrySecond + lapSeconds;
    for (const point of seriesOf(recording, 'rr', { fromSecond: entrySecond, untilSecond })) {
      isSilent = false;
      const position = start + point.second - entrySecond;
      if (position >= fromPosition) yield { ...point, position };
    }
    if (isSilent) return; // a stretch without a beat would be played for ever without a word
  }
}
