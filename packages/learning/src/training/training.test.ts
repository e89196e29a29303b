import { createSeededRandom } from '@pulsemesh/base';
import type { TaskBody, TrainingWork } from '@pulsemesh/board';
import { describe, expect, it } from 'vitest';
import type { LearningTable } from '../data/table.ts';
import { multiplierFor } from '../privacy/accountant.ts';
import type { RoundOfWork } from '../rounds/work.ts';
import { areaUnderCurve, evaluateAtSite } from './evaluation.ts';
import type { LocalModel } from './local-model.ts';
import { createLogisticModel } from './logistic.ts';
import { decodeState, encodeState, stateHash } from './model-state.ts';
import { createTrainingCombine } from './training-combine.ts';
import { createTrainingWork } from './training-work.ts';

const work: TrainingWork = {
  kind: 'training',
  model: { family: 'logistic', inputs: 3, hidden: [], parameters: 4 },
  algorithm: 'fedavg',
  proximal: 0,
  localEpochs: 1,
  batchSize: 32,
  learningRate: 0.5,
  weightDecay: 0,
  seed: 1,
};
const task = {
  purpose: 'research/rhythm',
  work,
  query: { name: 'plane', version: 1, columns: ['x', 'y', 'z'] },
  sitesMin: 3,
  sitesMax: 10,
  sum: { range: 8, steps: 2 ** 20, neighbours: 'all', threshold: 2 },
  privacy: null,
  rounds: 6,
} as unknown as TaskBody; // what training reads of a task

/** Points told apart by x − y, on scales far from each other; the third column never changes. Sites differ in what they see. */
function siteTable(site: number, rows = 200): LearningTable {
  const random = createSeededRandom(100 + site);
  const values = new Float64Array(rows * 3);
  const labels = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const [x, y] = [random.normal() + site / 4, random.normal()];
    values.set([30 + 5 * x, 0.05 * y, 7], row * 3);
    labels[row] = x - y + random.normal() / 2 > 0.5 ? 1 : 0;
  }
  const patients = Array.from({ length: 5 }, (_, index) => `p${site}-${index}`);
  return {
    columns: ['x', 'y', 'z'],
    values,
    labels,
    patients,
    patientOfRow: Uint32Array.from(labels, (_, row) => row % 5),
  };
}

const tables = Array.from({ length: 5 }, (_, site) => siteTable(site));

async function run(of: TaskBody, model: LocalModel = createLogisticModel(), by = tables) {
  const combine = createTrainingCombine({ model });
  let input = combine.firstInput(of);
  for (let round = 1; round <= of.rounds; round += 1) {
    const at: RoundOfWork = { taskId: 'a'.repeat(64), task: of, round, attempt: 1, input };
    input = await combine.combine(at, { vector: await sumOf(at, model, by), sites: by.length });
  }
  return input;
}

async function sumOf(at: RoundOfWork, model: LocalModel, by = tables): Promise<Uint32Array> {
  let sum: Uint32Array = new Uint32Array(0);
  for (const [site, table] of by.entries()) {
    const local = createTrainingWork({ model, records: { tableOf: async () => table } });
    const { vector } = await local.contribute(at, { random: createSeededRandom(site * 100 + at.round) });
    sum = sum.length === 0 ? vector : sum.map((value, index) => value + (vector[index] ?? 0));
  }
  return sum;
}

const shape = { inputs: 3, parameters: 4 };
const held = siteTable(9, 400);
async function aucOf(bytes: Uint8Array): Promise<number> {
  const scores = await createLogisticModel().scores(decodeState(bytes, shape), held);
  return areaUnderCurve(scores, held.labels) ?? 0;
}

