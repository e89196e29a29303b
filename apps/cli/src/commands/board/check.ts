import { existsSync } from 'node:fs';
import { entryIdOf } from '@pulsemesh/board';
import { parseEvidence, verifyEvidence } from '@pulsemesh/board/client';
import { parseVerifierKey, verifyReceipt } from '@pulsemesh/board/verify';
import type { Command } from 'commander';
import { exitCodes, type Output, UsageError } from '../../output.ts';
import { type BoardFlags, policyFileOf, readBoardFile, readPolicy, withBoard, withBoardFlags } from './board-flags.ts';

interface CheckFlags {
  readonly policy?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** `board verify` and `board verify-evidence`: with keys alone, without a network. */
export function addChecks(board: Command, output: Output): void {
  board
    .command('verify')
    .summary('check a receipt with keys alone, without the board')
    .argument('<receipt>', 'the file; the entry is <receipt>.entry beside it')
    .option('--entry <file>', 'the entry, where it is elsewhere')
    .option('--policy <file>', 'whose signatures count (default: what `board init` wrote)')
    .option('--json', 'as JSON')
    .action((file: string, flags: CheckFlags & { readonly entry?: string }) => {
      const leaf = new Uint8Array(readBoardFile(flags.entry ?? `${file}.entry`));
      const { index, checkpoint, signatures } = verifyReceipt(
        new Uint8Array(readBoardFile(file)),
        leaf,
        readPolicy(flags).policy,
      );
      const facts = { index, id: entryIdOf(leaf), size: checkpoint.size, signatures: signatures.length };
      output.out(
        flags.json
          ? JSON.stringify(facts)
          : `It is on the board: #${index} of ${checkpoint.size}, signed by the board and ${signatures.length - 1} witnesses.`,
      );
    });
  board
    .command('verify-evidence')
    .summary('check that a board lied, with its key alone, without the board')
    .argument('<file>', 'the evidence')
    .option('--key <key>', "the board's verifier key, from elsewhere than the file")
    .option('--policy <file>', 'where the key is (default: what `board init` wrote)')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit code 0 when it shows that the board lied, 1 when it shows nothing.')
    .action((file: string, flags: CheckFlags) => {
      const { evidence } = parseEvidence(readBoardFile(file).toString('utf8'));
      const verdict = verifyEvidence(evidence, keyOf(flags));
      output.out(flags.json ? JSON.stringify(verdict) : `It is true: ${verdict.text}.`);
    });
}

/** `board head` and `board compare`: gossip by files. */
export function addGossip(board: Command, output: Output, setExitCode: (code: number) => void): void {
  withBoardFlags(board.command('head'))
    .summary('the newest checkpoint that was verified here, to show to others')
    .action(async (flags: BoardFlags) => {
      await withBoard(flags, output, async ({ head, size }) => {
        const note = new TextDecoder().decode(head ?? new Uint8Array(0));
        output.out(flags.json ? JSON.stringify({ size, note }) : note.trimEnd());
      });
    });
  withBoardFlags(board.command('compare'))
    .summary('compare what another was shown (`board head > file`) with what you are')
    .argument('<file>', 'their checkpoint')
    .option('--entry <file>', 'an entry; <file> is its receipt then, and a board that withholds the entry is found out')
    .addHelpText('after', '\nExit code 0 when it is of the same log, 1 when the board lied or it is not of this board.')
    .action(async (file: string, flags: BoardFlags & { readonly entry?: string }) => {
      const said = new TextEncoder().encode(`${readBoardFile(file).toString('utf8').trimEnd()}\n`);
      const entry = flags.entry === undefined ? null : new Uint8Array(readBoardFile(flags.entry));
      await withBoard(flags, output, async (client) => {
        const heard = await (entry === null ? client.hear(said) : client.hearReceipt(said, entry));
        // Rejects with the evidence where it is a lie.
        if (heard === 'contradiction') await client.refresh();
        const words = {
          known: 'It is of the same log.',
          ahead: 'It is ahead of what the board shows here; it is compared as soon as the board shows as much.',
          'not-ours': 'It is not signed by this board.',
          contradiction: 'The board lied.',
        } as const;
        output.out(flags.json ? JSON.stringify({ heard }) : words[heard]);
        if (heard === 'not-ours') setExitCode(exitCodes.failed);
      });
    });
}

function keyOf(flags: CheckFlags) {
  if (flags.key !== undefined) return parseVerifierKey(flags.key);
  if (existsSync(policyFileOf(flags))) return readPolicy(flags).policy.board;
  throw new UsageError('whose key is it? Give --key: a file can name any');
}
