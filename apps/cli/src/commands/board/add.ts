import { appendFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type EntryBodies, type EntryKind, entryLimits } from '@pulsemesh/board';
import { createCard, loadIdentity } from '@pulsemesh/identity';
import type { Command } from 'commander';
import { type Output, UsageError } from '../../output.ts';
import type { Terminal } from '../../terminal.ts';
import { type PlaceFlags, parsePeer, placeOf, withPlaceFlags } from '../identity/place.ts';
import { type BoardFlags, policyFileOf, readBoardFile, withBoard, withBoardFlags } from './board-flags.ts';

type AddFlags = BoardFlags & PlaceFlags;

/** `board add`, `board enrol` and `board revoke`. */
export function addAdd(board: Command, output: Output, terminal: Terminal): void {
  withPlaceFlags(withBoardFlags(board.command('add')), { json: false })
    .summary('sign an entry and add it; done when it is on the board and countersigned')
    .argument('<kind>', 'announcement, anchor, task, contract, …')
    .argument('[file]', 'its body as JSON (default: standard input)')
    .addHelpText(
      'after',
      `
Example:
  $ echo '{"title":"Maintenance","text":"The board is away on Sunday."}' | pulsemesh board add announcement

The same again gives the first answer: nothing is on the board twice.`,
    )
    .action(async (kind: string, file: string | undefined, flags: AddFlags) => {
      const text = file === undefined ? await terminal.readInput() : readBoardFile(file).toString('utf8');
      // Whatever it is, the schema of its kind judges it before it is signed.
      await publish(parseKind(kind), parseBody(text) as EntryBodies[EntryKind], flags, output);
    });
  withPlaceFlags(withBoardFlags(board.command('enrol')), { json: false })
    .summary('put your own key on the board, so that everybody sees the same one')
    .requiredOption('--name <name>', `who you are, up to ${entryLimits.titleCharactersMax} characters: an organisation`)
    .action(async (flags: AddFlags & { readonly name: string }) => {
      const place = placeOf(flags);
      const identity = await loadIdentity(place.options, place.deps);
      const card = createCard(identity, { name: flags.name }, place.deps).bytes;
      const body = { action: 'enrol', subject: identity.peerId, name: flags.name, card } as const;
      await publish('key', body, flags, output);
    });
  withPlaceFlags(withBoardFlags(board.command('revoke')), { json: false })
    .summary('say for good that a key is not to be used any more: your own, or another as an authority')
    .argument('[peer]', 'default: your own')
    .requiredOption('--name <name>', 'whose key it is')
    .requiredOption('--reason <text>', 'why')
    .action(async (peer: string | undefined, flags: AddFlags & { readonly name: string; readonly reason: string }) => {
      const place = placeOf(flags);
      const own = (await loadIdentity(place.options, place.deps)).peerId;
      const subject = peer === undefined ? own : parsePeer(peer);
      const { name, reason } = flags;
      await publish('key', { action: 'revoke', subject, name, reason }, flags, output);
    });
}

async function publish<Kind extends EntryKind>(
  kind: Kind,
  body: EntryBodies[Kind],
  flags: AddFlags,
  output: Output,
): Promise<void> {
  const place = placeOf(flags);
  const identity = await loadIdentity(place.options, place.deps);
  await withBoard(flags, output, async (client) => {
    const { index, id } = await client.publish(kind, body, identity);
    remember(flags, id);
    output.out(flags.json ? JSON.stringify({ index, id }) : `#${index} ${id}`);
  });
}

function parseKind(text: string): EntryKind {
  const kind = kinds.find((one) => one === text);
  if (kind === undefined) throw new UsageError(`kinds are: ${kinds.join(', ')}`);
  return kind;
}

const kinds = ['key', 'task', 'contract', 'round', 'model', 'evaluation', 'anchor', 'announcement'] as const;

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('the body is not JSON');
  }
}

function ownFile(flags: Pick<BoardFlags, 'policy'>): string {
  return join(dirname(policyFileOf(flags)), 'own-entries');
}

/** Ids of the entries that were added from here. */
export function ownEntries(flags: Pick<BoardFlags, 'policy'>): readonly string[] {
  const file = ownFile(flags);
  return existsSync(file) ? readBoardFile(file).toString('utf8').split('\n') : [];
}

function remember(flags: Pick<BoardFlags, 'policy'>, id: string): void {
  if (!ownEntries(flags).includes(id)) appendFileSync(ownFile(flags), `${id}\n`);
}
