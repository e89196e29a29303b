import { join } from 'node:path';
import { parsePatientInput } from '@pulsemesh/vitals/people';
import { locateRecordings } from '@pulsemesh/vitals/recordings';
import { describe, expect, it } from 'vitest';
import { chooseCast, entryOf, loadSource } from './cast.ts';

describe('the demo without recordings', () => {
  it('shows as many patients with an episode as without, each somebody of their own', async () => {
    const cast = await chooseCast(null);
    const rhythms = cast.map((one) => one.rhythm);
    expect(rhythms.filter((rhythm) => rhythm === 'episode').length).toBeGreaterThanOrEqual(3);
    expect(rhythms.filter((rhythm) => rhythm === 'sinus').length).toBeGreaterThanOrEqual(3);
    expect(new Set(cast.map((one) => one.patient.userId)).size).toBe(cast.length);
    for (const { patient } of cast) {
      expect(parsePatientInput(patient)).toMatchObject({ name: patient.name });
      expect(patient.email).toMatch(/@example\.org$/);
    }
  });

  it('plays the same hearts every time', async () => {
    const [one] = await chooseCast(null);
    if (one === undefined) throw new Error('nobody');
    expect(await loadSource(one.source, null)).toEqual(await loadSource(one.source, null));
    expect(entryOf(one.source)).toBe(0);
  });
});

const recordings = locateRecordings(process.env);
describe.skipIf(recordings === null)('the demo with the public recordings', () => {
  it('has at least three patients of each rhythm, all from recordings', async () => {
    const cast = await chooseCast(join(recordings ?? '', 'rr'));
    expect(cast.every((one) => one.source.kind === 'recording')).toBe(true);
    for (const rhythm of ['episode', 'sinus']) {
      expect(cast.filter((one) => one.rhythm === rhythm).length).toBeGreaterThanOrEqual(3);
    }
  });
});
