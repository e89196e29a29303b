import type { EntryBodies, TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import { bytesOfVector, vectorOfBytes } from '../rounds/part-codec.ts';
import type { Combine, LocalWork, RoundOfWork } from '../rounds/work.ts';

/** A task without learning: sites add up vectors that are known, so that a test can say what the sum must be. */
export function plainSumTask(options: {
  readonly aggregator: PeerId | null;
  readonly invited?: readonly PeerId[];
  readonly sitesMin: number;
  readonly sitesMax?: number;
  readonly rounds?: number;
  readonly deadlineMs: number;
  readonly stepMs?: number;
  readonly threshold?: number;
  readonly privacy?: TaskBody['privacy'];
}): EntryBodies['task'] {
  return {
    title: 'a plain sum',
    purpose: 'research/rhythm',
    work: { kind: 'survey', questions: [{ name: 'n', column: 'n', statistic: 'count', low: 0, high: 1 }] },
    query: { name: 'all', version: 1, columns: ['n'] },
    invited: options.invited ?? [],
    aggregator: options.aggregator,
    sitesMin: options.sitesMin,
    sitesMax: options.sitesMax ?? 16,
    sum: { range: 1000, steps: 1, neighbours: 'all', threshold: options.threshold ?? 2 },
    privacy: options.privacy ?? null,
    rounds: options.rounds ?? 1,
    stepMs: options.stepMs ?? 10_000,
    deadlineMs: options.deadlineMs,
    codeHash: '0'.repeat(64),
  };
}

const length = 4;

/** The vector of site number `site` in a round. */
export function plainVector(site: number, round: number): Uint32Array {
  return Uint32Array.from({ length }, (_, index) => site * 1000 + round * 10 + index);
}

const shape = {
  vectorLength: () => length,
  firstInput: () => new TextEncoder().encode('nothing yet'),
};

/** What site number `site` does: gives its vector, with `site` values clipped. */
export function plainWork(site: number): LocalWork {
  return {
    ...shape,
    contribute: async ({ round }) => ({ vector: plainVector(site, round), clipped: site, patients: 100 }),
  };
}

/** The output is the sum. */
export const plainCombine: Combine = {
  ...shape,
  combine: (_round: RoundOfWork, { vector }) => bytesOfVector(vector),
};

/** The sum that an output is. */
export function plainOutput(output: Uint8Array): number[] {
  return [...vectorOfBytes(output)];
}

/** What these sites' vectors add up to in a round. */
export function plainSum(sites: readonly number[], round: number): number[] {
  return Array.from({ length }, (_, index) =>
    sites.reduce((sum, site) => (sum + (plainVector(site, round)[index] as number)) >>> 0, 0),
  );
}

/** How site number `site` joins. */
export function plainJoin(
  site: number,
  options: { readonly roundsMax?: number; readonly epsilonMax?: number | undefined } = {},
) {
  return {
    limits: { epsilonMax: options.epsilonMax ?? null, roundsMax: options.roundsMax ?? 100, patientsMin: 10 },
    data: { query: 'all', queryVersion: 1, patients: 100, records: 1000, consentsHash: '0'.repeat(64) },
    enrolment: plainEnrolment(`site ${site}`),
  };
}

/** How anybody is enrolled in a test; a board without `cardHolder` does not look into cards. */
export function plainEnrolment(name: string): { readonly name: string; readonly card: Uint8Array } {
  return { name, card: Uint8Array.of(1) };
}
