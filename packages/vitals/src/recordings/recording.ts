import { Condition, type ErrorFacts } from '@pulsemesh/base';

/** The three formats that are read. */
export type RecordingKind = 'rr-csv' | 'wfdb' | 'monitor-csv';

/** From `atSeconds` on the rhythm is `rhythm`: N, AFIB, AFL, J, B, T, VT … (PhysioNet's names without the bracket). */
export interface RhythmChange {
  /** Seconds since the recording's start. */
  readonly atSeconds: number;
  readonly rhythm: string;
}

/** Beat by beat, from an electrocardiogram. */
export interface BeatRecording {
  readonly type: 'beats';
  readonly name: string;
  /** Time of the beat that the first interval starts with, seconds since the recording's start. */
  readonly firstBeatSeconds: number;
  /** RR intervals in milliseconds, as recorded: gaps and artefacts included. */
  readonly rrMs: Float64Array;
  /** In order of time; empty where the recording is not labelled. */
  readonly rhythms: readonly RhythmChange[];
}

/** One heart rate a second, from a bedside monitor. */
export interface RateRecording {
  readonly type: 'rate';
  readonly name: string;
  /** Beats per minute by whole second since the start; NaN where the monitor gave none. */
  readonly heartRateBpm: Float64Array;
}

export type Recording = BeatRecording | RateRecording;

/** What a reader accepts at most. */
export const recordingLimits = {
  /** Of the file as it lies on the disk, and unpacked. */
  fileBytesMax: 32 * 1024 * 1024,
  unpackedBytesMax: 64 * 1024 * 1024,
  lineLengthMax: 1_000,
  /** Beats or seconds: about a month. */
  samplesMax: 4_000_000,
  rhythmChangesMax: 100_000,
  filesMax: 10_000,
  depthMax: 3,
} as const;

/** A recording that cannot be read: `code` says why, the facts say where (`file`, `line`). */
export class RecordingError extends Condition {
  override readonly name = 'RecordingError';
  constructor(
    code: 'recording-malformed' | 'recording-too-large' | 'recording-missing',
    message: string,
    options: { readonly facts?: ErrorFacts; readonly cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

/** An error at a line of a text file, both in the message and in the facts. */
export function malformedLine(file: string, line: number, what: string): RecordingError {
  return new RecordingError('recording-malformed', `${file}, line ${line}: ${what}`, { facts: { file, line } });
}

/** A limit that was passed, by its name in {@link recordingLimits}. */
export function tooLarge(file: string, limit: keyof typeof recordingLimits): RecordingError {
  const value = recordingLimits[limit];
  return new RecordingError('recording-too-large', `${file} is larger than ${limit} (${value})`, {
    facts: { file, limit, value },
  });
}
