import { assert, type Random } from '@pulsemesh/base';
import type { BeatRecording, RhythmChange } from './recording.ts';

/** What the generated heart does. */
export type GeneratedRhythm = 'sinus' | 'ectopy' | 'fibrillation';

export interface GeneratedStretch {
  readonly rhythm: GeneratedRhythm;
  readonly seconds: number;
}

/** One person's heart. */
export interface HeartProfile {
  /** Sinus rhythm's mean RR interval, 400 … 1,500 ms. */
  readonly meanRrMs: number;
  readonly breathsPerMinute: number;
  /** Scales the variability of sinus rhythm; 1 is a healthy adult's at rest. */
  readonly variability: number;
  /** Mean RR interval in fibrillation. */
  readonly fibrillationRrMs: number;
  /** Share of beats that come early during `ectopy`, 0 … 0.2. */
  readonly ectopicShare: number;
}

/** A healthy adult at rest (mean RR: Nunan 2010). */
export const restingHeart: HeartProfile = {
  meanRrMs: 926,
  breathsPerMinute: 15,
  variability: 1,
  fibrillationRrMs: 640,
  ectopicShare: 0.04,
};

/** Longest recording that is generated: a week. */
export const generatedSecondsMax = 7 * 86_400;

/** Amplitudes at variability 1, in milliseconds. */
const breathMs = 38;
const pressureWaveMs = 30;
const driftMs = 28;
const jitterMs = 5;
/** The slow wave of blood pressure (Mayer), and how much of the drift stays from beat to beat. */
const pressureWaveHz = 0.1;
const driftMemory = 0.98;
/** A beat that came early is followed by some regular ones. */
const regularBeatsAfterEctopy = 3;

/**
 * Makes a recording of the stretches in order; the same seed gives the same recording. The labels are N and AFIB,
 * as an annotator would give them: single early beats do not change the rhythm's name.
 *
 * - Sinus rhythm: breathing (respiratory sinus arrhythmia), the 0.1 Hz wave, slow drift and a little noise around the
 *   mean, in the proportions of McSharry 2003 (a low- and a high-frequency peak); SDNN and RMSSD lie where
 *   44 studies of healthy adults found them (Nunan 2010, Pacing Clin Electrophysiol 33:1407: 50 ± 16 and 42 ± 15 ms).
 * - Ectopy: a beat after two thirds to three quarters of the interval, and a pause that makes up for it, so that the two together
 *   last two intervals (a full compensatory pause).
 * - Fibrillation: each interval a normal and an exponential part, drawn independently (the exponential tail:
 *   Hennig 2006, rate 3–12 Hz). The coefficient of variation is nearly the same from patient to patient (Tateno & Glass 2001), here near 0.24, and neighbouring
 *   intervals are uncorrelated (Bootsma 1970).
 */
export function generateRecording(
  options: { readonly name: string; readonly stretches: readonly GeneratedStretch[]; readonly heart?: HeartProfile },
  { random }: { readonly random: Random },
): BeatRecording {
  const heart = options.heart ?? restingHeart;
  const totalSeconds = options.stretches.reduce((sum, { seconds }) => sum + seconds, 0);
  assert(totalSeconds <= generatedSecondsMax, 'a generated recording lasts a week at most');
  assert(heart.meanRrMs >= 400 && heart.meanRrMs <= 1_500, 'a heart at rest beats every 400 to 1,500 ms');
  const sinus = createSinus(heart, random);
  const rrMs: number[] = [];
  const rhythms: RhythmChange[] = [];
  let elapsedMs = 0;
  let untilMs = 0;
  for (const { rhythm, seconds } of options.stretches) {
    const name = rhythm === 'fibrillation' ? 'AFIB' : 'N';
    if (rhythms.at(-1)?.rhythm !== name) rhythms.push({ atSeconds: elapsedMs / 1000, rhythm: name });
    untilMs += seconds * 1000;
    const intervals = intervalsOf(rhythm, sinus, heart, random);
    while (elapsedMs < untilMs) {
      const interval = intervals();
      rrMs.push(interval);
      elapsedMs += interval;
    }
  }
  return { type: 'beats', name: options.name, firstBeatSeconds: 0, rrMs: Float64Array.from(rrMs), rhythms };
}

function intervalsOf(rhythm: GeneratedRhythm, sinus: () => number, heart: HeartProfile, random: Random): () => number {
  if (rhythm === 'sinus') return sinus;
  return rhythm === 'ectopy' ? createEctopy(sinus, heart, random) : createFibrillation(heart, random);
}

function createSinus(heart: HeartProfile, random: Random): () => number {
  // A slower heart varies more, a faster one less: amplitudes go with the interval.
  const scale = (heart.variability * heart.meanRrMs) / 926;
  let seconds = random.float() * 60;
  let breathPhase = random.float() * 2 * Math.PI;
  let drift = random.normal();
  return () => {
    const interval =
      heart.meanRrMs +
      scale *
        (breathMs * Math.sin(breathPhase) +
          pressureWaveMs * Math.sin(2 * Math.PI * pressureWaveHz * seconds) +
          driftMs * drift +
          jitterMs * random.normal());
    const lasting = Math.round(Math.max(300, interval));
    // Breaths are not all of one length.
    breathPhase += 2 * Math.PI * (heart.breathsPerMinute / 60) * (lasting / 1000) * (1 + 0.1 * random.normal());
    seconds += lasting / 1000;
    drift = driftMemory * drift + Math.sqrt(1 - driftMemory ** 2) * random.normal();
    return lasting;
  };
}

function createEctopy(sinus: () => number, heart: HeartProfile, random: Random): () => number {
  let pauseMs: number | null = null;
  let regularLeft = regularBeatsAfterEctopy;
  return () => {
    if (pauseMs !== null) {
      const pause = pauseMs;
      pauseMs = null;
      return pause;
    }
    const regular = sinus();
    regularLeft -= 1;
    if (regularLeft > 0 || random.float() >= heart.ectopicShare) return regular;
    regularLeft = regularBeatsAfterEctopy;
    const early = Math.round(regular * (0.66 + 0.09 * random.float()));
    pauseMs = 2 * regular - early;
    return early;
  };
}

function createFibrillation(heart: HeartProfile, random: Random): () => number {
  const tailMs = 0.22 * heart.fibrillationRrMs;
  const bodyMs = heart.fibrillationRrMs - tailMs;
  return () => {
    const body = bodyMs + 0.09 * heart.fibrillationRrMs * random.normal();
    const tail = -tailMs * Math.log(1 - random.float());
    return Math.round(Math.max(250, body + Math.min(tail, 1_200)));
  };
}
