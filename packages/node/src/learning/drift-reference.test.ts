import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { driftOf } from '@pulsemesh/learning';
import { shippedModelsDirectory } from '@pulsemesh/vitals/model';
import { locateRecordings } from '@pulsemesh/vitals/recordings';
import { describe, expect, it } from 'vitest';
import { shippedDriftReference, writeDriftReference } from './drift-reference.ts';
import { createRhythmSource, patientsOf, rhythmQuery } from './rhythm-records.ts';

const recordings = locateRecordings(process.env);

describe('the reference of the shipped rhythm model', () => {
  it('has every column of the query, and tells made-up hearts from those it was trained on', async () => {
    const reference = await shippedDriftReference();
    expect(reference.columns.map(({ name }) => name)).toEqual(rhythmQuery.columns.map(({ name }) => name));
    const place = { kind: 'generated', seed: 1, patients: 2 } as const;
    const { table } = await createRhythmSource(place).read(rhythmQuery, new Set(await patientsOf(place)));
    expect(driftOf(reference, table)[0]).toMatchObject({ level: 'strong' });
  });

  it.skipIf(recordings === null)(
    'is what the recordings give, number for number',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-drift-'));
      try {
        await writeDriftReference(join(recordings ?? '', 'rr'), directory);
        const read = (at: string) => JSON.parse(readFileSync(join(at, 'rr.drift.json'), 'utf8'));
        expect(read(directory)).toEqual(read(shippedModelsDirectory));
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
    120_000,
  );
});
