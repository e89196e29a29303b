import { assert, type Clock } from '@pulsemesh/base';
import { hybridPublicKeyBytes, sha256 } from '@pulsemesh/crypto';
import { ed25519KeyOf, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { StatementRefusedError } from './errors.ts';
import { bytesOf, integerOf, isPlainText, listOf, mapOf, optional, secondsOf, textOf, timeOf } from './fields.ts';
import type { Identity } from './identity.ts';
import { isSignedBy, signFields, splitSigned } from './signed.ts';
import { type Succession, verifySuccession } from './succession.ts';

const kind = 'pulsemesh/card/1';
const version = 1;
const dayMs = 86_400_000;

/** Limits of a contact card; past each it is neither made nor taken. */
export const cardLimits = {
  /** So that its text fits one QR code (2,953 characters in the largest). */
  bytesMax: 2_150,
  textCharactersMax: 2_900,
  nameCharactersMax: 64,
  relaysMax: 4,
  urlCharactersMax: 200,
  inboxesMax: 12,
  lifetimeMsDefault: 35 * dayMs,
  lifetimeMsMax: 400 * dayMs,
  /** How far ahead of our clock a card may have been made. */
  skewMs: 10 * 60_000,
} as const;

/** A relay where the holder of a card can be reached. */
export interface CardRelay {
  /** `https:` or `http:`, without user and password. Where it leads is for whoever connects to judge. */
  readonly url: string;
  /** The key the relay must prove. */
  readonly peerId: PeerId;
}

/** A mailbox of the holder, for a stretch of time. */
export interface CardInbox {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** Milliseconds since 1970, whole seconds, as all times of a card. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * Who somebody is, how to seal to them and where to send it, signed by the key that it is about. Fits as the recipient of an
 * envelope.
 */
export interface ContactCard {
  readonly peerId: PeerId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Grows with each card of this peer. */
  readonly version: number;
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** What the holder calls themself. Nobody vouches for it. */
  readonly name: string | null;
  readonly organisation: string | null;
  readonly sealingEpoch: number;
  /** X25519, 32 bytes. */
  readonly sealingKey: Uint8Array;
  /** X-Wing, 1,216 bytes; absent where the holder has none. */
  readonly hybridKey?: Uint8Array;
  readonly relays: readonly CardRelay[];
  readonly inboxes: readonly CardInbox[];
  /** SHA-256 of the holder's device list in force, where they have several devices. */
  readonly deviceListHash: Uint8Array | null;
  /** SHA-256 of the card before. */
  readonly supersedes: Uint8Array | null;
  /** The statement by which a former key of the holder named this one; `to` is this peer. */
  readonly succession: Succession | null;
  readonly successionBytes: Uint8Array | null;
  /** As signed. */
  readonly bytes: Uint8Array;
}

/** What a card says beside the keys. */
export interface CardFacts {
  readonly name?: string | null;
  readonly organisation?: string | null;
  readonly relays?: readonly CardRelay[];
  /** In order of time. Those at the end are left out where the card would grow too long. */
  readonly inboxes?: readonly CardInbox[];
  readonly deviceListHash?: Uint8Array | null;
  /** Default {@link cardLimits}.lifetimeMsDefault. */
  readonly lifetimeMs?: number;
  /** The card before; none after words brought the identity back. */
  readonly previous?: ContactCard | null;
}

/**
 * A new card of `identity`, with its sealing key in use and its last succession. Its version is greater than that of `previous`
 * and than the time in seconds, so that it wins over cards that were forgotten.
 * @throws {StatementRefusedError} `statement-too-long`; an AssertionError for facts that no card can hold (a bug: check what people type
 * with {@link isCardName} first).
 */
export function createCard(
  identity: Pick<Identity, 'publicKey' | 'sign' | 'sealing' | 'successions'>,
  facts: CardFacts,
  dependencies: { readonly clock: Clock },
): ContactCard {
  const inboxes = facts.inboxes ?? [];
  for (let count = inboxes.length; count >= 0; count -= 1) {
    const fields = fieldsOf(identity, { ...facts, inboxes: inboxes.slice(0, count) }, dependencies.clock.now());
    const bytes = signFields(kind, fields, [identity]);
    if (bytes.length > cardLimits.bytesMax) continue;
    try {
      return parseCard(bytes);
    } catch (error) {
      assert(false, `these facts make no card: ${error instanceof Error ? error.cause : error}`);
    }
  }
  throw new StatementRefusedError('card', 'statement-too-long');
}

/** True for what a card can hold as name or organisation. */
export function isCardName(text: string): boolean {
  return isPlainText(text, cardLimits.nameCharactersMax);
}

/** True for an address that a card can hold for a relay. */
export function isRelayUrl(url: string): boolean {
  if (!isPlainText(url, cardLimits.urlCharactersMax) || !URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}

/** SHA-256 of a card or device list, as `supersedes`, `previous` and `deviceListHash` hold it. */
export function statementHash(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

/**
 * What a card says, its signature checked. Does not know the time: see {@link assertCurrentCard}.
 * @throws {StatementRefusedError} `statement-malformed`, `statement-signature`, `statement-too-long`.
 */
export function parseCard(bytes: Uint8Array): ContactCard {
  if (bytes.length > cardLimits.bytesMax) throw new StatementRefusedError('card', 'statement-too-long');
  const { signed, card } = StatementRefusedError.reading('card', () => {
    const parts = splitSigned(bytes, { bytesMax: cardLimits.bytesMax, count: 1 });
    return { signed: parts, card: readFields(parts.body, new Uint8Array(bytes)) };
  });
  if (!isSignedBy(kind, signed, 0, card.publicKey)) throw new StatementRefusedError('card', 'statement-signature');
  return card;
}

/** @throws {StatementRefusedError} `statement-expired`; `statement-future`. */
export function assertCurrentCard(card: ContactCard, clock: Clock): void {
  if (card.issuedMs > clock.now() + cardLimits.skewMs) throw new StatementRefusedError('card', 'statement-future');
  if (clock.now() >= card.expiresMs) throw new StatementRefusedError('card', 'statement-expired');
}

/** The mailbox to send to now, or null where the card names none for this time. */
export function inboxAt(card: ContactCard, nowMs: number): CardInbox | null {
  return card.inboxes.find(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs) ?? null;
}

const keys = [
  'v',
  'key',
  'version',
  'issued',
  'expires',
  'name',
  'org',
  'sealing',
  'relays',
  'inboxes',
  'devices',
].concat(['supersedes', 'succession']);

function fieldsOf(
  identity: Pick<Identity, 'publicKey' | 'sealing' | 'successions'>,
  facts: CardFacts,
  nowMs: number,
): Record<string, unknown> {
  const { sealing, successions } = identity;
  const previous = facts.previous ?? null;
  const issued = secondsOf(nowMs);
  return {
    v: version,
    key: identity.publicKey,
    version: Math.max((previous?.version ?? 0) + 1, issued),
    issued,
    expires: issued + secondsOf(facts.lifetimeMs ?? cardLimits.lifetimeMsDefault),
    name: facts.name ?? null,
    org: facts.organisation ?? null,
    sealing: [sealing.epoch, sealing.publicKey, sealing.hybrid.publicKey],
    relays: (facts.relays ?? []).map(({ url, peerId }) => [url, ed25519KeyOf(peerId)]),
    inboxes: (facts.inboxes ?? []).map(({ id, fromMs, untilMs }) => [id, secondsOf(fromMs), secondsOf(untilMs)]),
    devices: facts.deviceListHash ?? null,
    supersedes: previous === null ? null : statementHash(previous.bytes),
    succession: successions.at(-1) ?? null,
  };
}

function readFields(body: Uint8Array, bytes: Uint8Array): ContactCard {
  const map = mapOf(body, keys, { bytesMax: cardLimits.bytesMax, depthMax: 3 });
  integerOf(map['v'], version, version);
  const publicKey = bytesOf(map['key'], 32);
  const peerId = peerIdOfEd25519(publicKey);
  const issuedMs = timeOf(map['issued']);
  const [epoch, sealingKey, hybridKey] = listOf(map['sealing'], 3, 3);
  const name = (value: unknown) => textOf(value, cardLimits.nameCharactersMax);
  const hash = (value: unknown) => bytesOf(value, 32);
  const hybrid = optional(hybridKey, (value) => bytesOf(value, hybridPublicKeyBytes));
  return {
    peerId,
    publicKey,
    version: integerOf(map['version'], 1),
    issuedMs,
    expiresMs: endOf(map['expires'], issuedMs),
    name: optional(map['name'], name),
    organisation: optional(map['org'], name),
    sealingEpoch: integerOf(epoch, 1),
    sealingKey: bytesOf(sealingKey, 32),
    ...(hybrid === null ? {} : { hybridKey: hybrid }),
    relays: listOf(map['relays'], 0, cardLimits.relaysMax).map(readRelay),
    inboxes: listOf(map['inboxes'], 0, cardLimits.inboxesMax).map(readInbox),
    deviceListHash: optional(map['devices'], hash),
    supersedes: optional(map['supersedes'], hash),
    succession: optional(map['succession'], (value) => readSuccession(value, peerId)),
    successionBytes: map['succession'] as Uint8Array | null, // read just above
    bytes,
  };
}

function endOf(value: unknown, issuedMs: number): number {
  const expiresMs = timeOf(value);
  if (expiresMs <= issuedMs || expiresMs - issuedMs > cardLimits.lifetimeMsMax) throw new TypeError('lifetime');
  return expiresMs;
}

function readRelay(value: unknown): CardRelay {
  const [url, key] = listOf(value, 2, 2);
  if (typeof url !== 'string' || !isRelayUrl(url)) throw new TypeError('relay');
  return { url, peerId: peerIdOfEd25519(bytesOf(key, 32)) };
}

function readInbox(value: unknown): CardInbox {
  const [id, from, until] = listOf(value, 3, 3);
  const fromMs = timeOf(from);
  const untilMs = timeOf(until);
  if (untilMs <= fromMs) throw new TypeError('inbox');
  return { id: bytesOf(id, 16), fromMs, untilMs };
}

function readSuccession(value: unknown, peerId: PeerId): Succession {
  if (!(value instanceof Uint8Array)) throw new TypeError('succession');
  const succession = verifySuccession(value);
  if (succession.to !== peerId) throw new TypeError('succession of another key');
  return succession;
}
