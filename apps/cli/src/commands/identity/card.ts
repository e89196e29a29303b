import { writeFile } from 'node:fs/promises';
import { errorCode } from '@pulsemesh/base';
import {
  type CardFacts,
  type CardRelay,
  type ContactCard,
  cardLimits,
  cardToQr,
  cardToText,
  createCard,
  type Identity,
  isCardName,
  isRelayUrl,
  loadIdentity,
  readCardFile,
  readDeviceListFile,
  statementHash,
  writeCardFile,
} from '@pulsemesh/identity';
import { equalBytes, parsePeerId } from '@pulsemesh/wire';
import { type Command, InvalidArgumentError } from 'commander';
import { type Output, printable, UsageError } from '../../output.ts';
import { type Place, type PlaceFlags, placeOf, withPlaceFlags } from './place.ts';

interface CardFlags extends PlaceFlags {
  readonly name?: string;
  readonly organisation?: string;
  readonly relay?: readonly CardRelay[];
  readonly days?: number;
  readonly qr?: boolean;
  readonly svg?: string;
  readonly file?: string;
}

const dayMs = 86_400_000;

/** `pulsemesh identity card`. */
export function addCard(identity: Command, output: Output): void {
  withPlaceFlags(identity.command('card'))
    .summary('your contact card: as text, QR code or file')
    .description(
      'Shows your contact card; makes a new version where something changed, or half of its life is over. What is not given\n' +
        'stays as it was.',
    )
    .option('--name <text>', 'what others see; nobody vouches for it')
    .option('--organisation <text>')
    .option('--relay <url=peer-id>', 'where you are reached; again for another one', collectRelay)
    .option('--days <number>', 'how long the card is good', parseDays)
    .option('--qr', 'as a QR code in the terminal')
    .option('--svg <file>', 'as a QR code in a picture')
    .option('--file <file>', 'as a file, to send or to put on a stick')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh identity card --name "Dr. Toni Berg" --organisation "Clinic of the Hill" \\
      --relay https://relay.example.org=12D3KooW… --qr
  $ pulsemesh identity card --file toni.card`,
    )
    .action(async (flags: CardFlags) => {
      checkNames(flags);
      const place = placeOf(flags);
      const card = await currentCard(place, await loadIdentity(place.options, place.deps), factsOf(flags));
      const text = cardToText(card);
      if (flags.file !== undefined) await writeFile(flags.file, `${text}\n`);
      if (flags.svg !== undefined) await writeFile(flags.svg, await cardToQr(card, 'svg'));
      if (flags.json) output.out(JSON.stringify({ ...cardView(card), text }, null, 2));
      else if (flags.qr) output.out(await cardToQr(card, 'terminal'));
      else if (flags.file === undefined && flags.svg === undefined) output.out(text);
    });
}

/** A card as a person or a program sees it. */
export function cardView(card: ContactCard) {
  return {
    peerId: card.peerId,
    name: card.name,
    organisation: card.organisation,
    version: card.version,
    expiresMs: card.expiresMs,
    relays: card.relays,
    inboxes: card.inboxes.length,
  };
}

/** A new card in the place of the one there is, if there is one: after a rotation. */
export async function renewCard(place: Place, identity: Identity): Promise<void> {
  if ((await readCardFile(place.card)) !== null) await currentCard(place, identity, {});
}

/** The card in force, made anew where it does not say what is so. */
async function currentCard(place: Place, identity: Identity, given: CardFacts): Promise<ContactCard> {
  const previous = await readCardFile(place.card);
  const list = await readDeviceListFile(place.devices, identity.peerId).catch(unlessOfFormerKey);
  const deviceListHash = list === null ? null : statementHash(list.bytes);
  const nowMs = place.deps.clock.now();
  if (previous !== null && isInForce(previous, identity, deviceListHash, nowMs) && Object.keys(given).length === 0)
    return previous;
  const facts: CardFacts = {
    name: given.name ?? previous?.name ?? null,
    organisation: given.organisation ?? previous?.organisation ?? null,
    relays: given.relays ?? previous?.relays ?? [],
    inboxes: (previous?.inboxes ?? []).filter((inbox) => inbox.untilMs > nowMs),
    deviceListHash,
    ...(given.lifetimeMs === undefined ? {} : { lifetimeMs: given.lifetimeMs }),
    previous: previous?.peerId === identity.peerId ? previous : null,
  };
  const card = createCard(identity, facts, place.deps);
  await writeCardFile(place.card, card, place.deps);
  return card;
}

/** After a succession the list there is that of the former key. */
function unlessOfFormerKey(error: unknown): null {
  if (errorCode(error) !== 'statement-other-person') throw error;
  return null;
}

function isInForce(card: ContactCard, identity: Identity, devices: Uint8Array | null, nowMs: number): boolean {
  const sameDevices =
    card.deviceListHash === null || devices === null
      ? card.deviceListHash === devices
      : equalBytes(card.deviceListHash, devices);
  const isYoung = nowMs - card.issuedMs < (card.expiresMs - card.issuedMs) / 2;
  return card.peerId === identity.peerId && card.sealingEpoch === identity.sealing.epoch && sameDevices && isYoung;
}

function factsOf({ name, organisation, relay, days }: CardFlags): CardFacts {
  return {
    ...(name === undefined ? {} : { name }),
    ...(organisation === undefined ? {} : { organisation }),
    ...(relay === undefined ? {} : { relays: relay }),
    ...(days === undefined ? {} : { lifetimeMs: days * dayMs }),
  };
}

function checkNames({ name, organisation }: CardFlags): void {
  for (const text of [name, organisation]) {
    if (text !== undefined && !isCardName(text))
      throw new UsageError(
        `a name has 1 to ${cardLimits.nameCharactersMax} visible characters, without spaces at its ends: ${printable(text).slice(0, 80)}`,
      );
  }
}

function collectRelay(text: string, before: readonly CardRelay[] = []): readonly CardRelay[] {
  const at = text.lastIndexOf('=');
  const url = text.slice(0, at);
  if (at < 0 || !isRelayUrl(url)) throw new InvalidArgumentError('Wanted: https://relay.example.org=12D3KooW…');
  if (before.length >= cardLimits.relaysMax) throw new InvalidArgumentError(`At most ${cardLimits.relaysMax} relays.`);
  try {
    return [...before, { url, peerId: parsePeerId(text.slice(at + 1)) }];
  } catch {
    throw new InvalidArgumentError('Behind the = stands the peer id of the relay.');
  }
}

function parseDays(text: string): number {
  const value = Number(text);
  const max = cardLimits.lifetimeMsMax / dayMs;
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new InvalidArgumentError(`Wanted: a whole number of days, 1 to ${max}.`);
  return value;
}
