import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { KeyDirectory } from '@pulsemesh/board';
import { type BoardClient, formatPolicyFile, parsePolicyFile } from '@pulsemesh/board/client';
import { parseReceipt } from '@pulsemesh/board/verify';
import { IdentityMissingError, loadIdentity } from '@pulsemesh/identity';
import { watchForStop } from '@pulsemesh/node';
import { writeFileAtomically } from '@pulsemesh/node/relay';
import type { Command } from 'commander';
import { exitCodes, type Output, printable, table, UsageError } from '../../output.ts';
import { parseCount } from '../../parse.ts';
import { type PlaceFlags, parsePeer, placeOf, withPlaceFlags } from '../identity/place.ts';
import { ownEntries } from './add.ts';
import {
  allEntries,
  type BoardFlags,
  entryToJson,
  findEntry,
  policyFileOf,
  summaryOf,
  withBoard,
  withBoardFlags,
} from './board-flags.ts';

interface InitFlags extends BoardFlags {
  readonly witness?: readonly string[];
  readonly quorum?: number;
  readonly authority?: readonly string[];
}

/** `board init`: remembers a board. */
export function addInit(board: Command, output: Output): void {
  board
    .command('init')
    .summary('remember a board: where it is, its key, and which witnesses must have signed')
    .argument('<url>', 'where it is, as its operator says it')
    .argument('<key>', 'its verifier key: get it from its operator by another way than from the board')
    .option('--witness <key...>', 'verifier keys of witnesses')
    .option('--quorum <number>', 'how many of them must have signed (default: more than half)', parseCount)
    .option('--authority <peer...>', 'peers that may revoke keys of others')
    .option('--policy <file>', 'where to keep it (default: your own)')
    .action((url: string, key: string, flags: InitFlags) => {
      const { witness = [], quorum, authority = [] } = flags;
      const fields = {
        url,
        key,
        witnesses: witness,
        authorities: authority,
        ...(quorum === undefined ? {} : { quorum }),
      };
      const place = parsePolicyFile(JSON.stringify(fields));
      const file = policyFileOf(flags);
      mkdirSync(dirname(file), { recursive: true });
      writeFileAtomically(file, formatPolicyFile(place));
      output.out(
        `Remembered in ${file}: ${place.policy.witnesses.length} witnesses, of which ${place.policy.quorum} count.`,
      );
    });
}

interface ListFlags extends BoardFlags {
  readonly kind?: string;
  readonly limit: number;
}

/** `board list`. */
export function addList(board: Command, output: Output): void {
  withBoardFlags(board.command('list'))
    .summary('the newest entries, each verified')
    .option('--kind <kind>', 'key, task, contract, round, model, evaluation, anchor or announcement')
    .option('--limit <number>', 'how many', parseCount, 20)
    .action(async (flags: ListFlags) => {
      await withBoard(flags, output, async (client) => {
        const entries = allEntries(client)
          .filter(({ kind }) => flags.kind === undefined || kind === flags.kind)
          .slice(-flags.limit);
        if (flags.json) for (const entry of entries) output.out(entryToJson(entry));
        else {
          const rows = entries.map((entry) => [
            String(entry.index),
            entry.id.slice(0, 16),
            entry.kind,
            entry.author,
            summaryOf(entry),
          ]);
          for (const line of table([['#', 'id', 'kind', 'author', 'says'], ...rows])) output.out(line);
          output.err(`${client.size} entries verified.`);
        }
      });
    });
}

/** `board show`. */
export function addShow(board: Command, output: Output): void {
  withBoardFlags(board.command('show'))
    .summary('one entry in full')
    .argument('<entry>', 'its number, or the beginning of its id')
    .action(async (name: string, flags: BoardFlags) => {
      await withBoard(flags, output, async (client) => {
        const json = entryToJson(findEntry(client, name));
        output.out(flags.json ? json : printable(JSON.stringify(JSON.parse(json), null, 1)).replaceAll('�', '\n'));
      });
    });
}

interface ReceiptFlags extends BoardFlags {
  readonly out: string;
}

