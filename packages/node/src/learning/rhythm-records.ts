import { createSeededRandom } from '@pulsemesh/base';
import {
  DataError,
  type DataQuery,
  type LearningTable,
  type ReadRecords,
  type RecordSource,
} from '@pulsemesh/learning';
import { featureCount, featureMax, featureNames, patientOf, recordedWindows } from '@pulsemesh/vitals/model';
import { generateRecording, openRecordings, type Recording, restingHeart } from '@pulsemesh/vitals/recordings';
import type { InputKind } from '@pulsemesh/vitals/windows';

/** The rhythm query: the features of a patient's ten-second windows, with the rhythm that an expert wrote down as label. */
export const rhythmQuery: DataQuery = {
  name: 'rhythm-windows',
  version: 1,
  about: 'Features of ten-second windows of RR intervals, one row for each usable window with a known rhythm',
  columns: featureNames.map((name) => ({
    name,
    unit: '',
    about: `feature ${name} of a window, see the model card`,
    low: -featureMax,
    high: featureMax,
  })),
  label: '1: fibrillation or flutter in more than half of the window; 0: not',
};

/** Which of a folder's patients are a site's own: every `of`-th from `index` on, at most `patientsMax`. */
export interface RecordingShare {
  readonly index: number;
  readonly of: number;
  readonly patientsMax: number;
}

/** Where a site's labelled hearts come from. */
export type RhythmPlace =
  | { readonly kind: 'folder'; readonly directory: string; readonly share: RecordingShare | null }
  /** Made-up hearts, different ones for each seed. */
  | { readonly kind: 'generated'; readonly seed: number; readonly patients: number };

const input: InputKind = 'rr';

/** A site's labelled hearts as a source of rows for {@link rhythmQuery}; recordings are read once, their rows kept. */
export function createRhythmSource(place: RhythmPlace): RecordSource {
  let loaded: Promise<ReadonlyMap<string, readonly PatientRow[]>> | undefined;
  const load = () => {
    loaded ??= loadRows(place);
    return loaded;
  };
  return {
    async read(query, patients) {
      return tableOf(
        query,
        [...(await load())].filter(([patient]) => patients.has(patient)),
      );
    },
  };
}

interface PatientRow {
  readonly features: Float64Array;
  readonly label: 0 | 1;
}

async function loadRows(place: RhythmPlace): Promise<ReadonlyMap<string, readonly PatientRow[]>> {
  const rows = new Map<string, PatientRow[]>();
  for await (const recording of recordingsOf(place)) {
    const patient = patientOf(recording.name);
    const own = rows.get(patient) ?? [];
    rows.set(patient, own);
    const { features, usable, labels } = recordedWindows(recording, input);
    for (const [row, label] of labels.entries()) {
      if (usable[row] !== 1 || label < 0) continue;
      own.push({ features: features.slice(row * featureCount, (row + 1) * featureCount), label: label === 1 ? 1 : 0 });
    }
  }
  if (rows.size === 0) throw new DataError('data-missing', 'there are no labelled recordings');
  return rows;
}

/** The patients of a site, by name; nothing is read of their hearts. @throws {RecordingError} */
export async function patientsOf(place: RhythmPlace): Promise<readonly string[]> {
  if (place.kind === 'generated') {
    return Array.from({ length: place.patients }, (_, patient) => generatedName(place.seed, patient));
  }
  const { directory, share } = place;
  const patients = [...new Set((await openRecordings(directory)).map(({ name }) => patientOf(name)))];
  if (share === null) return patients;
  return patients.filter((_, index) => index % share.of === share.index).slice(0, share.patientsMax);
}

async function* recordingsOf(place: RhythmPlace): AsyncIterable<Recording> {
  const own = new Set(await patientsOf(place));
  if (place.kind === 'generated') {
    for (let patient = 0; patient < own.size; patient += 1) yield generatedHeart(place.seed, patient);
    return;
  }
  for (const file of await openRecordings(place.directory)) {
    if (own.has(patientOf(file.name))) yield await file.load();
  }
}

function generatedName(seed: number, patient: number): string {
  return `generated-${seed}-${patient}`;
}

const stretches = 6;
const stretchSeconds = 240;

/** A made-up heart of 24 minutes, every other one with episodes. */
function generatedHeart(seed: number, patient: number): Recording {
  const random = createSeededRandom(seed * 1_000 + patient);
  const hasEpisodes = patient % 2 === 0;
  return generateRecording(
    {
      name: generatedName(seed, patient),
      heart: { ...restingHeart, meanRrMs: 700 + random.integer(400), variability: 0.5 + random.float() },
      stretches: Array.from({ length: stretches }, (_, stretch) => ({
        rhythm: hasEpisodes && stretch % 2 === 1 ? 'fibrillation' : stretch % 3 === 2 ? 'ectopy' : 'sinus',
        seconds: stretchSeconds,
      })),
    },
    { random },
  );
}

function tableOf(query: DataQuery, entries: readonly (readonly [string, readonly PatientRow[]])[]): ReadRecords {
  const names: readonly string[] = featureNames;
  const places = query.columns.map(({ name }) => names.indexOf(name));
  const rows = entries.flatMap(([, own], patient) => own.map((row) => ({ ...row, patient })));
  const values = new Float64Array(rows.length * places.length);
  for (const [index, { features }] of rows.entries()) {
    for (const [column, place] of places.entries()) values[index * places.length + column] = features[place] as number;
  }
  const table: LearningTable = {
    columns: query.columns.map(({ name }) => name),
    values,
    labels: Uint8Array.from(rows, ({ label }) => label),
    patients: entries.map(([patient]) => patient),
    patientOfRow: Uint32Array.from(rows, ({ patient }) => patient),
  };
  return { table, rowsLeftOut: 0 };
}
