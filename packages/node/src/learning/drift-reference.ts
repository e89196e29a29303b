import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@pulsemesh/base';
import { DataError, type DriftReference, driftReferenceOf, driftReferenceSchema } from '@pulsemesh/learning';
import { shippedModelsDirectory } from '@pulsemesh/vitals/model';
import { createRhythmSource, patientsOf, rhythmQuery } from './rhythm-records.ts';

/** Beside the models: how the data were distributed that they were trained on. */
const driftReferenceFile = 'rr.drift.json';

/** Writes the reference of models trained on a folder's recordings beside them. @throws {RecordingError}; {DataError}. */
export async function writeDriftReference(recordings: string, modelsDirectory: string): Promise<void> {
  const text = formatDriftReference(await rhythmDriftReference(recordings));
  await writeFile(join(modelsDirectory, driftReferenceFile), text);
}

/** The distribution of a folder's labelled recordings. */
async function rhythmDriftReference(directory: string): Promise<DriftReference> {
  const place = { kind: 'folder', directory, share: null } as const;
  const { table } = await createRhythmSource(place).read(rhythmQuery, new Set(await patientsOf(place)));
  return driftReferenceOf(table);
}

/** A reference as the file holds it: edges in seven digits, shares in five, which is finer than any drift that is told. */
function formatDriftReference({ columns }: DriftReference): string {
  const rounded = columns.map(({ name, edges, shares }) => ({
    name,
    edges: edges.map((edge) => Number(edge.toPrecision(7))),
    shares: shares.map((share) => Number(share.toFixed(5))),
  }));
  return `{"columns": [\n${rounded.map((column) => `  ${JSON.stringify(column)}`).join(',\n')}\n]}\n`;
}

/** That of the shipped rhythm model: deciles of the public recordings it was trained on. @throws {DataError}. */
export async function shippedDriftReference(): Promise<DriftReference> {
  const file = join(shippedModelsDirectory, driftReferenceFile);
  try {
    return driftReferenceSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new DataError('data-missing', `${driftReferenceFile} cannot be read (${errorCode(cause)})`, { cause });
  }
}
