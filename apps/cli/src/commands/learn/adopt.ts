import { viewOfLearning } from '@pulsemesh/learning';
import type { Command } from 'commander';
import { exitCodes, type Output, UsageError } from '../../output.ts';
import { agentDependencies } from '../agent-flags.ts';
import { allEntries } from '../board/board-flags.ts';
import {
  type LearnerFlags,
  openLearner,
  openSiteOf,
  type SiteFlags,
  withLearnerFlags,
  withSiteFlags,
} from './learn-flags.ts';
import { taskNamed } from './status.ts';

/** `learn adopt`. */
export function addAdopt(learn: Command, output: Output, setExitCode: (code: number) => void): void {
  withSiteFlags(withLearnerFlags(learn.command('adopt')))
    .summary('compare the learned model with the one that runs, on your own records, and put it into service')
    .description(
      'For rhythm models. Exit code 1 where it is worse by more than --tolerance: then nothing changes.\n' +
        'Needs the contract of this site in that task, since records are used under it.',
    )
    .argument('<task>', 'the beginning of its id')
    .action(async (name: string, flags: LearnerFlags & SiteFlags) => {
      if (flags.models === undefined) throw new UsageError('say with --models where the prediction nodes keep theirs');
      const deps = agentDependencies(false);
      await using learner = await openLearner(flags, deps);
      const { adopt, compare, stateOf } = await import('@pulsemesh/node/learning');
      await learner.board.refresh();
      const { id, task } = taskNamed(viewOfLearning(allEntries(learner.board), { nowMs: deps.clock.now() }), name);
      if (task.work.kind !== 'training' || task.work.model.family !== 'rhythm')
        throw new UsageError(
          'only rhythm models are put into service; `learn status TASK --out FILE` gives any result',
        );
      const model = learner.board.entries('model').find(({ body }) => body.task === id);
      if (model?.body.weights === undefined) throw new UsageError('the board has no weights of a model of this task');
      const site = await openSiteOf(flags, learner, deps);
      const state = stateOf(task, model.body.weights);
      const comparison = await compare(site, task, id, state);
      if (comparison === null)
        throw new UsageError('the recordings hold one kind of rhythm only: nothing to compare by');
      const isInService = await adopt(site, task, id, { state, comparison }, deps);
      const { auc, runningAuc } = comparison;
      if (flags.json) output.out(JSON.stringify({ task: id, auc, runningAuc, isInService }));
      else {
        output.out(`area under the curve  ${auc.toFixed(4)}, of the model that runs ${runningAuc?.toFixed(4) ?? '–'}`);
        output.out(
          isInService
            ? 'in service: the prediction nodes take it up within seconds'
            : 'worse here: nothing was changed',
        );
      }
      if (!isInService) setExitCode(exitCodes.failed);
    });
}
