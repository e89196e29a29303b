import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { decodeCbor, encodeCbor, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertCurrentCard,
  type CardFacts,
  cardLimits,
  createCard,
  inboxAt,
  isCardName,
  isRelayUrl,
  parseCard,
  statementHash,
} from './card.ts';
import { cardFromText, cardToQr, cardToText } from './card-text.ts';
import { StatementRefusedError } from './errors.ts';
import { type Identity, identityOfSeed } from './identity.ts';
import { signFields } from './signed.ts';

const clock = new VirtualClock(1_700_000_000_000);
const random = createSystemRandom();
const alice = identityOfSeed(new Uint8Array(32).fill(1));
const mallory = identityOfSeed(new Uint8Array(32).fill(2));
const relay = identityOfSeed(new Uint8Array(32).fill(3));
const weekMs = 7 * 86_400_000;

const inboxes = Array.from({ length: 12 }, (_, week) => ({
  id: random.bytes(16),
  fromMs: clock.now() + week * weekMs,
  untilMs: clock.now() + (week + 1) * weekMs,
}));
const facts: CardFacts = {
  name: 'Ward 7, Züri',
  organisation: 'Clinic of the Hill',
  relays: [{ url: 'https://relay.example.org:443/', peerId: relay.peerId }],
  inboxes,
};

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof StatementRefusedError) return error.code;
    throw error;
  }
  return 'taken';
}

/** The fields of a card, changed and signed again by its own key. */
function resigned(changes: Record<string, unknown>, by: Identity = alice): Uint8Array {
  const [body] = decodeCbor(createCard(alice, facts, { clock }).bytes) as [Uint8Array];
  return signFields('pulsemesh/card/1', { ...(decodeCbor(body) as object), ...changes }, [by]);
}

const fieldNames = 'v key version issued expires name org sealing relays inboxes devices supersedes succession'.split(
  ' ',
);

function isEncodable(value: unknown): boolean {
  try {
    encodeCbor(value);
    return true;
  } catch {
    return false;
  }
}