describe('federated averaging', () => {
  it('standardises in its first round as if all records lay in one place', async () => {
    const { means, scales } = decodeState(await run({ ...task, rounds: 2 } as TaskBody), shape);
    const all = tables.flatMap(({ values }) => [...values]);
    for (const [column, scale] of scales.entries()) {
      const values = all.filter((_, index) => index % 3 === column);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(means[column]).toBeCloseTo(mean, 4);
      if (column === 2) expect(scale).toBe(0);
      else expect(scale * Math.sqrt(variance)).toBeCloseTo(1, 4);
    }
  });

  it('learns what no site sees alone, the same each time', async () => {
    const state = await run(task);
    expect(await aucOf(state)).toBeGreaterThan(0.95);
    expect(stateHash(await run(task))).toBe(stateHash(state));
  });

  it('with one site is that site’s training', async () => {
    const [table] = tables;
    const model = createLogisticModel();
    const one = { ...task, rounds: 2 } as TaskBody;
    const state = decodeState(await run(one, model, table === undefined ? [] : [table]), shape);
    const start = { ...state, weights: model.firstWeights(work) };
    const random = createSeededRandom((work.seed * 1_000_003 + 2) >>> 0);
    const alone = await model.train(start, table as LearningTable, { work, from: 0, until: 1, random });
    for (const [index, weight] of state.weights.entries()) expect(weight).toBeCloseTo(alone[index] as number, 4);
  });

  it('held near the shared weights moves less (FedProx)', async () => {
    const distance = async (proximal: number) => {
      const of = { ...task, rounds: 2, work: { ...work, algorithm: 'fedprox', proximal } } as TaskBody;
      return Math.hypot(...decodeState(await run(of), shape).weights);
    };
    expect(await distance(5)).toBeLessThan(await distance(0));
  });
});

describe('training with noise', () => {
  const scale = { means: Float32Array.of(30, 0, 7), scales: Float32Array.of(0.2, 20, 0) };
  const model = createLogisticModel(scale);
  const terms = {
    epsilonMax: 8,
    delta: 1e-5,
    normMax: 2,
    noiseMultiplier: multiplierFor(8, 1e-5, 2),
    unit: 'site',
  } as const;
  const noisy = { ...task, rounds: 2, privacy: terms } as TaskBody;

  it('needs no round for standardising, and with enough sites still learns', async () => {
    const sites = Array.from({ length: 40 }, (_, site) => siteTable(site % 5));
    const many = { ...noisy, sitesMin: 40, sitesMax: 40 } as TaskBody;
    expect(await aucOf(await run(many, model, sites))).toBeGreaterThan(0.9);
  });

  it('per patient learns more at the same epsilon, since there are more of them', async () => {
    const perPatient = { ...noisy, privacy: { ...terms, unit: 'patient' } } as TaskBody;
    expect(await aucOf(await run(perPatient, model))).toBeGreaterThan(0.85);
  });

  it('gives another vector for another secret, and says nothing of clipping', async () => {
    const local = createTrainingWork({ model, records: { tableOf: async () => siteTable(0) } });
    const at = { taskId: 'a'.repeat(64), task: noisy, round: 1, attempt: 1, input: local.firstInput(noisy) };
    const one = await local.contribute(at, { random: createSeededRandom(1) });
    const other = await local.contribute(at, { random: createSeededRandom(2) });
    expect(one.vector).not.toEqual(other.vector);
    expect(one.clipped).toBe(0);
  });
});

