import { Condition, errorCode, errorMessage, sleep } from '@pulsemesh/base';
import type { BoardEntry } from '@pulsemesh/board';
import { type AggregatorEnd, accountant, runAggregator } from '@pulsemesh/learning';
import type { NodeDependencies } from '../process/node-context.ts';
import type { Learner } from './learner.ts';
import { runSite, type Site, type SiteRun } from './site.ts';
import { hasEnded, keepResult } from './task-results.ts';
import { combineOfTask } from './work-of-task.ts';

/** What happens to the tasks a party takes part in. */
export type TaskHappening =
  | { readonly kind: 'joined' | 'summing'; readonly task: BoardEntry<'task'> }
  | { readonly kind: 'site-ended'; readonly task: BoardEntry<'task'>; readonly run: SiteRun }
  | { readonly kind: 'sum-ended'; readonly task: BoardEntry<'task'>; readonly end: AggregatorEnd }
  /** `waiting`: something is in the way for now (a full disk, a board or relay that does not answer); it is tried again. */
  | {
      readonly kind: 'failed' | 'waiting';
      readonly task: BoardEntry<'task'>;
      readonly code: string;
      readonly text: string;
    };

export interface RunTasksOptions {
  /** Null: brings no data. */
  readonly site: Site | null;
  readonly joins: 'invited' | readonly string[];
  readonly aggregates: boolean;
  /** How long an aggregator, or sites without one, wait for more sites than are needed, milliseconds. */
  readonly joinMs: number;
  /** Of this program: tasks of another one are left to those who run that. */
  readonly codeHash: string;
}

/** The task is for another release of the program: what it would compute here is not what was agreed. */
export class OtherProgramError extends Condition {
  override readonly name = 'OtherProgramError';
  constructor() {
    super('other-program', 'the task is for another release of this program');
  }
}

/** The site has a privacy budget, which no sum without noise fits: it signs nothing. */
export class TaskBeyondBudgetError extends Condition {
  override readonly name = 'TaskBeyondBudgetError';
  constructor() {
    super('task-beyond-budget', 'the task adds no noise, and this site has a privacy budget');
  }
}

/** How long what was in the way is given to go, milliseconds. */
export const taskRetryMs = 30_000;

/**
 * Takes part in every task of the board that concerns this party, as a site, as the aggregator, or as both, until disposed; what was
 * under way goes on with the next start, and what has ended here as a site is not told again. A task that cannot be done here is told
 * of and left.
 */
export function runTasks(
  learner: Learner,
  options: RunTasksOptions,
  { onHappening, ...deps }: NodeDependencies & { readonly onHappening: (happening: TaskHappening) => void },
): Disposable {
  const stopping = new AbortController();
  const siteDeps = { ...deps, joinMs: options.joinMs };
  const told = (happening: TaskHappening) => {
    if (!stopping.signal.aborted) onHappening(happening);
  };
  const attempt = async (task: BoardEntry<'task'>, run: () => Promise<TaskHappening>) => {
    while (!stopping.signal.aborted) {
      try {
        return told(await run());
      } catch (error) {
        const isForNow = error instanceof Condition && error.retryable;
        told({ kind: isForNow ? 'waiting' : 'failed', task, code: errorCode(error), text: errorMessage(error) });
        if (!isForNow) return;
      }
      await sleep(deps.clock, taskRetryMs, { signal: stopping.signal }).catch(() => {});
    }
  };
  const following = learner.board.onEntry((entry) => {
    if (entry.kind !== 'task' || !isMeant(learner, entry, options, deps)) return;
    if (entry.body.codeHash !== options.codeHash) {
      void attempt(entry, () => Promise.reject(new OtherProgramError()));
      return;
    }
    if (entry.body.aggregator === learner.self) {
      told({ kind: 'summing', task: entry });
      void attempt(entry, async () => ({ kind: 'sum-ended', task: entry, end: await sum(learner, entry, options) }));
      return;
    }
    const { site } = options;
    if (site === null) return;
    if (entry.body.privacy === null && site.limits.epsilonMax !== null) {
      void attempt(entry, () => Promise.reject(new TaskBeyondBudgetError()));
      return;
    }
    told({ kind: 'joined', task: entry });
    void attempt(entry, async () => ({
      kind: 'site-ended',
      task: entry,
      run: await runSite(learner, site, entry, siteDeps),
    }));
  });
  return {
    [Symbol.dispose]() {
      stopping.abort(new Condition('stopped', 'no more tasks are taken part in'));
      following[Symbol.dispose]();
    },
  };
}

function isMeant(
  learner: Learner,
  { id, body }: BoardEntry<'task'>,
  { joins, site, aggregates }: RunTasksOptions,
  { clock }: NodeDependencies,
): boolean {
  if (body.aggregator === learner.self) return aggregates;
  if (site === null) return false;
  if (hasEnded(learner.dataDirectory, id)) return false;
  const isSigned = learner.board.entries('contract').some((one) => one.author === learner.self && one.body.task === id);
  if (isSigned) return true;
  if (body.deadlineMs <= clock.now()) return false;
  if (joins !== 'invited') return joins.includes(id);
  return body.invited.length === 0 || body.invited.includes(learner.self);
}

/** Lets the event loop turn: links and other tasks go on while masks come off. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function sum(
  learner: Learner,
  { id: taskId, body: task }: BoardEntry<'task'>,
  { joinMs }: RunTasksOptions,
): Promise<AggregatorEnd> {
  using party = await learner.parties.open(taskId);
  const end = await runAggregator(
    party,
    { taskId, joinMs, enrolment: await learner.enrolment() },
    { combine: combineOfTask(task), accountant, pause: nextTurn },
  );
  if (end.kind === 'finished') keepResult(learner.dataDirectory, taskId, end.output);
  return end;
}
