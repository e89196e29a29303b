import { watchForStop } from '@pulsemesh/node';
import type { TaskHappening } from '@pulsemesh/node/learning';
import type { Command } from 'commander';
import { exitCodes, type Output, UsageError } from '../../output.ts';
import { agentDependencies } from '../agent-flags.ts';
import {
  type LearnerFlags,
  openLearner,
  openSiteOf,
  type SiteFlags,
  withLearnerFlags,
  withSiteFlags,
} from './learn-flags.ts';

interface JoinFlags extends LearnerFlags, SiteFlags {
  readonly once?: true;
}

/** How long an aggregator waits for more sites than it needs. */
const joinMs = 60_000;

/** `learn join`. */
export function addJoin(learn: Command, output: Output, setExitCode: (code: number) => void): void {
  withSiteFlags(withLearnerFlags(learn.command('join')))
    .summary('take part as a site: sign, compute on your own records, send masked numbers')
    .description(
      'Takes part in every task that invites this key, or in those named, until Ctrl-C; started again it goes on where it was.\n' +
        'Only records of patients whose consent names the task’s purpose are used; a receipt of each stays here.\n' +
        'Records never leave: only masked sums of numbers do, counts in tens, and how well a model does here.',
    )
    .argument('[task...]', 'whole ids of tasks; none: every one that invites this key')
    .option('--once', 'end when a task has ended')
    .action(async (tasks: readonly string[], flags: JoinFlags) => {
      for (const task of tasks) {
        if (!/^[0-9a-f]{64}$/.test(task)) throw new UsageError('a task is named by all 64 digits of its id here');
      }
      const deps = agentDependencies(true);
      const stop = watchForStop(false);
      await using learner = await openLearner(flags, deps);
      const { codeHash, runTasks } = await import('@pulsemesh/node/learning');
      const site = await openSiteOf(flags, learner, deps);
      const ended = Promise.withResolvers<number>();
      const onHappening = (happening: TaskHappening) => {
        tell(happening, flags.json === true, output);
        const isOver = happening.kind === 'site-ended' || happening.kind === 'failed';
        if (flags.once && isOver) ended.resolve(happening.kind === 'failed' ? exitCodes.failed : exitCodes.done);
      };
      const joins = tasks.length === 0 ? 'invited' : tasks;
      const options = { site, joins, aggregates: false, joinMs, codeHash: await codeHash() } as const;
      using _running = runTasks(learner, options, { ...deps, onHappening });
      output.err(`Taking part as ${learner.self}. Ctrl-C ends it.`);
      stop.addEventListener('abort', () => ended.resolve(exitCodes.done), { once: true });
      setExitCode(await ended.promise);
    });
}

/** `learn leave`. */
export function addLeave(learn: Command, output: Output): void {
  withLearnerFlags(learn.command('leave'))
    .summary('leave a task: nothing more is sent, from the next round on nothing of yours is in it')
    .argument('<task>', 'the whole id')
    .option('--reason <text>', 'said on the board')
    .action(async (task: string, flags: LearnerFlags & { readonly reason?: string }) => {
      await using learner = await openLearner(flags, agentDependencies(false));
      await learner.board.refresh();
      const reason = flags.reason === undefined ? {} : { reason: flags.reason };
      const { id } = await learner.board.publish('contract', { task, action: 'leave', ...reason }, learner.identity);
      output.out(flags.json ? JSON.stringify({ left: task, entry: id }) : `Left; entry ${id}.`);
    });
}

/** One line for a person, or JSON for a program. */
export function tell(happening: TaskHappening, isJson: boolean, output: Output): void {
  const { kind, task } = happening;
  if (isJson) {
    output.out(JSON.stringify({ kind, task: task.id, ...detailsOf(happening) }));
    return;
  }
  const details = Object.entries(detailsOf(happening)).map(([name, value]) => `${name} ${String(value)}`);
  output.out([task.id.slice(0, 16), words[kind], ...details].join('  '));
}

const words: Readonly<Record<TaskHappening['kind'], string>> = {
  joined: 'joined',
  summing: 'summing',
  'site-ended': 'ended here',
  'sum-ended': 'ended',
  failed: 'cannot take part:',
  waiting: 'waits and tries again:',
};

function detailsOf(happening: TaskHappening): Readonly<Record<string, string | number | boolean | null>> {
  switch (happening.kind) {
    case 'joined':
    case 'summing':
      return {};
    case 'failed':
    case 'waiting':
      return { reason: happening.text };
    case 'sum-ended':
      return happening.end.kind === 'failed'
        ? { end: 'failed', reason: happening.end.reason, round: happening.end.round }
        : { end: 'finished', sites: happening.end.sites, epsilon: happening.end.epsilon };
    case 'site-ended': {
      const { end, comparison, isInService, drift } = happening.run;
      const figures = comparison === null ? {} : { auc: comparison.auc, running: comparison.runningAuc };
      return { end: end.kind, ...figures, ...driftOf(drift), 'in service': isInService };
    }
  }
}

/** The column that differs most from what the shipped model was trained on, and how many do strongly. */
function driftOf(drift: Extract<TaskHappening, { readonly kind: 'site-ended' }>['run']['drift']) {
  const [most] = drift;
  if (most === undefined) return {};
  const strong = drift.filter(({ level }) => level === 'strong').length;
  return { drift: `${most.name} ${most.index.toFixed(2)} (${most.level})`, 'columns that differ strongly': strong };
}
