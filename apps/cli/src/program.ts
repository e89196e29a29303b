import { version } from '@pulsemesh/node';
import { Command, CommanderError } from 'commander';
import { addAuthority } from './commands/authority.ts';
import { addBoard } from './commands/board/board.ts';
import { addConsent } from './commands/consent/consent.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEnrol } from './commands/enrol.ts';
import { addIdentity } from './commands/identity/identity.ts';
import { addLearn } from './commands/learn/learn.ts';
import { addLedger } from './commands/ledger/ledger.ts';
import { addModel } from './commands/model.ts';
import { addNode } from './commands/node.ts';
import { addPatients } from './commands/patients.ts';
import { addReceive } from './commands/receive.ts';
import { addRelay } from './commands/relay.ts';
import { addReplay } from './commands/replay.ts';
import { addResearch } from './commands/research/research.ts';
import { addSend } from './commands/send.ts';
import { addStart } from './commands/start.ts';
import { addStatus } from './commands/status.ts';
import { exitCodes, explain, type Output, UsageError } from './output.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/**
 * Runs the `pulsemesh` command and resolves with its exit code: 0 done, 1 failed, 2 called wrongly. Every error is
 * one sentence, and one more on what to do.
 */
export async function runProgram(
  args: readonly string[],
  output: Output,
  terminal: Terminal = processTerminal,
): Promise<number> {
  let exitCode: number = exitCodes.done;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  try {
    await createProgram(output, setExitCode, terminal).parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    for (const line of explain(error)) output.err(line);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
}

function createProgram(output: Output, setExitCode: (code: number) => void, terminal: Terminal): Command {
  const program = new Command('pulsemesh')
    .description('Heartbeats reach the people their owner chose, peer to peer.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => output.out(text.trimEnd()), writeErr: (text) => output.err(text.trimEnd()) })
    .configureHelp({ commandDescription: (command) => command.description() || sentenceOf(command.summary()) })
    .showHelpAfterError('(`--help` tells what there is)')
    .addHelpText(
      'after',
      `
Begin with:
  $ pulsemesh start                  a small network on this machine, and the address of its page
  $ pulsemesh status                 peers, counts, open alerts
  $ pulsemesh patients list          who is known, and who is told what
  $ pulsemesh doctor https://…       what stands between this machine and a server
  $ pulsemesh enrol pm1.…            take part through a relay, with the token its operator gave you
  $ pulsemesh help consent           what patients are asked, have agreed to, and who read what
  $ pulsemesh help board             a public log nobody has to trust
  $ pulsemesh help identity          your key, its backup, your contact card
  $ pulsemesh help node              running a node of your own`,
    );
  addStart(program, output, setExitCode);
  addNode(program, setExitCode);
  addRelay(program, output, setExitCode);
  addAuthority(program, output);
  addBoard(program, output, setExitCode, terminal);
  addEnrol(program, output, setExitCode);
  addSend(program, output, setExitCode);
  addReceive(program, output, setExitCode);
  addDoctor(program, output, setExitCode);
  addStatus(program, output);
  addPatients(program, output);
  addReplay(program, output, setExitCode);
  addLedger(program, output, setExitCode);
  addConsent(program, output);
  addResearch(program, output);
  addLearn(program, output, setExitCode);
  addModel(program, output);
  addIdentity(program, output, terminal);
  program
    .command('simulate')
    .summary('run the real protocol code under a seeded clock, network and disk')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[args...]', 'scenario and its options, e.g. rings --nodes 1000 --seed 7; --help lists them')
    .action(async (scenario: readonly string[]) => {
      const { simulate } = await import('@pulsemesh/simulation');
      setExitCode(await simulate(scenario, { write: (line) => output.out(line), tell: (line) => output.err(line) }));
    });
  return program;
}

/** The line of a list of commands, as the first line of the command's own help. */
function sentenceOf(summary: string): string {
  return summary === '' ? '' : `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