describe('a contact card', () => {
  it('says who one is, how to seal to them and where to send it', () => {
    const card = createCard(alice, facts, { clock });
    const read = parseCard(card.bytes);
    expect(read).toEqual(card);
    expect(read).toMatchObject({
      peerId: alice.peerId,
      name: facts.name,
      organisation: facts.organisation,
      relays: facts.relays,
      inboxes,
      sealingEpoch: 1,
      sealingKey: alice.sealing.publicKey,
      hybridKey: alice.sealing.hybrid.publicKey,
      supersedes: null,
    });
    expect(inboxAt(read, clock.now() + weekMs)?.id).toEqual(inboxes[1]?.id);
    expect(inboxAt(read, clock.now() - 1)).toBeNull();
  });

  it('is greater than the one before it, and than all that were forgotten', () => {
    const first = createCard(alice, facts, { clock });
    const second = createCard(alice, { ...facts, previous: first }, { clock });
    expect(second.version).toBe(first.version + 1);
    expect(second.supersedes).toEqual(statementHash(first.bytes));
    expect(first.version).toBe(1_700_000_000);
  });

  it('has every bit of it signed', () => {
    const { bytes } = createCard(alice, facts, { clock });
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(codeOf(() => parseCard(flipped))).toMatch(/^statement-(malformed|signature)$/);
    }
  });

  it('of a key that another key signed is refused', () => {
    expect(codeOf(() => parseCard(resigned({}, mallory)))).toBe('statement-signature');
    expect(codeOf(() => parseCard(resigned({})))).toBe('taken');
  });

  it('is refused as any other kind of statement, though the bytes are signed', () => {
    const [body] = decodeCbor(createCard(alice, facts, { clock }).bytes) as [Uint8Array];
    const other = signFields('pulsemesh/devices/1', decodeCbor(body), [alice]);
    expect(codeOf(() => parseCard(other))).toBe('statement-signature');
  });

  it.each([
    ['another version', { v: 2 }],
    ['a field more', { extra: null }],
    ['a name that turns the text', { name: 'Ward \u202e7' }],
    ['a name of nothing', { name: ' ' }],
    ['a name too long', { name: 'x'.repeat(cardLimits.nameCharactersMax + 1) }],
    ['a relay with a password', { relays: [['https://a:b@relay.example/', relay.publicKey]] }],
    ['a relay that is a file', { relays: [['file:///etc/passwd', relay.publicKey]] }],
    ['too many relays', { relays: Array.from({ length: 5 }, () => ['https://a.example/', relay.publicKey]) }],
    ['too many inboxes', { inboxes: Array.from({ length: 13 }, () => [new Uint8Array(16), 1, 2]) }],
    ['an inbox that ends before it begins', { inboxes: [[new Uint8Array(16), 2, 1]] }],
    ['no life at all', { expires: 1_700_000_000 }],
    ['too long a life', { expires: 1_700_000_000 + 401 * 86_400 }],
    ['no version', { version: 0 }],
    ['a sealing key of another length', { sealing: [1, new Uint8Array(31), null] }],
    ['a hybrid key of another length', { sealing: [1, new Uint8Array(32), new Uint8Array(1215)] }],
    ['a succession of others', { succession: new Uint8Array(200) }],
  ])('with %s is refused', (_what, changes) => {
    expect(codeOf(() => parseCard(resigned(changes)))).toBe('statement-malformed');
  });

  it('of a holder without a hybrid key has none', () => {
    expect(parseCard(resigned({ sealing: [1, alice.sealing.publicKey, null] }))).not.toHaveProperty('hybridKey');
  });

  it('is refused past its time and before it', () => {
    const card = createCard(alice, { ...facts, lifetimeMs: 60_000 }, { clock });
    assertCurrentCard(card, clock);
    expect(codeOf(() => assertCurrentCard(card, new VirtualClock(clock.now() + 60_000)))).toBe('statement-expired');
    const early = new VirtualClock(clock.now() - cardLimits.skewMs - 1);
    expect(codeOf(() => assertCurrentCard(card, early))).toBe('statement-future');
  });

  it('answers any bytes with a card or a refusal, and reads none past its length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => parseCard(bytes))).toMatch(/^statement-/);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 3 }), (parts) => {
        expect(codeOf(() => parseCard(encodeCbor(parts)))).toMatch(/^statement-/);
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...fieldNames), fc.anything({ maxDepth: 2 }), (name, value) => {
        fc.pre(isEncodable(value));
        expect(codeOf(() => parseCard(resigned({ [name]: value })))).toMatch(/^(statement-|taken)/);
      }),
    );
    expect(codeOf(() => parseCard(new Uint8Array(cardLimits.bytesMax + 1)))).toBe('statement-too-long');
  });

  it('leaves out the last inboxes rather than grow too long, and is not made when even that is not enough', () => {
    const relays = Array.from({ length: 4 }, () => ({
      url: `https://${'r'.repeat(100)}.example/`,
      peerId: relay.peerId,
    }));
    const card = createCard(alice, { ...facts, relays }, { clock });
    expect(card.bytes.length).toBeLessThanOrEqual(cardLimits.bytesMax);
    expect(card.inboxes.length).toBeLessThan(12);
    expect(card.inboxes).toEqual(inboxes.slice(0, card.inboxes.length));
    const long = relays.map((entry) => ({ ...entry, url: `https://${'r'.repeat(180)}.example/` }));
    expect(codeOf(() => createCard(alice, { ...facts, relays: long }, { clock }))).toBe('statement-too-long');
  });

  it('shows its holder beforehand what a name and an address may be', () => {
    expect(isCardName('Dr. Åse Nørgård')).toBe(true);
    for (const bad of ['', ' x', 'a\nb', 'a\u200db', '\ud800']) expect(isCardName(bad)).toBe(false);
    expect(isRelayUrl('https://relay.example/')).toBe(true);
    for (const bad of ['relay.example', 'ftp://relay.example/', 'https://user@relay.example/']) {
      expect(isRelayUrl(bad)).toBe(false);
    }
  });
});

describe('a card as text', () => {
  const card = createCard(alice, facts, { clock });
  const text = cardToText(card);

  it('comes back whole, also broken into lines', () => {
    expect(cardFromText(text)).toEqual(card);
    expect(cardFromText(`\n  ${text.replace(/(.{60})/g, '$1\r\n ')}`)).toEqual(card);
  });

  it('fits a QR code, the longest there may be too', async () => {
    const longest = cardToText({ bytes: new Uint8Array(cardLimits.bytesMax).fill(0xa7) });
    expect(longest.length).toBeLessThanOrEqual(cardLimits.textCharactersMax);
    expect(await cardToQr({ bytes: new Uint8Array(cardLimits.bytesMax) }, 'svg')).toMatch(/^<svg.*<\/svg>\s*$/s);
    expect(await cardToQr(card, 'terminal')).toContain('▀');
  });

  it('is refused with every character that was copied wrongly, and cut', () => {
    for (let at = 15; at < text.length; at += 13) {
      const other = text[at] === 'A' ? 'B' : 'A';
      expect(codeOf(() => cardFromText(text.slice(0, at) + other + text.slice(at + 1)))).toBe('statement-checksum');
      expect(codeOf(() => cardFromText(text.slice(0, at)))).toBe('statement-checksum');
    }
    expect(codeOf(() => cardFromText('mailto:x'))).toBe('statement-malformed');
    expect(codeOf(() => cardFromText(`${text}=`))).toBe('statement-checksum');
    expect(codeOf(() => cardFromText(' '.repeat(6_000)))).toBe('statement-too-long');
    expect(toHex(cardFromText(text).publicKey)).toBe(toHex(alice.publicKey));
  });
});
