import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { TaskBody } from '@pulsemesh/board';
import { type LearningTable, rowCountOf, rowsOfPatient } from '../data/table.ts';
import { addTruncated, clippedToNorm, noisyVector } from '../privacy/noise.ts';
import type { Contribution, LocalWork, RoundOfWork } from '../rounds/work.ts';
import { encodeFixedPoint } from '../secure-sum/index.ts';
import { TrainingError } from './errors.ts';
import { patientCountOf } from './evaluation.ts';
import {
  firstStateOf,
  patientCountShare,
  standardisedValueMax,
  type TrainingTask,
  trainingTaskOf,
  weightRecordsMax,
} from './layout.ts';
import type { LocalModel } from './local-model.ts';
import { decodeState, isStandardised, type ModelState } from './model-state.ts';

/** Gives the rows that a task may use at this site now: of patients whose consent names its purpose and is in force. */
export interface TaskRecords {
  /** @throws when there are none, or they cannot be read: the site sits the attempt out. */
  tableOf(task: TaskBody, taskId: string): Promise<LearningTable>;
}

/**
 * What a site does in a round of federated averaging (McMahan et al. 2017) or FedProx (Li et al. 2020): trains on from the shared weights
 * and gives the difference. Without privacy terms it counts by its records, and the first round sums means and variances; with
 * them, one vector per site, or per patient, is scaled to the norm and noise is added. The difference's L2 norm never passes
 * the range of the sum (or the terms' norm): a training that went astray moves the others by no more.
 */
export function createTrainingWork({
  model,
  records,
}: {
  readonly model: LocalModel;
  readonly records: TaskRecords;
}): LocalWork {
  return {
    vectorLength: (task) => trainingTaskOf(task, model).vectorLength,
    firstInput: (task) => firstStateOf(task, model),
    async contribute(round, { random }) {
      const training = trainingTaskOf(round.task, model);
      const { inputs, parameters } = training.work.model;
      const state = decodeState(round.input, { inputs, parameters });
      const table = await records.tableOf(round.task, round.taskId);
      if (rowCountOf(table) === 0)
        throw new TrainingError('training-no-records', 'no record may be used for this task');
      const patients = patientCountOf(table);
      if (training.privacy === null && !isStandardised(state))
        return { ...encoded(momentsOf(table, training, round.task.sum), round.task), patients };
      const train = (rows: LearningTable) => updateOf(model, state, rows, { round, training });
      if (training.privacy === null) return { ...(await weightedUpdate(table, round, training, train)), patients };
      const steps = await protectedSteps(table, { ...round.task, privacy: training.privacy }, training, train);
      const task = { ...round.task, privacy: training.privacy };
      // How many values were clipped would tell of the records: with privacy terms nothing is said of it.
      return { vector: noisyVector(steps, task, { random }), clipped: 0, patients };
    },
  };
}

type Train = (rows: LearningTable) => Promise<Float64Array>;

async function updateOf(
  model: LocalModel,
  state: ModelState,
  rows: LearningTable,
  { round, training }: { readonly round: RoundOfWork; readonly training: TrainingTask },
): Promise<Float64Array> {
  const skipped = Number(training.isStandardising);
  const [done, count] = [round.round - 1 - skipped, round.task.rounds - skipped];
  const after = await model.train(state, rows, {
    work: training.work,
    from: done / count,
    until: (done + 1) / count,
    random: trainingRandom(training, round.round),
  });
  if (after.length !== state.weights.length || !after.every(Number.isFinite))
    throw new TrainingError('training-update-malformed', 'the model gave no finite weights, or not as many as it got');
  return Float64Array.from(after, (weight, index) => weight - (state.weights[index] as number)); // equal lengths
}

/** Same task and round, same order of records: what a site trains can be repeated and checked by its owner. */
function trainingRandom({ work }: TrainingTask, round: number): Random {
  return createSeededRandom((work.seed * 1_000_003 + round) >>> 0);
}

async function weightedUpdate(
  table: LearningTable,
  { task }: RoundOfWork,
  training: TrainingTask,
  train: Train,
): Promise<Omit<Contribution, 'patients'>> {
  const share = shareOf(table);
  const { values: update, isClipped } = clippedToNorm(await train(table), task.sum.range);
  const vector = new Float64Array(training.vectorLength);
  vector[0] = share;
  for (const [index, value] of update.entries()) vector[1 + index] = share * value;
  const { vector: words, clipped } = encoded(vector, task);
  return { vector: words, clipped: isClipped ? update.length : clipped };
}

function encoded(values: Float64Array, { sum, sitesMax }: TaskBody): Omit<Contribution, 'patients'> {
  const { words, clipped } = encodeFixedPoint(values, { ...sum, sites: sitesMax });
  return { vector: words, clipped };
}

function shareOf(table: LearningTable): number {
  return Math.min(1, rowCountOf(table) / weightRecordsMax);
}

/** Whole steps of what is protected: the site's update, or one of each patient with its count before it. */
async function protectedSteps(
  table: LearningTable,
  { sum, privacy }: { readonly sum: TaskBody['sum']; readonly privacy: NonNullable<TaskBody['privacy']> },
  training: TrainingTask,
  train: Train,
): Promise<Float64Array> {
  const steps = new Float64Array(training.vectorLength);
  if (privacy.unit === 'site') {
    addTruncated(steps, clippedToNorm(await train(table), privacy.normMax).values, sum.steps);
    return steps;
  }
  const updateNormMax = privacy.normMax * Math.sqrt(1 - patientCountShare ** 2);
  for (const patient of new Set(table.patientOfRow)) {
    const update = clippedToNorm(await train(rowsOfPatient(table, patient)), updateNormMax).values;
    const vector = Float64Array.of(privacy.normMax * patientCountShare, ...update);
    addTruncated(steps, vector, sum.steps);
  }
  return steps;
}

/**
 * The site's share of means and mean squares, four values per input: each is given in steps and, so that small variances beside a large
 * range are not lost in the rounding, what the rounding left over, magnified to a whole unit.
 */
function momentsOf(table: LearningTable, training: TrainingTask, { steps }: TaskBody['sum']): Float64Array {
  const width = table.columns.length;
  const rows = rowCountOf(table);
  const moments = new Float64Array(2 * width);
  for (const [index, value] of table.values.entries()) {
    const scaled = Math.max(-1, Math.min(1, value / standardisedValueMax));
    const column = index % width;
    moments[column] = (moments[column] as number) + scaled / rows; // column < width
    moments[width + column] = (moments[width + column] as number) + (scaled * scaled) / rows;
  }
  const share = shareOf(table);
  const vector = new Float64Array(training.vectorLength);
  vector[0] = share;
  for (const [index, moment] of moments.entries()) {
    const whole = Math.round(share * moment * steps);
    vector[1 + index] = whole / steps;
    vector[1 + 2 * width + index] = share * moment * steps - whole;
  }
  return vector;
}
