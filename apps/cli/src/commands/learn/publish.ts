import type { TaskBody } from '@pulsemesh/board';
import { watchForStop } from '@pulsemesh/node';
import type { TaskHappening } from '@pulsemesh/node/learning';
import { parsePeerId } from '@pulsemesh/wire';
import type { Command } from 'commander';
import { exitCodes, type Output, UsageError } from '../../output.ts';
import { parseCount, parseSeconds } from '../../parse.ts';
import { agentDependencies } from '../agent-flags.ts';
import { readBoardFile } from '../board/board-flags.ts';
import { tell } from './join.ts';
import { type LearnerFlags, openLearner, withLearnerFlags } from './learn-flags.ts';

interface PublishFlags extends LearnerFlags {
  readonly rhythm?: true;
  readonly task?: string;
  readonly title?: string;
  readonly invite: readonly string[];
  readonly sitesMin?: number;
  readonly aggregator?: string;
  readonly rounds: number;
  readonly localEpochs: number;
  readonly step: number;
  readonly within: number;
  readonly seed: number;
  readonly leave?: true;
}

const joinMs = 60_000;

/** `learn publish`. */
export function addPublish(learn: Command, output: Output, setExitCode: (code: number) => void): void {
  withLearnerFlags(learn.command('publish'))
    .summary('put a task on the board, and add up what the sites send unless another party does')
    .description(
      'With --rhythm a training of the rhythm model; with --task any task, as JSON of the form that `pulsemesh learn status TASK --json`\n' +
        'shows as "task" (surveys too). Where this party is the aggregator it stays until the task has ended; started again with\n' +
        'the same flags it goes on.',
    )
    .option('--rhythm', 'train the rhythm model')
    .option('--task <file>', 'a task as JSON')
    .option('--title <text>', 'what people read')
    .option('--invite <peer...>', 'who may take part (default: every enrolled key)', [])
    .option('--sites-min <number>', 'fewest sites (default: all invited, at least 3)', parseCount)
    .option(
      '--aggregator <peer>',
      'who adds up: a peer id, or `none`: the sites among themselves (default: this party)',
    )
    .option('--rounds <number>', 'rounds of training', parseCount, 10)
    .option('--local-epochs <number>', 'of each site in a round', parseCount, 2)
    .option('--step <seconds>', 'how long a step of a round waits for those who are late', parseSeconds, 120)
    .option('--within <seconds>', 'nothing begins after it', parseSeconds, 7 * 86_400)
    .option('--seed <number>', 'what training starts from', parseCount, 1)
    .option('--leave', 'do not stay to add up: another start of this command, or `--aggregator`, does')
    .action(async (flags: PublishFlags) => {
      const deps = agentDependencies(true);
      await using learner = await openLearner(flags, deps);
      const { codeHash, runTasks } = await import('@pulsemesh/node/learning');
      await learner.board.refresh();
      const task = flags.task === undefined ? await rhythm(flags, learner.self, deps) : readTask(flags.task);
      const known = learner.board
        .entries('task')
        .find(({ author, body }) => author === learner.self && body.title === task.title);
      const id = known?.id ?? (await learner.board.publish('task', task, learner.identity)).id;
      output.out(flags.json ? JSON.stringify({ task: id }) : `task ${id}`);
      if (flags.leave || task.aggregator !== learner.self) return;
      const ended = Promise.withResolvers<number>();
      const onHappening = (happening: TaskHappening) => {
        if (happening.task.id !== id) return;
        tell(happening, flags.json === true, output);
        if (happening.kind === 'sum-ended')
          ended.resolve(happening.end.kind === 'finished' ? exitCodes.done : exitCodes.failed);
        if (happening.kind === 'failed') ended.resolve(exitCodes.failed);
      };
      const options = { site: null, joins: [], aggregates: true, joinMs, codeHash: await codeHash() } as const;
      using _running = runTasks(learner, options, { ...deps, onHappening });
      watchForStop(false).addEventListener('abort', () => ended.resolve(exitCodes.done), { once: true });
      setExitCode(await ended.promise);
    });
}

async function rhythm(
  flags: PublishFlags,
  self: string,
  { clock }: ReturnType<typeof agentDependencies>,
): Promise<TaskBody> {
  const { codeHash, rhythmTask } = await import('@pulsemesh/node/learning');
  if (!flags.rhythm || flags.title === undefined)
    throw new UsageError('say --rhythm and --title, or --task with a file');
  const invited = flags.invite.map(parsePeerId);
  const sitesMin = flags.sitesMin ?? Math.max(3, invited.length);
  return rhythmTask({
    title: flags.title,
    aggregator: flags.aggregator === 'none' ? null : parsePeerId(flags.aggregator ?? self),
    invited,
    sitesMin,
    sitesMax: Math.max(sitesMin, invited.length === 0 ? 100 : invited.length),
    rounds: flags.rounds,
    localEpochs: flags.localEpochs,
    stepMs: flags.step * 1000,
    deadlineMs: clock.now() + flags.within * 1000,
    seed: flags.seed,
    privacy: null,
    codeHash: await codeHash(),
  });
}

/** What the board's schema finds wrong in it is told when it is published. */
function readTask(file: string): TaskBody {
  try {
    return JSON.parse(readBoardFile(file).toString('utf8')) as TaskBody;
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} is not JSON`);
    throw error;
  }
}
