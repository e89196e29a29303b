import type { RhythmChange } from './recording.ts';

/** Rhythms that count as atrial fibrillation: fibrillation and flutter. */
export const fibrillationRhythms: ReadonlySet<string> = new Set(['AFIB', 'AFL']);

/** A stretch of one rhythm, seconds since the recording's start. */
export interface RhythmSpan {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly rhythm: string;
}

/** The changes as stretches, the last one ending at `endSeconds`. */
export function rhythmSpans(rhythms: readonly RhythmChange[], endSeconds: number): readonly RhythmSpan[] {
  return rhythms.map(({ atSeconds, rhythm }, index) => ({
    fromSeconds: atSeconds,
    untilSeconds: rhythms[index + 1]?.atSeconds ?? endSeconds,
    rhythm,
  }));
}

/** Stretches of fibrillation of at least `lengthSecondsMin`; fibrillation and flutter in a row are one. */
export function fibrillationEpisodes(
  rhythms: readonly RhythmChange[],
  endSeconds: number,
  lengthSecondsMin: number,
): readonly RhythmSpan[] {
  const joined: RhythmSpan[] = [];
  for (const span of rhythmSpans(rhythms, endSeconds)) {
    if (!fibrillationRhythms.has(span.rhythm)) continue;
    const last = joined.at(-1);
    if (last?.untilSeconds === span.fromSeconds)
      joined[joined.length - 1] = { ...last, untilSeconds: span.untilSeconds };
    else joined.push(span);
  }
  return joined.filter(({ fromSeconds, untilSeconds }) => untilSeconds - fromSeconds >= lengthSecondsMin);
}
