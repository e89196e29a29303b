import type { Command } from 'commander';
import { type Output, table } from '../../output.ts';
import { type LearnerFlags, learnerDirectory } from './learn-flags.ts';

/** `learn budget`. */
export function addBudget(learn: Command, output: Output): void {
  learn
    .command('budget')
    .summary('what of its privacy budget this site has spent, from its own book')
    .description('Also while the site runs. A reveal is in the book before it happens; failed rounds count too.')
    .option('--data <directory>', 'where the site’s files lie (default: that of `pulsemesh enrol`)')
    .option('--json', 'as JSON')
    .action(async (flags: Pick<LearnerFlags, 'data' | 'json'>) => {
      const { readBudget } = await import('@pulsemesh/node/learning');
      const spent = await readBudget(learnerDirectory(flags));
      if (flags.json) output.out(JSON.stringify(spent));
      else if (spent.length === 0)
        output.out('Nothing is spent: no task with noise has revealed anything of this site.');
      else
        for (const line of table([
          ['purpose', 'task', 'reveals', 'ε', 'δ'],
          ...spent.map(({ purpose, task, reveals, epsilon, delta }) => [
            purpose,
            task?.slice(0, 16) ?? 'all together',
            String(reveals),
            epsilon.toFixed(3),
            String(delta),
          ]),
        ]))
          output.out(line);
    });
}
