import type { AnyBoardEntry, BoardEntry, ContractBody, TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { Finding } from './audit/finding.ts';
import { type AttemptRecord, type RunRecord, runRecordOf } from './audit/run-record.ts';
import { type RunVerdict, type VerifyMeans, verifyRun } from './audit/verify-run.ts';
import { contractInForce, roundsOpenedWith } from './rounds/checks.ts';

export { accountant } from './privacy/accountant.ts';

// What a page or a terminal shows of learning, computed from board entries alone. Pure; runs in a browser.

/** Where a task stands. */
export type TaskState =
  /** Fewer sites than it needs have signed. */
  | 'waiting'
  /** Enough have signed, nothing was opened yet. */
  | 'ready'
  | 'running'
  | 'finished'
  /** The last attempt failed, and there may be no other. */
  | 'failed'
  /** The deadline is over, and it did not come to an end. */
  | 'expired';

/** A site in a task. */
export interface SiteView {
  readonly site: PeerId;
  /** As its key is enrolled; null: it is not. */
  readonly name: string | null;
  readonly state: 'signed' | 'left';
  /** The entry. */
  readonly contract: string;
  readonly signedMs: number;
  readonly limits: ContractBody['limits'] | null;
  readonly data: ContractBody['data'] | null;
  /** Rounds opened with its vector in the sum. */
  readonly rounds: number;
  /** Null: no privacy terms. */
  readonly epsilonSpent: number | null;
  /** Until its own limit or the task's, whichever is nearer; null: no privacy terms. */
  readonly epsilonLeft: number | null;
}

/** One attempt of a round, as it goes. */
export interface AttemptView {
  readonly round: number;
  readonly attempt: number;
  /** The last step that stands on the board. */
  readonly state: 'opened' | 'keys' | 'survivors' | 'summed' | 'failed';
  readonly openedMs: number;
  readonly asked: readonly PeerId[];
  /** Whose keys are in the list; null: not yet. */
  readonly advertised: readonly PeerId[] | null;
  /** Whose vectors came; null: not yet. */
  readonly answered: readonly PeerId[] | null;
  /** Asked, and not in the last step there is. */
  readonly absent: readonly PeerId[];
  /** Of the steps, milliseconds; empty until it is closed. */
  readonly durationsMs: readonly number[];
  /** Over all sites; null: not said, or not counted under noise. */
  readonly clipped: number | null;
  /** Spent with it over the whole task; null: no noise, or not closed. */
  readonly epsilon: number | null;
  readonly reason: string | null;
  /** Ids of its entries, in order. */
  readonly entries: readonly string[];
}

export interface ModelView {
  readonly id: string;
  readonly author: PeerId;
  readonly createdMs: number;
  readonly hash: string;
  readonly bytes: number;
  readonly rounds: number;
  readonly sites: number;
  readonly epsilon: number | null;
  readonly hasWeights: boolean;
}

/** How the model does at one site, as the site says; its latest word. */
export interface EvaluationView {
  readonly id: string;
  readonly site: PeerId;
  readonly name: string | null;
  readonly auc: number;
  readonly runningAuc: number | null;
  readonly patients: number;
}

/** One entry of the audit trail, oldest first; receipts are fetched by `index`. */
export interface TrailLine {
  readonly index: number;
  readonly id: string;
  readonly author: PeerId;
  readonly createdMs: number;
  readonly text: string;
}

/** A task with all that the board has about it. */
export interface TaskView {
  readonly id: string;
  readonly author: PeerId;
  readonly publishedMs: number;
  readonly task: TaskBody;
  readonly state: TaskState;
  /** Rounds that were summed. */
  readonly roundsDone: number;
  readonly sites: readonly SiteView[];
  readonly attempts: readonly AttemptView[];
  /** The first one; a second one is a finding. */
  readonly model: ModelView | null;
  readonly evaluations: readonly EvaluationView[];
  readonly trail: readonly TrailLine[];
  readonly isSound: boolean;
  readonly findings: readonly Finding[];
  readonly unchecked: RunVerdict['unchecked'];
}

/** All tasks of a board, newest first. `entries` are the board's in order; `nowMs` is wall time. */
export function viewOfLearning(
  entries: readonly AnyBoardEntry[],
  options: { readonly nowMs: number; readonly verify?: VerifyMeans },
): readonly TaskView[] {
  return entries
    .filter((entry) => entry.kind === 'task')
    .map((entry) => viewOfTask(entries, entry.id, options))
    .filter((view) => view !== null)
    .reverse();
}

/** One task, or null where the board has none of this id. */
export function viewOfTask(
  entries: readonly AnyBoardEntry[],
  taskId: string,
  options: { readonly nowMs: number; readonly verify?: VerifyMeans },
): TaskView | null {
  const record = runRecordOf(entries, taskId);
  if (record === null) return null;
  const names = namesOf(record);
  const attempts = record.attempts.filter(({ opened }) => opened.length > 0).map(attemptViewOf);
  const [model] = record.models;
  const verdict = verifyRun(entries, taskId, options.verify ?? {});
  return {
    id: taskId,
    author: record.entry.author,
    publishedMs: record.entry.createdMs,
    task: record.task,
    state: stateOf(record, attempts, options.nowMs),
    roundsDone: new Set(attempts.filter(({ state }) => state === 'summed').map(({ round }) => round)).size,
    sites: sitesOf(record, attempts, names),
    attempts,
    model: model === undefined ? null : modelViewOf(model),
    evaluations: evaluationsOf(record, names),
    trail: trailOf(entries, taskId),
    isSound: verdict.isSound,
    findings: verdict.findings,
    unchecked: verdict.unchecked,
  };
}

function namesOf({ keys }: RunRecord): ReadonlyMap<PeerId, string> {
  return new Map(keys.map(({ body }) => [body.subject, body.name]));
}

function stateOf(record: RunRecord, attempts: readonly AttemptView[], nowMs: number): TaskState {
  const { task, contracts } = record;
  const last = attempts.at(-1);
  if (attempts.some(({ round, state }) => round === task.rounds && state === 'summed')) return 'finished';
  const isLost = last?.state === 'failed' && last.answered !== null;
  if (isLost) return 'failed';
  if (nowMs > task.deadlineMs) return 'expired';
  if (last !== undefined) return 'running';
  const sites = new Set(contracts.map(({ author }) => author));
  const signed = [...sites].filter((site) => contractInForce(contracts, site, Number.POSITIVE_INFINITY) !== null);
  return signed.length >= task.sitesMin ? 'ready' : 'waiting';
}

function attemptViewOf(record: AttemptRecord): AttemptView {
  const [opened] = record.opened;
  const [keys] = record.keys;
  const [closed] = record.closed;
  const asked = opened?.body.step.sites ?? [];
  const advertised = keys?.body.step.sites ?? null;
  const answered =
    record.survivors.length === 0
      ? null
      : record.survivors.flatMap(({ body }) => body.step.survivors.map(({ site }) => site));
  const present = new Set(answered ?? advertised ?? asked);
  const state =
    closed?.body.step.outcome ?? (answered !== null ? 'survivors' : advertised !== null ? 'keys' : 'opened');
  const end = closed?.body.step;
  return {
    round: record.round,
    attempt: record.attempt,
    state,
    openedMs: opened?.createdMs ?? 0,
    asked,
    advertised,
    answered,
    absent: asked.filter((site) => !present.has(site)),
    durationsMs: end?.durationsMs ?? [],
    clipped: end?.clipped ?? null,
    epsilon: end?.epsilon ?? null,
    reason: end?.reason ?? null,
    entries: [...record.opened, ...record.keys, ...record.survivors, ...record.closed].map(({ id }) => id),
  };
}

function sitesOf(
  record: RunRecord,
  attempts: readonly AttemptView[],
  names: ReadonlyMap<PeerId, string>,
): readonly SiteView[] {
  const { contracts, task } = record;
  return [...new Set(contracts.map(({ author }) => author))].flatMap((site) => {
    const own = contracts.filter(({ author }) => author === site);
    const signed = own.filter(({ body }) => body.action === 'sign').at(-1);
    if (signed === undefined) return [];
    const { limits, data } = signed.body;
    const spent = attempts.filter(({ answered }) => answered?.includes(site)).map(({ epsilon }) => epsilon ?? 0);
    const epsilonSpent = task.privacy === null ? null : Math.max(0, ...spent);
    const epsilonMax = Math.min(limits?.epsilonMax ?? Number.POSITIVE_INFINITY, task.privacy?.epsilonMax ?? 0);
    const view: SiteView = {
      site,
      name: names.get(site) ?? null,
      state: own.at(-1)?.body.action === 'leave' ? 'left' : 'signed',
      contract: signed.id,
      signedMs: signed.createdMs,
      limits: limits ?? null,
      data: data ?? null,
      rounds: roundsOpenedWith(record, site, Number.POSITIVE_INFINITY),
      epsilonSpent,
      epsilonLeft: epsilonSpent === null ? null : Math.max(0, epsilonMax - epsilonSpent),
    };
    return [view];
  });
}

function modelViewOf({ id, author, createdMs, body }: BoardEntry<'model'>): ModelView {
  const { hash, bytes, rounds, sites, epsilon, weights } = body;
  return { id, author, createdMs, hash, bytes, rounds, sites, epsilon, hasWeights: weights !== undefined };
}

function evaluationsOf({ evaluations }: RunRecord, names: ReadonlyMap<PeerId, string>): readonly EvaluationView[] {
  const latest = new Map(evaluations.map((entry) => [`${entry.author} ${entry.body.model}`, entry]));
  return [...latest.values()].map(({ id, author, body }) => ({
    id,
    site: author,
    name: names.get(author) ?? null,
    auc: body.auc,
    runningAuc: body.runningAuc,
    patients: body.patients,
  }));
}

function trailOf(entries: readonly AnyBoardEntry[], taskId: string): readonly TrailLine[] {
  return entries.flatMap((entry) => {
    const text = trailTextOf(entry, taskId);
    return text === null
      ? []
      : [{ index: entry.index, id: entry.id, author: entry.author, createdMs: entry.createdMs, text }];
  });
}

function trailTextOf(entry: AnyBoardEntry, taskId: string): string | null {
  if (entry.id === taskId) return 'task published';
  if (!('task' in entry.body) || entry.body.task !== taskId) return null;
  switch (entry.kind) {
    case 'contract':
      return entry.body.action === 'sign' ? 'contract signed' : 'left the task';
    case 'model':
      return 'model published';
    case 'evaluation':
      return 'model evaluated';
    case 'round':
      return roundTextOf(entry);
    default:
      return null;
  }
}

function roundTextOf({ body }: BoardEntry<'round'>): string {
  const place = `round ${body.round}, attempt ${body.attempt}`;
  const { step } = body;
  switch (step.name) {
    case 'opened':
      return `${place}: ${step.sites.length} sites asked`;
    case 'keys':
      return `${place}: keys of ${step.sites.length} sites`;
    case 'survivors':
      return `${place}: vectors of ${step.survivors.length} sites`;
    case 'closed':
      return `${place}: ${step.outcome}${step.reason === undefined ? '' : ` (${step.reason})`}`;
  }
}
