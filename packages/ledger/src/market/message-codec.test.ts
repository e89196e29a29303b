import { encodeCbor, peerIdOfEd25519 } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessReceipt } from '../access/access-types.ts';
import type { Hex } from '../offer/offer.ts';
import { decodeMessage, encodeMessage, isConsentMessage, MessageRefusedError } from './message-codec.ts';
import { messageLimits } from './message-limits.ts';
import { messageKinds } from './message-schemas.ts';
import type { AccountBinding, MessageBodies, MessageKind } from './messages.ts';

const hexOf = (byte: number, length: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(length)}`;
const peer = (byte: number) => peerIdOfEd25519(new Uint8Array(32).fill(byte));
const id = 'ab'.repeat(16);
const grantId = hexOf(1, 32);
const interval = { fromSeconds: 3600, untilSeconds: 7200 };
const signed = {
  offer: {
    patient: hexOf(2, 20),
    payee: hexOf(3, 20),
    buyer: hexOf(4, 20),
    custodian: hexOf(5, 20),
    arbiter: hexOf(0, 20),
    token: hexOf(0, 20),
    price: 2n ** 95n + 1n,
    validUntil: 2 ** 33,
    deliverWithin: 900,
    accessFor: 86_400,
    terms: hexOf(6, 32),
    nonce: hexOf(7, 32),
  },
  grantId,
  signature: hexOf(8, 65),
};
const buyer: AccountBinding = {
  peer: peer(9),
  account: hexOf(4, 20),
  issuedMs: 1,
  expiresMs: 2,
  peerSignature: new Uint8Array(64),
  accountSignature: hexOf(8, 65),
};
const receipt: AccessReceipt = {
  record: {
    kind: 'read',
    grantId,
    ordinal: 3,
    reader: peer(9),
    atMs: 5,
    request: hexOf(0, 32),
    purpose: 'research/rhythm',
    fromSeconds: 0,
    untilSeconds: 10,
    records: 1,
    bytes: 64,
    reason: null,
  },
  salt: new Uint8Array(16),
  index: 7,
  path: [new Uint8Array(32)],
  checkpoint: Uint8Array.of(1, 2, 3),
  request: null,
  signature: new Uint8Array(64),
};
const custodians = [peer(1), peer(2)];

const samples: MessageBodies = {
  ask: {
    askId: id,
    audience: { to: 'cohort', criteria: { recordedHoursMin: 24, irregular: true } },
    title: 'Rhythm at night',
    purpose: 'research/rhythm',
    explanation: 'What for.\nHow long.',
    organisation: 'Clinic',
    vitals: ['readings', 'windows'],
    ...interval,
    accessForSeconds: 86_400,
    price: 0n,
    token: hexOf(0, 20),
    buyer,
    hpkePublicKey: new Uint8Array(32),
    createdMs: 1,
    expiresMs: 2,
  },
  offer: {
    askId: id,
    signed,
    consent: '{}',
    salt: new Uint8Array(32),
    custodians,
    delivery: grantId,
    vitals: ['readings'],
    ...interval,
  },
  counter: { askId: id, handle: id, price: 12n, note: '' },
  deposit: {
    signed,
    subject: new Uint8Array(16),
    buyer,
    purpose: 'research/rhythm',
    vitals: ['alerts'],
    ...interval,
    envelope: new Uint8Array(9),
    custodians,
  },
  held: { grantId, signature: new Uint8Array(64) },
  claim: { grantId },
  key: { grantId, envelope: new Uint8Array(8), receipt },
  received: { grantId, delivery: grantId, signature: hexOf(1, 65) },
  read: {
    grantId,
    readId: id,
    vital: 'readings',
    fromSeconds: 1,
    untilSeconds: 2,
    atMs: 3,
    signature: new Uint8Array(64),
  },
  records: { readId: id, page: 0, isLast: true, rows: [[1, 10, new Uint8Array(16), 0, new Uint8Array(40)]], receipt },
  denied: { about: grantId, reason: 'not-paid', receipt: null },
  accessed: { receipts: [receipt] },
  withdrawn: { grantId, signature: hexOf(1, 65) },
  erased: { grantId },
};

const refusalOf = (action: () => unknown): string | null => {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof MessageRefusedError) return String(error.facts['why']);
    throw error;
  }
};
const encoded = (kind: MessageKind, change: object = {}) =>
  encodeMessage(kind, { ...samples[kind], ...change } as never);

describe('messages', () => {
  it.each(messageKinds)('of kind %s come back as they were, in the same bytes', (kind) => {
    const bytes = encoded(kind);
    expect(isConsentMessage(bytes)).toBe(true);
    const message = decodeMessage(bytes);
    expect(message).toEqual({ kind, body: samples[kind] });
    expect(encodeMessage(message.kind, message.body as never)).toEqual(bytes);
  });

  it.each(messageKinds)('of kind %s are refused with a field too many, too few or of another kind', (kind) => {
    expect(refusalOf(() => encoded(kind, { more: 1 }))).toBe('body');
    for (const name of Object.keys(samples[kind])) {
      const fewer = Object.fromEntries(Object.entries(samples[kind]).filter(([key]) => key !== name));
      expect([name, refusalOf(() => encodeMessage(kind, fewer as never))]).toEqual([name, 'body']);
      expect([name, refusalOf(() => encoded(kind, { [name]: Number.NaN }))]).toEqual([name, 'body']);
      const wrong = encodeCbor(['pulsemesh/consent', 1, kind, { [name]: ['x'] }]);
      expect(refusalOf(() => decodeMessage(wrong))).toBe('body');
    }
  });

  it('reach their limits and no further', () => {
    const long = 'x'.repeat(messageLimits.explanationCharactersMax);
    expect(refusalOf(() => encoded('ask', { explanation: long }))).toBeNull();
    expect(refusalOf(() => encoded('ask', { explanation: `${long}x` }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { title: 'right\u202eleft' }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { price: 2n ** 96n - 1n }))).toBeNull();
    expect(refusalOf(() => encoded('ask', { price: 2n ** 96n }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { price: -1n }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { fromSeconds: 7200 }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { fromSeconds: 3601 }))).toBe('body');
    expect(refusalOf(() => encoded('ask', { vitals: ['alerts', 'alerts'] }))).toBe('body');
    expect(refusalOf(() => encoded('offer', { custodians: [peer(1)] }))).toBe('body');
    expect(refusalOf(() => encoded('offer', { custodians: [peer(1), peer(1)] }))).toBe('body');
    expect(refusalOf(() => encoded('offer', { custodians: [1, 2, 3, 4, 5, 6].map(peer) }))).toBe('body');
    const envelope = new Uint8Array(messageLimits.envelopeBytesMax);
    expect(refusalOf(() => encoded('deposit', { envelope }))).toBeNull();
    expect(refusalOf(() => encoded('deposit', { envelope: new Uint8Array(envelope.length + 1) }))).toBe('body');
    const receipts = Array.from({ length: messageLimits.receiptsMax }, () => receipt);
    expect(refusalOf(() => encoded('accessed', { receipts }))).toBeNull();
    expect(refusalOf(() => encoded('accessed', { receipts: [...receipts, receipt] }))).toBe('body');
    const row = [1, 10, new Uint8Array(16), 0, new Uint8Array(messageLimits.sealedBytesMax)];
    expect(refusalOf(() => encoded('records', { rows: Array.from({ length: 13 }, () => row) }))).toBeNull();
    expect(refusalOf(() => encoded('records', { rows: Array.from({ length: 15 }, () => row) }))).toBe('size');
    expect(refusalOf(() => decodeMessage(new Uint8Array(messageLimits.messageBytesMax + 1)))).toBe('size');
  });

  it('of another version, label or kind are refused', () => {
    const body = samples.claim;
    expect(refusalOf(() => decodeMessage(encodeCbor(['pulsemesh/consent', 2, 'claim', body])))).toBe('form');
    expect(refusalOf(() => decodeMessage(encodeCbor(['pulsemesh/other', 1, 'claim', body])))).toBe('form');
    expect(refusalOf(() => decodeMessage(encodeCbor(['pulsemesh/consent', 1, 'poem', body])))).toBe('kind');
    expect(isConsentMessage(encodeCbor(['pulsemesh/other', 1, 'claim', body]))).toBe(false);
  });

  it('cut, lengthened, altered or made up never make the reader throw anything but a refusal', () => {
    const all = messageKinds.map((kind) => encoded(kind));
    const edits = fc.record({
      which: fc.nat(all.length - 1),
      at: fc.nat(),
      bit: fc.nat(7),
      cut: fc.nat(),
      tail: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(edits, ({ which, at, bit, cut, tail }) => {
        const bytes = all[which] as Uint8Array;
        const place = at % bytes.length;
        refusalOf(() => decodeMessage(bytes.with(place, (bytes[place] as number) ^ (1 << bit))));
        expect(refusalOf(() => decodeMessage(bytes.slice(0, cut % bytes.length)))).not.toBeNull();
        expect(refusalOf(() => decodeMessage(Uint8Array.of(...bytes, ...tail)))).toBe('form');
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...messageKinds), (value, kind) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(refusalOf(() => decodeMessage(encodeCbor(['pulsemesh/consent', 1, kind, plain])))).toBe('body');
        expect(refusalOf(() => decodeMessage(encodeCbor(plain)))).toBe('form');
      }),
    );
  });
});
