import { watchForStop } from '@pulsemesh/node';
import type { TaskHappening } from '@pulsemesh/node/learning';
import type { Command } from 'commander';
import { exitCodes, type Output } from '../../output.ts';
import { agentDependencies } from '../agent-flags.ts';
import { tell } from './join.ts';
import { type LearnerFlags, openLearner, withLearnerFlags } from './learn-flags.ts';
import { type TaskFlags, taskOf, withTaskFlags } from './publish-flags.ts';

interface PublishFlags extends LearnerFlags, TaskFlags {
  readonly leave?: true;
}

const joinMs = 60_000;

/** `learn publish`. */
export function addPublish(learn: Command, output: Output, setExitCode: (code: number) => void): void {
  withTaskFlags(withLearnerFlags(learn.command('publish')))
    .summary('put a task on the board, and add up what the sites send unless another party does')
    .description(
      'Where this party adds up, it stays until the task has ended; started again with the same flags it goes on.\n' +
        'It never sees what one site sent, only the sum.',
    )
    .option('--leave', 'do not stay to add up: another start of this command does')
    .addHelpText('after', examples)
    .action(async (flags: PublishFlags) => {
      const deps = agentDependencies(true);
      await using learner = await openLearner(flags, deps);
      const { codeHash, runTasks } = await import('@pulsemesh/node/learning');
      await learner.board.refresh();
      const task = await taskOf(flags, learner.self, deps.clock.now());
      const known = learner.board
        .entries('task')
        .find(({ author, body }) => author === learner.self && body.title === task.title);
      if (known !== undefined)
        output.err('A task of yours of this title is on the board already: this goes on with it.');
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

const examples = `
A question is STATISTIC:COLUMN:LOW:HIGH[:BINS[:QUANTILES]]; values outside LOW … HIGH are clipped, and fewer than ten people are
never told of:
  mean:age:0:120      count:age:0:120      histogram:age:0:120:12      quantile:age:0:120:60:0.25,0.5,0.75

Examples:
  $ pulsemesh learn publish --rhythm --title "Rhythm 2026" --invite 12D3KooA… 12D3KooB… 12D3KooC…
  $ pulsemesh learn publish --query stay.json --title "Who comes back" --purpose research/stay --family logistic --epsilon 4
  $ pulsemesh learn publish --query stay.json --title "Ages" --purpose research/stay --ask mean:age:0:120 --aggregator none`;
