import type { RecordedWindows } from '@pulsemesh/vitals/model';
import { locateRecordings } from '@pulsemesh/vitals/recordings';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadRecordings } from './bench-federated.ts';
import { figuresOf, type SplitFigures, settings } from './federated-figures.ts';
import { sumInProcess } from './in-process-sum.ts';

const found = locateRecordings(process.env);
const isFull = process.env['PULSEMESH_TABLES'] === 'full';

/** Every `step`-th window: the whole set takes minutes. */
function thinned(recording: RecordedWindows, step: number): RecordedWindows {
  const width = recording.features.length / Math.max(1, recording.labels.length);
  const kept = Array.from(recording.labels.keys()).filter((index) => index % step === 0);
  return {
    ...recording,
    startSeconds: Int32Array.from(kept, (index) => recording.startSeconds[index] ?? 0),
    features: Float64Array.from(
      kept.flatMap((index) => [...recording.features.subarray(index * width, (index + 1) * width)]),
    ),
    usable: Uint8Array.from(kept, (index) => recording.usable[index] ?? 0),
    labels: Int8Array.from(kept, (index) => recording.labels[index] ?? -1),
  };
}

describe.runIf(found !== null)('ten sites on the public recordings', () => {
  let figures: SplitFigures;
  beforeAll(async () => {
    const recordings = await loadRecordings(`${found}/rr`);
    const used = isFull ? recordings : recordings.map((recording) => thinned(recording, 10));
    figures = await figuresOf(used, {
      seed: 1,
      sites: 10,
      patientsPerSite: 3,
      settings: settings.filter(({ name }) => name !== 'logistic').slice(0, 3),
    });
  }, 600_000);

  // On a tenth of the windows the trainings have a tenth of the steps, and both are further from where they would end.
  it('train together as well as one place with all their records, on patients of no site', () => {
    expect(figures.federated['rhythm']).toBeGreaterThan(figures.pooled - (isFull ? 0.003 : 0.01));
  });

  it('are together better than alone', () => {
    expect(figures.federated['rhythm']).toBeGreaterThan(figures.aloneMean + 0.02);
  });

  it('still learn with noise at epsilon 8, for a site and for a patient', () => {
    expect(figures.federated['logistic, noise per site']).toBeGreaterThan(0.95);
    expect(figures.federated['logistic, noise per patient']).toBeGreaterThan(0.95);
  });
});

describe('a secure sum in one process', () => {
  it('is the sum', async () => {
    const vectors = [1, 2, 3].map((factor) => Uint32Array.of(factor, 2 ** 31 * (factor % 2), 0xffff_ffff));
    const sum = await sumInProcess(vectors, { task: 'a'.repeat(64), round: 1 });
    expect([...sum]).toEqual([6, 0, 0xffff_fffd]);
  });
});
