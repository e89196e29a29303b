// What a site that lies about its records, or about its update, can do to the others, and what it cannot.

import { createSeededRandom } from '@pulsemesh/base';
import type { TaskBody, TrainingWork } from '@pulsemesh/board';
import { describe, expect, it } from 'vitest';
import type { LearningTable } from '../data/table.ts';
import { areaUnderCurve } from './evaluation.ts';
import type { LocalModel } from './local-model.ts';
import { createLogisticModel } from './logistic.ts';
import { decodeState } from './model-state.ts';
import { createTrainingCombine } from './training-combine.ts';
import { createTrainingWork } from './training-work.ts';

const siteCount = 20;
const work: TrainingWork = {
  kind: 'training',
  model: { family: 'logistic', inputs: 4, hidden: [], parameters: 5 },
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
  query: { name: 'points', version: 1, columns: ['a', 'b', 'c', 'd'] },
  sitesMin: 3,
  sitesMax: siteCount,
  // The range bounds each update's norm: near what honest sites send, so that others cannot send much more.
  sum: { range: 1.5, steps: 2 ** 20, neighbours: 'all', threshold: 14 },
  privacy: null,
  rounds: 6,
} as unknown as TaskBody; // what training reads of a task

function siteTable(site: number): LearningTable {
  const random = createSeededRandom(500 + site);
  const values = Float64Array.from({ length: 200 * 4 }, () => random.normal());
  const labels = Uint8Array.from({ length: 200 }, (_, row) => {
    const [a = 0, b = 0, c = 0] = values.subarray(row * 4);
    return a + b - c + random.normal() > 0 ? 1 : 0;
  });
  return { columns: task.query.columns, values, labels, patients: ['p'], patientOfRow: new Uint32Array(200) };
}

type Attack = (
  honest: LearningTable,
  model: LocalModel,
) => { readonly table: LearningTable; readonly model: LocalModel };

const flippedLabels: Attack = (table, model) => ({
  table: { ...table, labels: table.labels.map((label) => 1 - label) },
  model,
});
const flippedSign: Attack = (table, model) => ({
  table,
  model: {
    ...model,
    train: async (state, rows, settings) => {
      const after = await model.train(state, rows, settings);
      return Float64Array.from(after, (weight, index) => 2 * (state.weights[index] ?? 0) - weight);
    },
  },
});
const hugeNoise: Attack = (table, model) => ({
  table,
  model: { ...model, train: (state, _, { random }) => Float64Array.from(state.weights, () => 1e6 * random.normal()) },
});

async function aucUnder(attackers: number, attack: Attack): Promise<number> {
  const honest = createLogisticModel();
  const combine = createTrainingCombine({ model: honest });
  const works = Array.from({ length: siteCount }, (_, site) => {
    const given = site < attackers ? attack(siteTable(site), honest) : { table: siteTable(site), model: honest };
    return createTrainingWork({ model: given.model, records: { tableOf: async () => given.table } });
  });
  let input = combine.firstInput(task);
  for (let round = 1; round <= task.rounds; round += 1) {
    const at = { taskId: 'a'.repeat(64), task, round, attempt: 1, input };
    const sum = new Uint32Array(combine.vectorLength(task));
    for (const local of works) {
      const { vector } = await local.contribute(at, { random: createSeededRandom(1) });
      for (const [index, value] of vector.entries()) sum[index] = (sum[index] ?? 0) + value;
    }
    input = await combine.combine(at, { vector: sum, sites: siteCount });
  }
  const held = siteTable(99);
  const scores = await honest.scores(decodeState(input, work.model), held);
  return areaUnderCurve(scores, held.labels) ?? 0;
}

describe('poisoning by sites that run our program on false records or with a false model', () => {
  it.each([
    ['flipped labels', 6, flippedLabels],
    ['updates with the sign turned', 6, flippedSign],
    ['noise of a million', 2, hugeNoise],
  ] as const)('%s, of %d in 20: costs less than 3 points', async (_, attackers, attack) => {
    const clean = await aucUnder(0, flippedLabels);
    expect(clean).toBeGreaterThan(0.85);
    expect(await aucUnder(attackers, attack)).toBeGreaterThan(clean - 0.03);
  });
});
