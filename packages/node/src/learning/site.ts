import type { BoardEntry, ContractBody, TaskBody } from '@pulsemesh/board';
import {
  type AloneEnd,
  accountant,
  type ColumnDrift,
  type Company,
  type DurablePrivacyBook,
  decodeState,
  evaluateAtSite,
  type ModelState,
  type OwnerEnd,
  type Party,
  runAlone,
  runOwner,
  type SiteRecords,
} from '@pulsemesh/learning';
import { decodeOnnx, encodeOnnx, modelInService, networkOfState, putIntoService } from '@pulsemesh/vitals/model';
import { contentId } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';
import type { Learner } from './learner.ts';
import { keepResult } from './task-results.ts';
import { combineOfTask, modelOfTask, workOfTask } from './work-of-task.ts';

/** What a site brings to tasks. */
export interface Site {
  readonly records: SiteRecords;
  readonly book: DurablePrivacyBook;
  /** Absent: sums with whomever a task admits. */
  readonly company?: Company;
  readonly limits: NonNullable<ContractBody['limits']>;
  /** Folders of models in service that a better model goes into; the first one's is what it is compared with. Empty: none. */
  readonly models: readonly string[];
  /** How much worse on this site's records a model may be and still go into service, as area under the curve. */
  readonly tolerance: number;
}

/** How a task went at a site. */
export interface SiteRun {
  readonly end: Pick<OwnerEnd | AloneEnd, 'kind' | 'attempts' | 'result'>;
  readonly comparison: ModelComparison | null;
  /** How far its records differ from what the shipped model was trained on, strongest first; empty where that is not known. */
  readonly drift: readonly ColumnDrift[];
  /** Whether the model went into service here. */
  readonly isInService: boolean;
}

/** A model and the one in service, on the same records of a site. */
export interface ModelComparison {
  readonly auc: number;
  /** Null: none of that kind is in service here. */
  readonly runningAuc: number | null;
  readonly patients: number;
}

/**
 * Takes part in a task from the contract to the model: signs, computes, sums, keeps what came out, compares a model with what runs here on
 * the site's own records, says on the board how it does, and puts it into service where it is no worse. Once it has ended it is not to
 * be run again: another model may be in service since.
 */
export async function runSite(
  learner: Learner,
  site: Site,
  entry: BoardEntry<'task'>,
  { joinMs, ...deps }: NodeDependencies & { readonly joinMs: number },
): Promise<SiteRun> {
  const { id: taskId, body: task } = entry;
  using party = await learner.parties.open(taskId);
  const end = await takePart(learner, party, site, { taskId, task, joinMs });
  const { result } = end;
  const used =
    result === null ? { comparison: null, isInService: false } : await useResult(learner, site, entry, result, deps);
  // Last, since it says that all of it is done.
  keepResult(learner.dataDirectory, taskId, result);
  return { end, ...used, drift: site.records.drift() };
}

/** The rounds, with an aggregator or without. */
async function takePart(
  learner: Learner,
  party: Party,
  site: Site,
  { taskId, task, joinMs }: { readonly taskId: string; readonly task: TaskBody; readonly joinMs: number },
): Promise<SiteRun['end']> {
  const own = learner.board.entries('contract').find((one) => one.author === learner.self && one.body.task === taskId);
  // Signed before a restart: what it says of the data stands.
  const data = own?.body.data ?? (await site.records.contractData(task, taskId));
  const join = { taskId, limits: site.limits, data, enrolment: await learner.enrolment() };
  const means = {
    author: learner.identity,
    work: workOfTask(task, site.records),
    book: site.book,
    ...(site.company === undefined ? {} : { company: site.company }),
  };
  return task.aggregator === null
    ? await runAlone(party, { ...join, joinMs }, { ...means, combine: combineOfTask(task), accountant })
    : await runOwner(party, join, means);
}

type UsedResult = Pick<SiteRun, 'comparison' | 'isInService'>;

async function useResult(
  learner: Learner,
  site: Site,
  { id: taskId, body: task }: BoardEntry<'task'>,
  result: Uint8Array,
  deps: NodeDependencies,
): Promise<UsedResult> {
  if (task.work.kind !== 'training') return { comparison: null, isInService: false };
  const state = stateOf(task, result);
  const comparison = await compare(site, task, taskId, state);
  if (comparison === null) return { comparison, isInService: false };
  await evaluate(learner, taskId, contentId(result), comparison);
  return { comparison, isInService: await adopt(site, task, taskId, { state, comparison }, deps) };
}

/** Says how the model does here, once: unless nobody said on the board what the model is. */
async function evaluate(
  { board, self, identity }: Learner,
  task: string,
  model: string,
  comparison: ModelComparison,
): Promise<void> {
  await board.refresh();
  const isKnown = board.entries('model').some(({ body }) => body.task === task && body.hash === model);
  const isSaid = board.entries('evaluation').some(({ author, body }) => author === self && body.model === model);
  if (isKnown && !isSaid) await board.publish('evaluation', { task, model, ...comparison }, identity);
}

/** The weights of a training task's result. @throws {DecodeError}. */
export function stateOf({ work }: TaskBody, result: Uint8Array): ModelState {
  if (work.kind !== 'training') throw new TypeError('a survey has no weights'); // asked for trainings alone
  return decodeState(result, work.model);
}

/** How the model does on this site's records beside the one in service; null where they hold one of the labels only. */
export async function compare(
  site: Pick<Site, 'records' | 'models'>,
  task: TaskBody,
  taskId: string,
  state: ModelState,
): Promise<ModelComparison | null> {
  const table = await site.records.tableOf(task, taskId);
  const running = await runningState(site.models[0], task);
  return evaluateAtSite(modelOfTask(task), state, { table, running });
}

/** Puts a rhythm model into service where it is no worse than the one that runs; false where it is, or is no rhythm model. */
export async function adopt(
  { models, tolerance }: Pick<Site, 'models' | 'tolerance'>,
  task: TaskBody,
  taskId: string,
  { state, comparison }: { readonly state: ModelState; readonly comparison: ModelComparison },
  { clock, logger }: Pick<NodeDependencies, 'clock' | 'logger'>,
): Promise<boolean> {
  if (!isRhythm(task) || models.length === 0) return false;
  if (comparison.runningAuc !== null && comparison.auc < comparison.runningAuc - tolerance) {
    logger.info('the learned model is worse here than the one that runs: not put into service', { task: taskId });
    return false;
  }
  const bytes = encodeOnnx(networkOfState(state), { task: taskId });
  for (const directory of models) await putIntoService(directory, 'rr', bytes, { task: taskId, sinceMs: clock.now() });
  logger.info('the learned model is in service', { task: taskId, nodes: models.length });
  return true;
}

function isRhythm({ work }: TaskBody): boolean {
  return work.kind === 'training' && work.model.family === 'rhythm';
}

async function runningState(directory: string | undefined, task: TaskBody): Promise<ModelState | null> {
  if (directory === undefined || !isRhythm(task)) return null;
  const { network } = decodeOnnx(await modelInService(directory, 'rr'));
  const weights = network.layers.flatMap((layer) => [...layer.weights, ...layer.biases]);
  return {
    means: Float32Array.from(network.means),
    scales: Float32Array.from(network.scales),
    weights: Float32Array.from(weights),
  };
}