/** `board receipt`. */
export function addReceipt(board: Command, output: Output): void {
  withBoardFlags(board.command('receipt'))
    .summary('a proof that an entry is on the board, which verifies without the board')
    .argument('<entry>', 'its number, or the beginning of its id')
    .requiredOption('--out <file>', 'where to write it; the entry itself goes beside it, as <file>.entry')
    .action(async (name: string, flags: ReceiptFlags) => {
      await withBoard(flags, output, async (client) => {
        const entry = findEntry(client, name);
        const receipt = await client.receipt(entry.index);
        const file = resolve(flags.out);
        writeFileSync(file, receipt);
        writeFileSync(`${file}.entry`, entry.leaf);
        const { index } = parseReceipt(receipt);
        output.out(flags.json ? JSON.stringify({ receipt: file, entry: `${file}.entry`, index }) : file);
      });
    });
}

/** `board follow`. */
export function addFollow(board: Command, output: Output): void {
  withPlaceFlags(withBoardFlags(board.command('follow')), { json: false })
    .summary('show each new entry as it comes, and call out when one is about you and not by you')
    .action(async (flags: BoardFlags & PlaceFlags) => {
      const stop = watchForStop(false);
      const follow = async (client: BoardClient) => {
        await watchOwn(client, flags, output);
        let isOld = true;
        client.onEntry((entry) => {
          if (!isOld)
            output.out(flags.json ? entryToJson(entry) : `${entry.index}  ${entry.kind}  ${summaryOf(entry)}`);
        });
        isOld = false;
        output.err(`${client.size} entries verified; waiting for more. Ctrl-C ends it.`);
        await new Promise<void>((done, fail) => {
          stop.addEventListener('abort', () => done(), { once: true });
          client.onEvidence(() => client.refresh().catch(fail));
        });
      };
      await withBoard(flags, output, follow, { followMs: 2_000 });
    });
}

/** `board keys`. */
export function addKeys(board: Command, output: Output, setExitCode: (code: number) => void): void {
  withPlaceFlags(withBoardFlags(board.command('keys')), { json: false })
    .summary('whose keys are on the board, and whether one is about you that you did not put there')
    .argument('[peer]', 'only this one, with its history')
    .addHelpText('after', '\nExit code 1 when there is an entry about you that you did not make.')
    .action(async (peer: string | undefined, flags: BoardFlags & PlaceFlags) => {
      await withBoard(flags, output, async (client) => {
        using keys = new KeyDirectory(client);
        const chosen = peer === undefined ? keys.all() : [keys.keyOf(parsePeer(peer))].filter((key) => key !== null);
        if (peer !== undefined && chosen.length === 0) throw new UsageError('the board has nothing about that peer');
        for (const { subject, name, state, history } of chosen) {
          const steps = history.map(({ index, body }) => `${body.action} (#${index})`);
          if (flags.json)
            output.out(JSON.stringify({ peer: subject, name, state, entries: history.map(({ id }) => id) }));
          else
            output.out(`${subject}  ${state}  ${printable(name)}${peer === undefined ? '' : `  ${steps.join(', ')}`}`);
        }
        if ((await watchOwn(client, flags, output)) > 0) setExitCode(exitCodes.failed);
      });
    });
}

/** Calls out each entry about the own key; how many there were up to now. */
async function watchOwn(client: BoardClient, flags: BoardFlags & PlaceFlags, output: Output): Promise<number> {
  const place = placeOf(flags);
  const mine = new Set(ownEntries(flags));
  let peerId: Awaited<ReturnType<typeof loadIdentity>>['peerId'];
  try {
    ({ peerId } = await loadIdentity(place.options, place.deps));
  } catch (error) {
    if (error instanceof IdentityMissingError) return 0; // whoever has no key has none to watch
    throw error;
  }
  const name = new KeyDirectory(client).keyOf(peerId)?.name ?? '';
  let count = 0;
  const logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => logger };
  new KeyDirectory(client).watch(
    { peerId, name, isMine: (id) => mine.has(id) },
    ({ kind, entry }) => {
      count += 1;
      const what =
        kind === 'my-key' ? 'an entry under YOUR peer id that you did not make' : 'another key under YOUR name';
      output.err(
        `*** ALARM: the board has ${what}: #${entry.index} ${entry.id.slice(0, 16)} (${entry.body.action}). ***`,
      );
      output.err(
        'If it was not you, revoke your key (`pulsemesh board add key …` with "revoke") and ask the operator.',
      );
    },
    { logger },
  );
  return count;
}