describe('what is refused', () => {
  const at = async (round: number, of = task): Promise<RoundOfWork> => {
    const combine = createTrainingCombine({ model: createLogisticModel() });
    let input = combine.firstInput(of);
    const first = { taskId: 'a'.repeat(64), task: of, round: 1, attempt: 1, input };
    if (round > 1)
      input = await combine.combine(first, { vector: await sumOf(first, createLogisticModel()), sites: 5 });
    return { ...first, round, input };
  };

  it('a sum that honest sites cannot have sent', async () => {
    const combine = createTrainingCombine({ model: createLogisticModel() });
    const round = await at(2);
    const vector = await sumOf(round, createLogisticModel());
    await expect(async () => combine.combine(round, { vector: vector.slice(1), sites: 5 })).rejects.toThrow('length');
    const scaled = vector.with(2, 1_500_000_000);
    await expect(async () => combine.combine(round, { vector: scaled, sites: 5 })).rejects.toThrow('norm');
    await expect(async () => combine.combine(round, { vector: vector.with(0, 0), sites: 5 })).rejects.toThrow('shares');
    await expect(async () =>
      combine.combine(await at(1), { vector: vector.with(1, 0x7fff_ffff), sites: 5 }),
    ).rejects.toThrow('moments');
  });

  it('a training that went astray is scaled to the range, and one that gave no numbers stays at home', async () => {
    const plain = createLogisticModel();
    const local = (weights: Float64Array) =>
      createTrainingWork({ model: { ...plain, train: () => weights }, records: { tableOf: async () => siteTable(0) } });
    const round = await at(2);
    const random = createSeededRandom(1);
    const wild = await local(Float64Array.of(1e6, -1e6, 0, 0)).contribute(round, { random });
    expect(wild.clipped).toBe(4);
    const norm = Math.hypot(...Array.from(wild.vector.subarray(1), (value) => (value | 0) / task.sum.steps));
    expect(norm).toBeLessThanOrEqual((8 * 200) / 16_384 + 1e-4);
    await expect(local(Float64Array.of(Number.NaN, 0, 0, 0)).contribute(round, { random })).rejects.toThrow('finite');
    await expect(local(Float64Array.of(1)).contribute(round, { random })).rejects.toThrow('as many');
  });

  it.each([
    ['family', { work: { ...work, model: { ...work.model, family: 'rhythm' } } }],
    ['epochs', { work: { ...work, localEpochs: 101 } }],
    ['batches', { work: { ...work, batchSize: 0 } }],
    ['rates', { work: { ...work, learningRate: Number.NaN } }],
    ['inputs', { work: { ...work, model: { ...work.model, inputs: 5000 } } }],
    ['number of parameters', { work: { ...work, model: { ...work.model, parameters: 1e9 } } }],
    ['hidden', { work: { ...work, model: { ...work.model, hidden: [3] } } }],
    ['weight per input', { work: { ...work, model: { ...work.model, parameters: 5 } } }],
    ['columns', { query: { ...task.query, columns: ['x'] } }],
    ['32 bits', { sum: { ...task.sum, steps: 2 ** 30 } }],
    ['standardises', { rounds: 1 }],
    ['no training', { work: { kind: 'survey', questions: [] } }],
    ['norm', { privacy: { epsilonMax: 8, delta: 1e-5, normMax: 9, noiseMultiplier: 1, unit: 'site' } }],
  ])('a task that is none of the model’s: %s', (word, changes) => {
    const local = createTrainingWork({ model: createLogisticModel(), records: { tableOf: async () => siteTable(0) } });
    expect(() => local.vectorLength({ ...task, ...changes } as TaskBody)).toThrow(word);
  });

  it('a site without records, and a state that is none', async () => {
    const empty = { ...siteTable(0, 0) };
    const local = createTrainingWork({ model: createLogisticModel(), records: { tableOf: async () => empty } });
    const round = await at(2);
    await expect(local.contribute(round, { random: createSeededRandom(1) })).rejects.toThrow('no record');
    const broken = {
      ...round,
      input: encodeState({ ...decodeState(round.input, shape), weights: Float32Array.of(1, 2, 3, Number.NaN) }),
    };
    await expect(local.contribute(broken, { random: createSeededRandom(1) })).rejects.toThrow('no numbers');
  });
});

describe('an evaluation', () => {
  it('tells figures of both models and patients in tens, and nothing where one label is missing', async () => {
    const state = decodeState(await run(task), shape);
    const model = createLogisticModel();
    const told = await evaluateAtSite(model, state, {
      table: siteTable(0),
      running: { ...state, weights: new Float32Array(4) },
    });
    expect(told).toMatchObject({ runningAuc: 0.5, patients: 0 });
    expect(told?.auc).toBeGreaterThan(0.9);
    const oneLabel = { ...siteTable(0), labels: new Uint8Array(200) };
    expect(await evaluateAtSite(model, state, { table: oneLabel, running: null })).toBeNull();
  });

  it('counts ties half', () => {
    expect(areaUnderCurve(Float64Array.of(0.5, 0.5), Uint8Array.of(1, 0))).toBe(0.5);
    expect(areaUnderCurve(Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4), Uint8Array.of(1, 1, 0, 1, 0, 0))).toBeCloseTo(
      8 / 9,
    );
  });
});
