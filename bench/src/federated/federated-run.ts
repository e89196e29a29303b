import { createSeededRandom } from '@pulsemesh/base';
import type { TaskBody, TrainingWork } from '@pulsemesh/board';
import {
  areaUnderCurve,
  createTrainingCombine,
  createTrainingWork,
  decodeState,
  type LearningTable,
  type LocalModel,
  type ModelState,
} from '@pulsemesh/learning';
import { featureNames, patientOf, type RecordedWindows } from '@pulsemesh/vitals/model';
import { sumInProcess } from './in-process-sum.ts';

/** Patients of each site, and of no site. */
export interface Split {
  readonly sites: readonly LearningTable[];
  readonly pooled: LearningTable;
  readonly held: LearningTable;
}

/** Deals patients, in an order that follows from the seed, over the sites; the rest belong to none. */
export function splitByPatient(
  recordings: readonly RecordedWindows[],
  options: { readonly sites: number; readonly patientsPerSite: number; readonly seed: number },
): Split {
  const names = [...new Set(recordings.map(({ name }) => patientOf(name)))].sort();
  const order = createSeededRandom(options.seed).shuffle(names);
  const dealt = options.sites * options.patientsPerSite;
  const siteOf = new Map(order.map((name, index) => [name, index < dealt ? index % options.sites : -1]));
  const tableFor = (isWanted: (site: number) => boolean) =>
    tableOfRecordings(recordings.filter(({ name }) => isWanted(siteOf.get(patientOf(name)) ?? -1)));
  return {
    sites: Array.from({ length: options.sites }, (_, index) => tableFor((site) => site === index)),
    pooled: tableFor((site) => site !== -1),
    held: tableFor((site) => site === -1),
  };
}

/** All usable, labelled windows of the recordings. */
export function tableOfRecordings(recordings: readonly RecordedWindows[]): LearningTable {
  const columns: readonly string[] = featureNames;
  const patients = [...new Set(recordings.map(({ name }) => patientOf(name)))];
  const rows = recordings.flatMap((recording) =>
    Array.from(recording.labels.keys())
      .filter((index) => recording.usable[index] === 1 && recording.labels[index] !== -1)
      .map((index) => ({ recording, index })),
  );
  const values = new Float64Array(rows.length * columns.length);
  for (const [row, { recording, index }] of rows.entries()) {
    values.set(recording.features.subarray(index * columns.length, (index + 1) * columns.length), row * columns.length);
  }
  return {
    columns,
    values,
    labels: Uint8Array.from(rows, ({ recording, index }) => recording.labels[index] as number), // index is the recording's
    patients,
    patientOfRow: Uint32Array.from(rows, ({ recording }) => patients.indexOf(patientOf(recording.name))),
  };
}

/** What of a task a run differs in. */
export interface RunOptions {
  readonly work: TrainingWork;
  readonly rounds: number;
  readonly privacy: TaskBody['privacy'];
}

/** A whole training among the sites: each round's sum goes through a real secure sum. Gives the model. */
export async function runFederated(
  sites: readonly LearningTable[],
  options: RunOptions,
  { model }: { readonly model: LocalModel },
): Promise<ModelState> {
  const task = taskOf(sites.length, options);
  const taskId = 'f'.repeat(64);
  const combine = createTrainingCombine({ model });
  const works = sites.map((table) => createTrainingWork({ model, records: { tableOf: async () => table } }));
  let input = combine.firstInput(task);
  for (let number = 1; number <= task.rounds; number += 1) {
    const round = { taskId, task, round: number, attempt: 1, input };
    const vectors: Uint32Array[] = [];
    for (const [site, work] of works.entries()) {
      const random = createSeededRandom(options.work.seed * 1_000_000 + number * 1000 + site);
      vectors.push((await work.contribute(round, { random })).vector);
    }
    const vector = await sumInProcess(vectors, { task: taskId, round: number });
    input = await combine.combine(round, { vector, sites: sites.length });
  }
  return decodeState(input, options.work.model);
}

/** Area under the curve on patients of no site. */
export async function aucOn(model: LocalModel, state: ModelState, table: LearningTable): Promise<number> {
  return areaUnderCurve(await model.scores(state, table), table.labels) ?? Number.NaN;
}

function taskOf(sites: number, { work, rounds, privacy }: RunOptions): TaskBody {
  return {
    title: 'Rhythm',
    purpose: 'research/rhythm',
    work,
    query: { name: 'rhythm-windows', version: 1, columns: featureNames },
    invited: [],
    aggregator: null,
    sitesMin: sites,
    sitesMax: sites,
    sum: { range: 16, steps: 2 ** 20, neighbours: 'all', threshold: Math.ceil((sites * 2) / 3) },
    privacy,
    rounds,
    stepMs: 60_000,
    deadlineMs: 2 ** 42,
    codeHash: '0'.repeat(64),
  };
}
