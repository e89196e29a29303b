import type { Command } from 'commander';
import type { Output } from '../../output.ts';
import type { Terminal } from '../../terminal.ts';
import { addAdd } from './add.ts';
import { addChecks, addGossip } from './check.ts';
import { addFollow, addInit, addKeys, addList, addReceipt, addShow } from './read.ts';
import { addAdmit, addServe, addWitness } from './serve.ts';

/** `pulsemesh board`: a public log that nobody has to trust. */
export function addBoard(
  program: Command,
  output: Output,
  setExitCode: (code: number) => void,
  terminal: Terminal,
): void {
  const board = program
    .command('board')
    .summary('a public log that nobody has to trust: run one, read it, add to it, witness it')
    .description(
      'A board keeps tasks, contracts, keys and hashes where nobody, its operator included, can show different people different\n' +
        'things or take something back unseen. Every command that reads checks everything it reads.',
    )
    .addHelpText(
      'after',
      `
Begin with:
  $ pulsemesh board serve --port 8480                     run one; prints its URL and key
  $ pulsemesh board init http://127.0.0.1:8480/board KEY  remember it on the machine that uses it
  $ pulsemesh board admit 12D3Koo…                        on the board's machine: let somebody add
  $ pulsemesh board enrol --name "St. Anna Hospital"      put your key there
  $ pulsemesh board list                                  what is there, verified
  $ pulsemesh board receipt 0 --out r && pulsemesh board verify r

Trust it less:   pulsemesh board witness --board KEY=URL   sign what it shows; give the key to its users
Caught lying:    pulsemesh board verify-evidence FILE      anybody can check it, with the board's key alone`,
    );
  addServe(board, output, setExitCode);
  addInit(board, output);
  addAdmit(board, output);
  addAdd(board, output, terminal);
  addList(board, output);
  addShow(board, output);
  addFollow(board, output);
  addKeys(board, output, setExitCode);
  addReceipt(board, output);
  addChecks(board, output);
  addGossip(board, output, setExitCode);
  addWitness(board, output, setExitCode);
}
