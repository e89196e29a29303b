import { createSeededRandom } from '@pulsemesh/base';
import type { SurveyQuestion, TaskBody } from '@pulsemesh/board';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LearningTable } from '../data/table.ts';
import { createSurveyCombine, decodeSurveyResult } from './survey-combine.ts';
import { createSurveyWork } from './survey-work.ts';

const age = { name: 'age', column: 'age', low: 0, high: 100 } as const;
const questions: readonly SurveyQuestion[] = [
  { ...age, name: 'count', statistic: 'count' },
  { ...age, name: 'mean', statistic: 'mean' },
  { ...age, name: 'histogram', statistic: 'histogram', bins: 10 },
  { ...age, name: 'quantile', statistic: 'quantile', bins: 100, quantiles: [0, 0.25, 0.5, 1] },
];

function taskOf(changes: Partial<TaskBody> = {}): TaskBody {
  return {
    purpose: 'research/age',
    work: { kind: 'survey', questions },
    query: { name: 'people', version: 1, columns: ['age'] },
    sitesMin: 3,
    sitesMax: 100,
    sum: { range: 1000, steps: 2 ** 14, neighbours: 'all', threshold: 2 },
    privacy: null,
    rounds: 1,
    ...changes,
  } as TaskBody; // what a survey reads of it
}

/** One list of values per patient. */
function tableOf(patients: readonly (readonly number[])[]): LearningTable {
  const values = patients.flat();
  return {
    columns: ['age'],
    values: Float64Array.from(values),
    labels: new Uint8Array(values.length),
    patients: patients.map((_, index) => `p${index}`),
    patientOfRow: Uint32Array.from(patients.flatMap((list, index) => list.map(() => index))),
  };
}

