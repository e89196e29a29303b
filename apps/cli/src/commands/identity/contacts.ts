import { readFileSync } from 'node:fs';
import { errorMessage, silentLogger } from '@pulsemesh/base';
import { type CardDirectory, cardFromText, loadIdentity, openCardDirectory, safetyNumber } from '@pulsemesh/identity';
import { ConfigError } from '@pulsemesh/node';
import type { Command } from 'commander';
import { type Output, table } from '../../output.ts';
import type { Terminal } from '../../terminal.ts';
import { cardView } from './card.ts';
import { type PlaceFlags, parsePeer, placeOf, withPlaceFlags } from './place.ts';

/** `pulsemesh identity contacts`: the cards of others. */
export function addContacts(identity: Command, output: Output, terminal: Terminal): void {
  const contacts = identity.command('contacts').summary('the cards of others');
  withPlaceFlags(contacts.command('add'))
    .argument('<file>', 'a card file; - reads the text of a card from standard input')
    .summary('take a card, or a newer version of one')
    .description(
      'Takes a card. An older version than the one known is refused, and so is a known name with another key: then ask the\n' +
        'person, by another way than the one the card came. Where they are two people, give the second a name with --as.',
    )
    .option('--as <name>', 'what you call them, instead of what their card says')
    .action(async (file: string, flags: PlaceFlags & { readonly as?: string }) => {
      const card = cardFromText(file === '-' ? await terminal.readInput() : readText(file));
      const directory = await open(flags);
      const verdict = await directory.add(card, flags.as === undefined ? {} : { as: flags.as });
      if (flags.json) return output.out(JSON.stringify({ verdict, card: cardView(card) }, null, 2));
      const what = { new: 'a new contact', newer: 'a newer card', same: 'known already' }[verdict];
      output.out(`${what}: ${card.peerId}`);
    });
  withPlaceFlags(contacts.command('check'))
    .argument('<peer-id>')
    .summary('the number to compare with somebody, by voice or side by side')
    .description(
      'Shows sixty digits that are the same for both of you when each has the other’s true key. Compare them by another way\n' +
        'than the one the card came: by telephone, or on paper.',
    )
    .action(async (peer: string, flags: PlaceFlags) => {
      const place = placeOf(flags);
      const own = await loadIdentity(place.options, place.deps);
      const number = safetyNumber(own.peerId, parsePeer(peer));
      output.out(flags.json ? JSON.stringify({ peerId: peer, number }) : number);
    });
  withPlaceFlags(contacts.command('list'))
    .summary('whom you know')
    .action(async (flags: PlaceFlags) => {
      const directory = await open(flags);
      for (const { file, code } of directory.problems) output.err(`pulsemesh: ${file} is not taken: ${code}`);
      const cards = directory.list();
      if (flags.json) return output.out(JSON.stringify(cards.map(cardView), null, 2));
      if (cards.length === 0)
        return output.out('No contacts yet: `pulsemesh identity contacts add` takes their cards.');
      const rows = cards.map((card) => [
        card.name ?? '',
        card.organisation ?? '',
        new Date(card.expiresMs).toISOString().slice(0, 10),
        card.peerId,
      ]);
      for (const line of table([['name', 'organisation', 'expires', 'peer'], ...rows])) output.out(line);
    });
}

function open(
  flags: PlaceFlags,
): Promise<CardDirectory & { readonly problems: readonly { file: string; code: string }[] }> {
  const { contacts, deps } = placeOf(flags);
  return openCardDirectory(contacts, { ...deps, logger: silentLogger });
}

/** @throws {ConfigError} */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(file, `cannot be read (${errorMessage(error)})`, error);
  }
}
