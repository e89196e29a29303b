import { linesOf, NumberList } from './lines.ts';
import { type BeatRecording, malformedLine, type RhythmChange, recordingLimits, tooLarge } from './recording.ts';

/**
 * Reads `rr_ms,rhythm` lines: one RR interval in milliseconds a line, the rhythm where it changes. A header
 * line and the rhythm column may be missing.
 * @throws {RecordingError} with file and line for what is not an interval, and past a limit.
 */
export function parseRrCsv(text: string, options: { readonly name: string; readonly file: string }): BeatRecording {
  const { name, file } = options;
  const rrMs = new NumberList();
  const rhythms: RhythmChange[] = [];
  let elapsedMs = 0;
  for (const { line, number } of linesOf(text, file)) {
    if (number === 1 && line.startsWith('rr_ms')) continue;
    const comma = line.indexOf(',');
    const interval = parseInterval(comma === -1 ? line : line.slice(0, comma));
    if (interval === null) throw malformedLine(file, number, 'not an RR interval in milliseconds');
    const rhythm = comma === -1 ? '' : line.slice(comma + 1).trim();
    if (rhythm !== '') {
      if (!/^[A-Z0-9]{1,8}$/i.test(rhythm)) throw malformedLine(file, number, 'not a rhythm name');
      if (rhythms.length >= recordingLimits.rhythmChangesMax) throw tooLarge(file, 'rhythmChangesMax');
      rhythms.push({ atSeconds: elapsedMs / 1000, rhythm });
    }
    if (rrMs.length >= recordingLimits.samplesMax) throw tooLarge(file, 'samplesMax');
    rrMs.push(interval);
    elapsedMs += interval;
  }
  if (rrMs.length === 0) throw malformedLine(file, 1, 'no intervals');
  return { type: 'beats', name, firstBeatSeconds: 0, rrMs: rrMs.toArray(), rhythms };
}

function parseInterval(text: string): number | null {
  if (!/^\s*\d{1,9}(\.\d{1,9})?\s*$/.test(text)) return null;
  const interval = Number(text);
  return interval > 0 ? interval : null;
}
