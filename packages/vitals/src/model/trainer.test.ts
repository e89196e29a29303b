import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { scoreOf } from './network.ts';
import { areaUnderCurve, sensitivityAt } from './scoring.ts';
import {
  continueTraining,
  createNetwork,
  standardisationOf,
  type TrainerOptions,
  type TrainingSet,
  trainNetwork,
} from './trainer.ts';

const options: TrainerOptions = { hidden: [8, 4], epochs: 12, batchSize: 32, learningRate: 1e-2, weightDecay: 1e-2 };

/** Points of the plane, labelled by whether they lie within a ring: no line parts them. A third column never changes. */
function ring(count: number, seed: number): TrainingSet {
  const random = createSeededRandom(seed);
  const features = new Float64Array(count * 3);
  const labels = new Uint8Array(count);
  for (let row = 0; row < count; row += 1) {
    const [x, y] = [random.normal(), random.normal()];
    features.set([x, y, 7], row * 3);
    labels[row] = x * x + y * y < 1.2 ? 1 : 0;
  }
  return { features, labels, weights: new Float64Array(count).fill(1), featureCount: 3 };
}

describe('the trainer', () => {
  it('learns what no line can part', () => {
    const network = trainNetwork(ring(2000, 1), options, createSeededRandom(1));
    const test = ring(500, 2);
    const scores = Array.from(test.labels, (_, row) => scoreOf(network, test.features.subarray(row * 3, row * 3 + 3)));
    expect(areaUnderCurve(scores, test.labels)).toBeGreaterThan(0.98);
  });

  it('gives the same network bit for bit for the same seed, and another for another', () => {
    const train = (seed: number) => trainNetwork(ring(300, 1), { ...options, epochs: 2 }, createSeededRandom(seed));
    expect(train(1)).toEqual(train(1));
    expect(train(1)).not.toEqual(train(2));
  });

  it('goes downhill: the longer it trains, the smaller the loss', () => {
    const set = ring(40, 5);
    const loss = (network: ReturnType<typeof trainNetwork>) =>
      set.labels.reduce((sum, label, row) => {
        const score = scoreOf(network, set.features.subarray(row * 3, row * 3 + 3));
        return sum - Math.log(label === 1 ? score : 1 - score);
      }, 0);
    const steps = { ...options, batchSize: 40, weightDecay: 0, learningRate: 1e-3 };
    const losses = [1, 5, 20].map((epochs) => loss(trainNetwork(set, { ...steps, epochs }, createSeededRandom(3))));
    expect(losses[1]).toBeLessThan(losses[0] as number);
    expect(losses[2]).toBeLessThan(losses[1] as number);
  });

  it('goes on from a network with its standardisation, and leaves that network as it is', () => {
    const set = ring(400, 1);
    const start = createNetwork([8, 4], standardisationOf(ring(50, 9)), createSeededRandom(1));
    const before = structuredClone(start);
    const steps = { ...options, epochs: 1, from: 0, until: 0.5, proximal: 0 };
    const half = continueTraining(start, set, steps, createSeededRandom(2));
    const whole = continueTraining(half, set, { ...steps, from: 0.5, until: 1 }, createSeededRandom(3));
    expect(start).toEqual(before);
    expect(whole.means).toEqual(start.means);
    const area = (network: ReturnType<typeof trainNetwork>) => {
      const scores = Array.from(set.labels, (_, row) => scoreOf(network, set.features.subarray(row * 3, row * 3 + 3)));
      return areaUnderCurve(scores, set.labels) ?? 0;
    };
    expect(area(whole)).toBeGreaterThan(area(start));
    expect(continueTraining(start, set, steps, createSeededRandom(2))).toEqual(half);
  });

  it('stays the nearer to where it started, the stronger it is held', () => {
    const set = ring(300, 4);
    const start = createNetwork([8], standardisationOf(set), createSeededRandom(1));
    const distance = (proximal: number) => {
      const by = { ...options, epochs: 4, weightDecay: 0, from: 0, until: 0, proximal };
      const end = continueTraining(start, set, by, createSeededRandom(2));
      const [one, other] = [start.layers[0]?.weights ?? [], end.layers[0]?.weights ?? []];
      return Math.hypot(...Array.from(one, (weight, index) => weight - (other[index] ?? 0)));
    };
    expect(distance(1)).toBeLessThan(distance(0.01));
    expect(distance(0.01)).toBeLessThan(distance(0));
  });

  it('takes an empty set for a bug', () => {
    const empty = {
      features: new Float64Array(),
      labels: new Uint8Array(),
      weights: new Float64Array(),
      featureCount: 3,
    };
    expect(() => trainNetwork(empty, options, createSeededRandom(1))).toThrow('training set');
  });
});

describe('figures about scores', () => {
  const labels = [1, 1, 0, 1, 0, 0];
  const scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4];

  it('are those counted by hand', () => {
    expect(areaUnderCurve(scores, labels)).toBeCloseTo(8 / 9);
    expect(sensitivityAt(0.99, scores, labels)).toBeCloseTo(2 / 3);
    expect(sensitivityAt(0.6, scores, labels)).toBe(1);
  });

  it('count ties half and never split them by a threshold', () => {
    expect(areaUnderCurve([0.5, 0.5], [1, 0])).toBe(0.5);
    expect(sensitivityAt(0.95, [0.5, 0.5], [1, 0])).toBe(0);
  });

  it('are null where a label does not occur', () => {
    expect(areaUnderCurve([0.1], [1])).toBeNull();
    expect(sensitivityAt(0.95, [0.1], [0])).toBeNull();
  });
});
