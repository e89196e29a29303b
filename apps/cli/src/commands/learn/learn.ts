import type { Command } from 'commander';
import type { Output } from '../../output.ts';
import { addAdopt } from './adopt.ts';
import { addBudget } from './budget.ts';
import { addJoin, addLeave } from './join.ts';
import { addPublish } from './publish.ts';
import { addStatus, addVerify } from './status.ts';

/** `pulsemesh learn`: one model, or one number, from many sites that show nobody their patients. */
export function addLearn(program: Command, output: Output, setExitCode: (code: number) => void): void {
  const learn = program
    .command('learn')
    .summary('learn from the records of many sites without any of them showing its patients')
    .description(
      'A task on the board says what is to be learned. Sites sign a contract under limits of their own, and send masked numbers of\n' +
        'which only the sum can be read. Everything but the records stands on the board, where anybody can check it.\n' +
        'Screening research, not diagnosis.',
    )
    .addHelpText(
      'after',
      `
Needs: a relay (\`pulsemesh enrol\`) and a board (\`pulsemesh board init\`).

Begin with:
  $ pulsemesh learn status                                             what is on the board
  $ pulsemesh learn publish --rhythm --title "Rhythm 2026" --invite 12D3Koo… 12D3Koo…
  $ pulsemesh learn join --recordings /srv/rr --consents consents.json      at each site, or
  $ pulsemesh learn join --csv /srv/stay --query stay.json --consents consents.json
  $ pulsemesh learn budget                                             what this site has spent
  $ pulsemesh learn verify 7abdd499                                    re-check a run from the board alone
  $ pulsemesh learn adopt 7abdd499 --models /srv/node/models --recordings /srv/rr --consents consents.json`,
    );
  addStatus(learn, output);
  addPublish(learn, output, setExitCode);
  addJoin(learn, output, setExitCode);
  addLeave(learn, output);
  addBudget(learn, output);
  addVerify(learn, output, setExitCode);
  addAdopt(learn, output, setExitCode);
}
