import { Condition } from '@pulsemesh/base';
import type { PrivacyTerms, SumTerms, SurveyQuestion, TaskBody } from '@pulsemesh/board';
import { customarySumGraph, type DataQuery, fixedPointFault, multiplierFor, noiseFault } from '@pulsemesh/learning';
import { defaultTrainerOptions, sharedParameterCount } from '@pulsemesh/vitals/model';
import type { PeerId } from '@pulsemesh/wire';

/** What every task says, whatever it computes. */
export interface StudyTerms {
  readonly title: string;
  /** That consents must name. */
  readonly purpose: string;
  readonly query: DataQuery;
  /** Null: the sites among themselves, at most ten. */
  readonly aggregator: PeerId | null;
  /** Empty: whoever enrolled a key. */
  readonly invited: readonly PeerId[];
  readonly sitesMin: number;
  readonly sitesMax: number;
  readonly stepMs: number;
  readonly deadlineMs: number;
  readonly codeHash: string;
  /** How much noise; null: none. */
  readonly noise: NoiseTerms | null;
  /** What a site's values are clipped to; absent: a customary one. */
  readonly range?: number;
}

/** The budget of a task over all its rounds. */
export interface NoiseTerms {
  readonly epsilon: number;
  readonly delta: number;
  readonly unit: PrivacyTerms['unit'];
  /** Longest vector of a unit. */
  readonly normMax: number;
}

/** A training's own terms. */
export interface TrainingTerms {
  readonly family: 'rhythm' | 'logistic';
  /** Of training; one more that standardises comes before them where there is no noise. */
  readonly rounds: number;
  readonly localEpochs: number;
  readonly seed: number;
  /** FedProx's µ; 0: plain averaging. */
  readonly proximal: number;
  /** Absent: the family's customary step. */
  readonly learningRate?: number;
}

/** The terms contradict each other, or no sum can be made under them. */
export class StudyUnfitError extends Condition {
  override readonly name = 'StudyUnfitError';
  constructor(why: string) {
    super('study-unfit', `no task can be made of these terms: ${why}`);
  }
}

/**
 * Adam starts anew in each round at each site, so its step is larger than that of one long training: with 0.002 a model of five rounds
 * is 0.002 below on the demo's recordings, with 0.005 it is 0.001 (area under the curve).
 */
const rhythmLearningRate = 5e-3;
const logisticLearningRate = { exact: 0.3, noisy: 0.5 } as const;

/** A task that trains a model over several sites: the rhythm network, or a logistic regression over any query with labels. @throws {StudyUnfitError}. */
export function trainingTask(terms: StudyTerms, training: TrainingTerms): TaskBody {
  const { family, localEpochs, seed, proximal } = training;
  const { query, noise } = terms;
  if (query.label === null) throw new StudyUnfitError('a training needs a query with labels');
  const isRhythm = family === 'rhythm';
  const hidden = isRhythm ? defaultTrainerOptions.hidden : [];
  const inputs = query.columns.length;
  const parameters = isRhythm ? sharedParameterCount(hidden) : inputs + 1;
  const usualRate = isRhythm ? rhythmLearningRate : logisticLearningRate[noise === null ? 'exact' : 'noisy'];
  const rounds = training.rounds + (noise === null ? 1 : 0);
  return {
    ...commonOf(terms, rounds, trainingRange),
    work: {
      kind: 'training',
      model: { family, inputs, hidden, parameters },
      algorithm: proximal > 0 ? 'fedprox' : 'fedavg',
      proximal,
      localEpochs,
      batchSize: defaultTrainerOptions.batchSize,
      learningRate: training.learningRate ?? usualRate,
      weightDecay: isRhythm ? defaultTrainerOptions.weightDecay : 0,
      seed,
    },
  };
}

/** A task that asks questions of several sites' records, in one round. @throws {StudyUnfitError}. */
export function surveyTask(terms: StudyTerms, questions: readonly SurveyQuestion[]): TaskBody {
  const unknown = questions.find(({ column }) => terms.query.columns.every(({ name }) => name !== column));
  if (unknown !== undefined) throw new StudyUnfitError(`the query has no column ${unknown.column}`);
  return { ...commonOf(terms, 1, surveyRange), work: { kind: 'survey', questions } };
}

/** Updates are a few units long. */
const trainingRange = 16;
/** Counts of a site's patients. */
const surveyRange = 100_000;
/** With noise per patient a site's sum grows with its patients. */
const noisyPatientsMax = 10_000;

function commonOf(terms: StudyTerms, rounds: number, usualRange: number): Omit<TaskBody, 'work'> {
  const { query, noise, range, ...common } = terms;
  const { name, version, columns } = query;
  const privacy = noise === null ? null : privacyOf(noise, rounds);
  const noisyRange = noise === null ? 0 : noise.normMax * (noise.unit === 'patient' ? noisyPatientsMax : 1);
  return {
    ...common,
    rounds,
    privacy,
    query: { name, version, columns: columns.map((column) => column.name) },
    sum: sumTermsOf(terms, privacy, range ?? (noise === null ? usualRange : noisyRange)),
  };
}

function privacyOf({ epsilon, delta, unit, normMax }: NoiseTerms, rounds: number): PrivacyTerms {
  const noiseMultiplier = multiplierFor(epsilon, delta, rounds);
  return { epsilonMax: epsilon, delta, normMax, noiseMultiplier, unit };
}

/** Finer steps say nothing more in single precision. */
const stepsMax = 2 ** 22;

/** The finest steps with which no sum of all sites can go round. */
function sumTermsOf(
  { sitesMin, sitesMax }: Pick<StudyTerms, 'sitesMin' | 'sitesMax'>,
  privacy: PrivacyTerms | null,
  range: number,
): SumTerms {
  const threshold = Math.max(2, Math.ceil((2 * sitesMin) / 3));
  const { neighbours } = customarySumGraph(sitesMax);
  let fault: string | null = null;
  for (let steps = stepsMax; steps >= 1; steps /= 2) {
    const sum = { range, steps, neighbours, threshold };
    fault =
      privacy === null
        ? fixedPointFault({ range, steps, sites: sitesMax })
        : noiseFault({ sitesMin, sitesMax, sum, privacy });
    if (fault === null) return sum;
  }
  throw new StudyUnfitError(fault ?? 'range');
}
