import { NumberList } from './lines.ts';
import { type BeatRecording, RecordingError, type RhythmChange, recordingLimits, tooLarge } from './recording.ts';

/** What a `.hea` file says that a reader of annotations needs. */
export interface WfdbHeader {
  readonly recordName: string;
  /** Samples per second. */
  readonly sampleRateHz: number;
}

/** One entry of an annotation file. */
export interface WfdbAnnotation {
  readonly sample: number;
  /** WFDB annotation code, 1 … 49. */
  readonly code: number;
  /** The text that goes with it, for a rhythm change its name as `(AFIB`. */
  readonly text: string;
}

/** Codes that stand for a heartbeat (WFDB Applications Guide, "Annotation codes": those that map to QRS). */
const beatCodes: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 30, 31, 34, 35, 38, 41]);
const rhythmCode = 28;
/** Pseudo-codes: they change how the stream is read and are no annotations themselves. */
const pseudo = { skip: 59, number: 60, subtype: 61, channel: 62, text: 63 } as const;

/**
 * Reads a WFDB header's record line (header(5): name, number of signals, sampling frequency …). The
 * frequency defaults to 250 Hz, as the format says.
 * @throws {RecordingError}.
 */
export function parseWfdbHeader(text: string, file: string): WfdbHeader {
  const line = text.split('\n').find((each) => each.trim() !== '' && !each.startsWith('#'));
  const [name = '', , rate = '250'] = (line ?? '').trim().split(/\s+/);
  const recordName = name.split('/')[0] ?? '';
  const sampleRateHz = Number(rate.split(/[/(]/)[0]);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(recordName)) throw malformed(file, 'no record name in the header');
  if (!(sampleRateHz > 0 && sampleRateHz <= 1_000_000)) throw malformed(file, 'no sampling frequency in the header');
  return { recordName, sampleRateHz };
}

/**
 * Reads an annotation file in MIT format (annot(5)): 16-bit words, little-endian, code in the upper six bits and
 * time step in the lower ten; SKIP carries a long step in PDP-11 order, AUX a text padded to an even length.
 * @throws {RecordingError} when it ends within an entry, or past a limit.
 */
export function parseWfdbAnnotations(bytes: Uint8Array, file: string): readonly WfdbAnnotation[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const annotations: { sample: number; code: number; text: string }[] = [];
  let sample = 0;
  let at = 0;
  const take = (length: number): number => {
    if (at + length > bytes.length) throw malformed(file, `ends within an entry, at byte ${at}`);
    at += length;
    return at - length;
  };
  while (at < bytes.length) {
    const word = view.getUint16(take(2), true);
    const code = word >> 10;
    const step = word & 0x3ff;
    if (code === 0 && step === 0) break;
    if (code === pseudo.skip) {
      const start = take(4);
      sample += (view.getInt16(start, true) << 16) | view.getUint16(start + 2, true);
    } else if (code === pseudo.text) {
      const start = take(step + (step & 1));
      const last = annotations.at(-1);
      if (last !== undefined) last.text = asciiText(bytes.subarray(start, start + step));
    } else if (code < pseudo.skip) {
      sample += step;
      if (annotations.length >= recordingLimits.samplesMax) throw tooLarge(file, 'samplesMax');
      annotations.push({ sample, code, text: '' });
    }
  }
  return annotations;
}

/**
 * The recording that annotations make: intervals between successive beats, and rhythm changes.
 * @throws {RecordingError} when there are fewer than two beats or time goes backwards.
 */
export function recordingOfAnnotations(
  annotations: readonly WfdbAnnotation[],
  header: WfdbHeader,
  options: { readonly name: string; readonly file: string },
): BeatRecording {
  const rrMs = new NumberList();
  const rhythms: RhythmChange[] = [];
  let firstBeat: number | null = null;
  let lastBeat = 0;
  for (const { sample, code, text } of annotations) {
    if (code === rhythmCode && text.startsWith('(')) {
      if (rhythms.length >= recordingLimits.rhythmChangesMax) throw tooLarge(options.file, 'rhythmChangesMax');
      rhythms.push({ atSeconds: sample / header.sampleRateHz, rhythm: text.slice(1) });
    }
    if (!beatCodes.has(code)) continue;
    if (firstBeat === null) firstBeat = sample;
    else if (sample < lastBeat) throw malformed(options.file, 'a beat lies before its predecessor');
    else if (sample > lastBeat) rrMs.push(((sample - lastBeat) * 1000) / header.sampleRateHz);
    lastBeat = sample;
  }
  if (firstBeat === null || rrMs.length === 0) throw malformed(options.file, 'fewer than two beats');
  const firstBeatSeconds = firstBeat / header.sampleRateHz;
  return { type: 'beats', name: options.name, firstBeatSeconds, rrMs: rrMs.toArray(), rhythms };
}

/** How many of the annotations are heartbeats. */
export function countBeats(annotations: readonly WfdbAnnotation[]): number {
  return annotations.filter(({ code }) => beatCodes.has(code)).length;
}

function asciiText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...(end === -1 ? bytes : bytes.subarray(0, end))).trim();
}

function malformed(file: string, what: string): RecordingError {
  return new RecordingError('recording-malformed', `${file}: ${what}`, { facts: { file } });
}
