/** Where a replay enters a recording, so that something (or surely nothing) happens soon. */
export interface DemoEntry {
  /** Name of the recording, as `openRecordings` gives it. */
  readonly record: string;
  /** Seconds since the recording's start, a multiple of ten. */
  readonly offsetSeconds: number;
  /** `episode`: fibrillation of at least ten minutes begins 60–100 s later; `sinus`: none for the next half hour. */
  readonly expects: 'episode' | 'sinus';
}

/** What {@link DemoEntry} promises: the rhythm for this long, and the alert at most this long after the onset. */
export const demoPromise = {
  sinusSeconds: 1_800,
  alertWithinSeconds: 300,
  leadSeconds: { min: 60, max: 100 },
} as const;

/**
 * Public recordings (PhysioNet: AFDB, MITDB, a normal sinus rhythm set) and where to enter them. Under the shipped models and
 * policies, with each kind of input, every `episode` raises one alert within five minutes of its onset, and no
 * `sinus` raises any in its first half hour; a test holds them to it. Interleaved, so that a demo with few
 * devices shows both.
 */
export const demoTable: readonly DemoEntry[] = [
  { record: 'afdb04908', offsetSeconds: 13_530, expects: 'episode' },
  { record: 'nsr001', offsetSeconds: 3_600, expects: 'sinus' },
  { record: 'nsr004', offsetSeconds: 0, expects: 'sinus' },
  { record: 'afdb03665', offsetSeconds: 11_580, expects: 'episode' },
  { record: 'mitdb101', offsetSeconds: 0, expects: 'sinus' },
  { record: 'mitdb122', offsetSeconds: 0, expects: 'sinus' },
  { record: 'afdb07879', offsetSeconds: 7_070, expects: 'episode' },
  { record: 'afdb05091', offsetSeconds: 11_530, expects: 'sinus' },
  { record: 'mitdb115', offsetSeconds: 0, expects: 'sinus' },
  { record: 'afdb08455', offsetSeconds: 11_340, expects: 'episode' },
  { record: 'afdb08434', offsetSeconds: 12_230, expects: 'sinus' },
  { record: 'mitdb112', offsetSeconds: 0, expects: 'sinus' },
  { record: 'afdb08378', offsetSeconds: 10_930, expects: 'sinus' },
];