async function ask(sites: readonly LearningTable[], task = taskOf()) {
  let sum: Uint32Array = new Uint32Array(0);
  let clipped = 0;
  for (const [site, table] of sites.entries()) {
    const work = createSurveyWork({ records: { tableOf: async () => table } });
    const at = { taskId: 'a'.repeat(64), task, round: 1, attempt: 1, input: work.firstInput(task) };
    const given = await work.contribute(at, { random: createSeededRandom(site + 1) });
    clipped += given.clipped;
    sum = sum.length === 0 ? given.vector : sum.map((value, index) => value + (given.vector[index] ?? 0));
  }
  const combine = createSurveyCombine();
  const at = { taskId: 'a'.repeat(64), task, round: 1, attempt: 1, input: combine.firstInput(task) };
  const { answers } = decodeSurveyResult(await combine.combine(at, { vector: sum, sites: sites.length }));
  const answer = (name: string) => {
    const found = answers.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no answer to ${name}`);
    return found;
  };
  return { answer, clipped };
}

const people = (count: number, seed: number) => {
  const random = createSeededRandom(seed);
  return Array.from({ length: count }, () => [20 + 60 * random.float()]);
};

describe('a survey without noise', () => {
  it('is exact: what a list of all patients would give', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 4, maxLength: 30 }), {
          minLength: 3,
          maxLength: 8,
        }),
        async (sites) => {
          const { answer } = await ask(sites.map((values) => tableOf(values.map((value) => [value]))));
          const all = sites.flat();
          expect(answer('count').count).toBe(all.length);
          const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
          expect(answer('mean').mean).toBeCloseTo(mean, 1);
          const { bins } = answer('histogram');
          for (const [bin, count] of bins.entries()) {
            const exact = all.filter((value) => Math.floor(value / 10) === bin).length;
            if (count !== null) expect(count).toBe(exact);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('finds quantiles to a bin’s width', async () => {
    const sites = [1, 2, 3].map((seed) => people(200, seed));
    const sorted = sites.flat(2).sort((one, other) => one - other);
    const { answer } = await ask(sites.map(tableOf));
    const [, quarter = 0, half = 0] = answer('quantile').quantiles;
    expect(Math.abs((quarter ?? 0) - (sorted[150] as number))).toBeLessThan(1.1);
    expect(Math.abs((half ?? 0) - (sorted[300] as number))).toBeLessThan(1.1);
  });

  it('weighs each patient once, whatever the number of records', async () => {
    const many = Array.from({ length: 1000 }, () => 10);
    const rest = Array.from({ length: 19 }, () => [50]);
    const { answer } = await ask([tableOf([many, ...rest])]);
    expect(answer('count').count).toBe(20);
    expect(answer('mean').mean).toBeCloseTo((10 + 19 * 50) / 20, 1);
  });

  it('clips to the question’s range and says how often', async () => {
    const { answer, clipped } = await ask([tableOf([[1e9], [-5], ...people(20, 1)])]);
    expect(clipped).toBe(2 * questions.length);
    expect(answer('mean').mean).toBeLessThan(100);
  });

  it('asks devices of one patient each in the same way', async () => {
    const devices = people(60, 4);
    const { answer } = await ask(devices.map((values) => tableOf([values])));
    expect(answer('count').count).toBe(60);
    expect(answer('mean').mean).toBeCloseTo(devices.flat().reduce((sum, value) => sum + value, 0) / 60, 1);
  });
});

describe('small counts', () => {
  it('are not told, and nothing that follows from them', async () => {
    const few = await ask([tableOf(people(9, 1))]);
    for (const name of ['count', 'mean', 'histogram', 'quantile'])
      expect(few.answer(name)).toMatchObject({ count: null, mean: null, bins: [], quantiles: [] });
  });

  it('keep the least and the largest of all back, which are somebody’s own', async () => {
    const [youngest] = (await ask([tableOf([[1], ...people(100, 2)])])).answer('quantile').quantiles;
    expect(youngest).toBeNull();
    const { quantiles } = (await ask([tableOf(people(30, 2))])).answer('quantile');
    expect(quantiles.map((value) => value === null)).toEqual([true, true, false, true]);
  });

  it('take a third bin with them where two hold few together', async () => {
    const values = [...Array.from({ length: 30 }, () => [5]), ...Array.from({ length: 20 }, () => [15]), [25], [35]];
    const { answer } = await ask([tableOf(values)]);
    expect(answer('histogram').bins).toEqual([30, null, null, null, 0, 0, 0, 0, 0, 0]);
  });

  it('take a second bin with them where the total would tell the one', async () => {
    const values = [...Array.from({ length: 30 }, () => [5]), ...Array.from({ length: 20 }, () => [15]), [25]];
    const { answer } = await ask([tableOf(values)]);
    expect(answer('histogram').bins).toEqual([30, null, null, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('a survey with noise', () => {
  const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1, noiseMultiplier: 1, unit: 'patient' } as const;

  it('comes near the truth among many patients, and says how near', async () => {
    const sites = [1, 2, 3, 4].map((seed) => people(400, seed));
    const { answer, clipped } = await ask(sites.map(tableOf), taskOf({ privacy }));
    const { count, deviation } = answer('count');
    expect(deviation).toBeGreaterThan(0);
    expect(Math.abs((count ?? 0) - 1600)).toBeLessThan(5 * deviation);
    expect(answer('mean').mean).toBeGreaterThan(45);
    expect(answer('mean').mean).toBeLessThan(55);
    expect(clipped).toBe(0);
  });

  it('never lets one patient weigh more than the norm', async () => {
    const quiet = taskOf({ privacy: { ...privacy, noiseMultiplier: 0.001 } });
    const work = createSurveyWork({ records: { tableOf: async () => tableOf([[99, 1, 50]]) } });
    const at = { taskId: 'a'.repeat(64), task: quiet, round: 1, attempt: 1, input: work.firstInput(quiet) };
    const { vector } = await work.contribute(at, { random: createSeededRandom(1) });
    const norm = Math.hypot(...Array.from(vector, (value) => (value | 0) / quiet.sum.steps));
    expect(norm).toBeLessThan(1.05);
  });

  it('per site counts sites', async () => {
    const quiet = taskOf({ privacy: { ...privacy, unit: 'site', noiseMultiplier: 0.01 } });
    const { answer } = await ask(
      Array.from({ length: 20 }, (_, seed) => tableOf(people(30, seed))),
      quiet,
    );
    expect(Math.round(answer('count').count ?? 0)).toBe(20);
  });
});

describe('what is refused', () => {
  const layout = (changes: Partial<SurveyQuestion>, task: Partial<TaskBody> = {}) =>
    createSurveyCombine().vectorLength(
      taskOf({ work: { kind: 'survey', questions: [{ ...age, statistic: 'histogram', ...changes }] }, ...task }),
    );

  it.each([
    ['bins', { bins: 2 }],
    ['bins', { bins: 1025 }],
    ['low is below high', { low: 100 }],
    ['no such column', { column: 'name' }],
    ['quantiles', { quantiles: [1.5] }],
    ['quantiles', { quantiles: Array.from({ length: 33 }, () => 0.5) }],
  ])('a question that has no answer: %s', (word, changes) => {
    expect(() => layout(changes)).toThrow(word);
  });

  it('a survey of many rounds, of none or of too many questions, or of one name twice', () => {
    expect(() => layout({}, { rounds: 2 })).toThrow('one round');
    for (const list of [
      [],
      Array.from({ length: 65 }, (_, index) => ({ ...age, name: `${index}`, statistic: 'count' as const })),
    ])
      expect(() => layout({}, { work: { kind: 'survey', questions: list } })).toThrow('number of questions');
    const twice = [age, age].map((question) => ({ ...question, statistic: 'count' as const }));
    expect(() => layout({}, { work: { kind: 'survey', questions: twice } })).toThrow('one name');
  });

  it('a sum that no honest sites send, a site without records, bytes that are no result', async () => {
    const task = taskOf();
    const combine = createSurveyCombine();
    const at = { taskId: 'a'.repeat(64), task, round: 1, attempt: 1, input: combine.firstInput(task) };
    const vector = new Uint32Array(combine.vectorLength(task));
    expect(() => combine.combine(at, { vector: vector.with(0, 2 ** 31), sites: 3 })).toThrow('honest');
    expect(() => combine.combine(at, { vector: vector.with(5, 2 ** 31), sites: 3 })).toThrow('honest');
    expect(() => combine.combine(at, { vector: vector.slice(1), sites: 3 })).toThrow('length');
    const empty = createSurveyWork({ records: { tableOf: async () => tableOf([]) } });
    await expect(empty.contribute(at, { random: createSeededRandom(1) })).rejects.toThrow('no record');
    expect(() => decodeSurveyResult(Uint8Array.of(0xa0))).toThrow('not the result');
  });
});
