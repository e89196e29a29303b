import { createSeededRandom } from '@pulsemesh/base';
import {
  type BeatRecording,
  demoPromise,
  demoTable,
  durationSeconds,
  fibrillationEpisodes,
  generateRecording,
  openRecordings,
  type Recording,
  restingHeart,
} from '@pulsemesh/vitals/recordings';
import type { PatientInput } from '../api/types.ts';

/** Where a device of the demo gets its heartbeats. */
export type CastSource =
  | { readonly kind: 'recording'; readonly record: string; readonly offsetSeconds: number; readonly lapSeconds: number }
  | { readonly kind: 'generated'; readonly seed: number; readonly hasEpisode: boolean; readonly lapSeconds: number };

/** One patient of the demo and the device it wears. */
export interface CastMember {
  readonly patient: PatientInput;
  readonly source: CastSource;
  /** Whether fibrillation occurs in what the device plays, by the recording's own labels. */
  readonly rhythm: 'sinus' | 'episode';
}

const castSize = 8;
const episodeLapSecondsMax = 2 * 3_600;
const generatedLapSeconds = 3_600;
/** Shorter stretches are no episode worth an alert. */
const episodeSecondsMin = 30;

// Neutral names: nobody in particular, from nowhere in particular. example.org belongs to nobody (RFC 2606).
const names = [
  'Robin Ashdown',
  'Kim Larsen',
  'Sasha Moreau',
  'Noa Lindgren',
  'Charlie Okafor',
  'Jules Tanaka',
  'Alex Novak',
  'Sam Oliveira',
] as const;
const doctors = ['Dr. Toni Berg', 'Dr. Ari Costa', 'Dr. Dominique Roy'] as const;
const languages = ['en', 'de', 'fr'] as const;

/**
 * The patients of the demo: with `recordings`, those of the demo's table that are in the folder (any others of the
 * folder where those are too few), else generated hearts. Half of them have an episode soon, half stay in sinus rhythm.
 * @throws {RecordingError} when the folder cannot be read.
 */
export async function chooseCast(recordings: string | null): Promise<readonly CastMember[]> {
  const sources = recordings === null ? [] : await recordedSources(recordings);
  const cast = sources.slice(0, castSize);
  for (let seed = 1; cast.length < castSize; seed += 1) {
    const hasEpisode = cast.filter((one) => one.rhythm === 'episode').length < castSize / 2;
    const source = { kind: 'generated', seed, hasEpisode, lapSeconds: generatedLapSeconds } as const;
    cast.push({ source, rhythm: hasEpisode ? 'episode' : 'sinus' });
  }
  return cast.map(({ source, rhythm }, index) => ({ patient: patientOf(index), source, rhythm }));
}

type Source = Pick<CastMember, 'source' | 'rhythm'>;

async function recordedSources(directory: string): Promise<Source[]> {
  const files = new Map((await openRecordings(directory)).map((file) => [file.name, file]));
  const sources: Source[] = [];
  for (const { record, offsetSeconds, expects } of demoTable) {
    const file = files.get(record);
    if (file === undefined || sources.length >= castSize) continue;
    const rest = Math.floor(durationSeconds(await file.load()) - offsetSeconds);
    // A sinus record stays within the stretch that is known to be one.
    const lapSeconds = Math.min(rest, expects === 'sinus' ? demoPromise.sinusSeconds : episodeLapSecondsMax);
    sources.push({ source: { kind: 'recording', record, offsetSeconds, lapSeconds }, rhythm: expects });
    files.delete(record);
  }
  for (const [record, file] of files) {
    if (sources.length >= castSize) break;
    const recording = await file.load();
    const lapSeconds = Math.min(Math.floor(durationSeconds(recording)), episodeLapSecondsMax);
    sources.push({ source: { kind: 'recording', record, offsetSeconds: 0, lapSeconds }, rhythm: rhythmOf(recording) });
  }
  return sources;
}

function rhythmOf(recording: Recording): CastMember['rhythm'] {
  // Nobody has labelled a monitor's recording: nothing can be promised of it.
  if (recording.type === 'rate' || recording.rhythms.length === 0) return 'episode';
  return fibrillationEpisodes(recording.rhythms, durationSeconds(recording), episodeSecondsMin).length > 0
    ? 'episode'
    : 'sinus';
}

/** Loads or makes what a device plays. `directory`: where the recordings lie. @throws {RecordingError}. */
export async function loadSource(source: CastSource, directory: string | null): Promise<Recording> {
  if (source.kind === 'generated') return generated(source);
  const files = directory === null ? [] : await openRecordings(directory);
  const file = files.find((one) => one.name === source.record);
  if (file === undefined) throw new RangeError(`the recording ${source.record} is not there any more`);
  return file.load();
}

/** Seconds of the recording at which the first lap starts. */
export function entryOf(source: CastSource): number {
  return source.kind === 'recording' ? source.offsetSeconds : 0;
}

function generated({ seed, hasEpisode, lapSeconds }: Extract<CastSource, { kind: 'generated' }>): BeatRecording {
  const random = createSeededRandom(seed);
  const heart = { ...restingHeart, meanRrMs: 760 + random.integer(300), breathsPerMinute: 12 + random.integer(6) };
  const lead = demoPromise.leadSeconds.min + random.integer(demoPromise.leadSeconds.max - demoPromise.leadSeconds.min);
  const episode = 900;
  const stretches = hasEpisode
    ? [
        { rhythm: 'sinus', seconds: lead } as const,
        { rhythm: 'fibrillation', seconds: episode } as const,
        { rhythm: 'sinus', seconds: lapSeconds - lead - episode } as const,
      ]
    : [{ rhythm: 'sinus', seconds: lapSeconds } as const];
  return generateRecording({ name: `generated-${seed}`, stretches, heart }, { random });
}

function patientOf(index: number): PatientInput {
  const name = names[index % names.length] ?? names[0];
  const doctor = doctors[index % doctors.length] ?? doctors[0];
  const language = languages[index % languages.length] ?? 'en';
  return {
    userId: userIds[index % userIds.length] ?? '',
    name,
    email: `${mailName(name)}@example.org`,
    language,
    doctor: { name: doctor, email: `${mailName(doctor)}@example.org`, language: 'en' },
    tells: { patient: true, doctor: true },
    device: { kind: 'replay' },
  };
}

function mailName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z]+/g, '.')
    .replace(/^\.|\.$/g, '');
}

// Peer ids of the old kind, which is what the first wearables called their wearers; nobody's.
const userIds = [
  'QmTp9VkYvnHyrqKQuFPiuZkiX9gPcqj6x5LJ1rmWuSySnL',
  'Qmc1PJsgfWWt1oVDUBBNCvTjpGn7LU4kLJzaQ8SkAhUEbQ',
  'QmSCjGmU3nEdGfWygndWbEmc9aKf6NsfcQCQywjkbfS3tf',
  'QmQVNbt53CKZ7gh8LKRizUGjt3QZMigkwN1Bm1hoKn1BEb',
  'QmbATLq57Y2pDrzmu51hhKVd59qoZ5a58322H8k3NDiBP9',
  'QmT8Sbu4eXJP2JfcDb4DgYf3y9b85242Lfa5Vz6pZgLDBy',
  'QmdsTawbKhyqSgMfaVJayhLy3GSKRvb1C9dJTHTjsgLZzT',
  'QmZESmqEXhi1ZwnrXc8LgSW4mjjASbdTyJAwBDXtHGo9WT',
] as const;
