import { createSeededRandom } from '@pulsemesh/base';
import type { PrivacyTerms, TrainingWork } from '@pulsemesh/board';
import {
  createLogisticModel,
  type LearningTable,
  type LocalModel,
  multiplierFor,
  rowCountOf,
} from '@pulsemesh/learning';
import {
  createSharedRhythmModel,
  defaultTrainerOptions,
  type RecordedWindows,
  sharedParameterCount,
  trainNetwork,
} from '@pulsemesh/vitals/model';
import { aucOn, runFederated, splitByPatient } from './federated-run.ts';

/** How a training among sites is set up. */
export interface Setting {
  readonly name: string;
  readonly family: 'rhythm' | 'logistic';
  readonly rounds: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Null: no noise. */
  readonly unit: PrivacyTerms['unit'] | null;
}

const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1 } as const;

/** The first is the one that the figure is about; its first round standardises. */
export const settings: readonly Setting[] = [
  { name: 'rhythm', family: 'rhythm', rounds: 13, learningRate: 5e-3, weightDecay: 0.6, unit: null },
  { name: 'logistic', family: 'logistic', rounds: 11, learningRate: 0.3, weightDecay: 0, unit: null },
  { name: 'logistic, noise per site', family: 'logistic', rounds: 3, learningRate: 0.5, weightDecay: 0, unit: 'site' },
  {
    name: 'logistic, noise per patient',
    family: 'logistic',
    rounds: 10,
    learningRate: 0.5,
    weightDecay: 0,
    unit: 'patient',
  },
  { name: 'rhythm, noise per site', family: 'rhythm', rounds: 3, learningRate: 5e-3, weightDecay: 0.6, unit: 'site' },
  {
    name: 'rhythm, noise per patient',
    family: 'rhythm',
    rounds: 10,
    learningRate: 5e-3,
    weightDecay: 0.6,
    unit: 'patient',
  },
];

/** Areas under the curve on patients of no site, one split. */
export interface SplitFigures {
  readonly seed: number;
  readonly heldWindows: number;
  /** The product's own trainer on all sites' records in one place. */
  readonly pooled: number;
  /** The same at each site alone: their mean. */
  readonly aloneMean: number;
  /** By the settings' names. */
  readonly federated: Readonly<Record<string, number>>;
}

export interface FigureOptions {
  readonly seed: number;
  readonly sites: number;
  readonly patientsPerSite: number;
  readonly settings: readonly Setting[];
}

/** One split of the patients by `seed`, and what each way of training makes of it. Deterministic. */
export async function figuresOf(recordings: readonly RecordedWindows[], options: FigureOptions): Promise<SplitFigures> {
  const split = splitByPatient(recordings, options);
  const rhythm = createSharedRhythmModel();
  const models: Readonly<Record<Setting['family'], LocalModel>> = {
    rhythm,
    logistic: createLogisticModel(rhythm.publicStandardisation()),
  };
  const central = async (table: LearningTable) => {
    const network = trainNetwork(trainingSetOf(table), defaultTrainerOptions, createSeededRandom(1));
    const weights = Float32Array.from(network.layers.flatMap((layer) => [...layer.weights, ...layer.biases]));
    const state = { means: Float32Array.from(network.means), scales: Float32Array.from(network.scales), weights };
    return await aucOn(rhythm, state, split.held);
  };
  const pooled = await central(split.pooled);
  let alone = 0;
  for (const table of split.sites) alone += (await central(table)) / split.sites.length;
  const federated: Record<string, number> = {};
  for (const setting of options.settings) {
    const model = models[setting.family];
    const state = await runFederated(split.sites, runOf(setting), { model });
    federated[setting.name] = await aucOn(model, state, split.held);
  }
  return { seed: options.seed, heldWindows: rowCountOf(split.held), pooled, aloneMean: alone, federated };
}

function trainingSetOf({ values, labels, columns }: LearningTable) {
  return { features: values, labels, weights: new Float64Array(labels.length).fill(1), featureCount: columns.length };
}

function runOf({ family, rounds, learningRate, weightDecay, unit }: Setting) {
  const hidden = family === 'rhythm' ? defaultTrainerOptions.hidden : [];
  const work: TrainingWork = {
    kind: 'training',
    model: { family, inputs: 23, hidden, parameters: sharedParameterCount(hidden) },
    algorithm: 'fedavg',
    proximal: 0,
    localEpochs: 1,
    batchSize: 128,
    learningRate,
    weightDecay,
    seed: 1,
  };
  const { epsilonMax, delta } = privacy;
  const terms = unit === null ? null : { ...privacy, unit, noiseMultiplier: multiplierFor(epsilonMax, delta, rounds) };
  return { work, rounds, privacy: terms };
}
