import { createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import {
  createKeyTree,
  createX25519Key,
  generateX25519,
  OutsideSubtreeError,
  SubtreeLimitError,
  WeakKeyError,
} from '@pulsemesh/crypto';
import { recordKinds } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hex } from '../offer/offer.ts';
import { deliveryOf, envelopeLimits, openEnvelope, sealEnvelope, wrappedKeyOf } from './envelope.ts';
import { type EnvelopeRefusal, EnvelopeRefusedError } from './errors.ts';
import { isReleasable } from './span.ts';

const random = createSystemRandom();
const tree = createKeyTree(new Uint8Array(32).fill(1));
const buyer = createX25519Key(generateX25519(random).privateKey);
const stranger = createX25519Key(generateX25519(random).privateKey);
const grantId: Hex = `0x${'9a'.repeat(32)}`;
const hour = 3600;
const agreed = {
  vitals: ['predictions', 'readings'],
  fromSeconds: 472_000 * hour,
  untilSeconds: 472_030 * hour,
} as const;
const input = { tree, grantId, buyerHpkePublicKey: buyer.publicKey, ...agreed };
const envelope = sealEnvelope(input, { random });
const plaintext = new TextEncoder().encode('72 bpm');
const placeAt = (kind: number, bucketSeconds: number) => ({
  kind,
  bucketSeconds,
  id: tree.recordId(kind, `${bucketSeconds}`),
  revision: 0,
});

function refusalOf(
  bytes: Uint8Array,
  changes: Partial<Parameters<typeof openEnvelope>[1]> = {},
): EnvelopeRefusal | null {
  try {
    openEnvelope(bytes, { ...agreed, grantId, hpkeKey: buyer, ...changes }, { random });
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(EnvelopeRefusedError);
    return (error as EnvelopeRefusedError).reason;
  }
}

describe('an envelope', () => {
  it('opens for its buyer what was agreed, and nothing beside it', () => {
    const keys = openEnvelope(envelope, { ...agreed, grantId, hpkeKey: buyer }, { random });
    expect(keys.subjectId).toBe(tree.subjectId);
    for (const kind of [recordKinds.reading, recordKinds.prediction]) {
      for (const at of [agreed.fromSeconds, agreed.untilSeconds - 10]) {
        const place = placeAt(kind, at);
        expect(keys.open(place, tree.seal(place, plaintext, random))).toEqual(plaintext);
      }
      for (const at of [agreed.fromSeconds - 10, agreed.untilSeconds]) {
        const place = placeAt(kind, at);
        expect(() => keys.open(place, tree.seal(place, plaintext, random))).toThrow(OutsideSubtreeError);
      }
    }
    const place = placeAt(recordKinds.window, agreed.fromSeconds);
    expect(() => keys.open(place, tree.seal(place, plaintext, random))).toThrow(OutsideSubtreeError);
  });

  it('is no envelope of another grant, another buyer, another span', () => {
    expect(refusalOf(envelope)).toBeNull();
    expect(refusalOf(envelope, { grantId: `0x${'9b'.repeat(32)}` })).toBe('seal-broken');
    expect(refusalOf(envelope, { hpkeKey: stranger })).toBe('seal-broken');
    expect(refusalOf(envelope, { vitals: ['readings'] })).toBe('other-span');
    expect(refusalOf(envelope, { fromSeconds: agreed.fromSeconds - hour })).toBe('other-span');
    expect(refusalOf(envelope, { untilSeconds: agreed.untilSeconds + hour })).toBe('other-span');
    expect(refusalOf(envelope, { vitals: ['readings', 'predictions'] })).toBeNull();
  });

  it('has a wrapped key of 80 bytes, and is told by its hash', () => {
    expect(wrappedKeyOf(envelope)).toHaveLength(2 + 2 * 80);
    expect(deliveryOf(envelope)).toMatch(/^0x[0-9a-f]{64}$/);
    const again = sealEnvelope(input, { random });
    expect(wrappedKeyOf(again)).not.toBe(wrappedKeyOf(envelope));
    expect(deliveryOf(again)).not.toBe(deliveryOf(envelope));
    const parts = decodeCbor(envelope) as [number, Uint8Array, Uint8Array];
    const otherBody = (decodeCbor(again) as [number, Uint8Array, Uint8Array])[2];
    expect(refusalOf(encodeCbor([parts[0], parts[1], otherBody]))).toBe('seal-broken');
  });

  it('stays what it is: a change here makes those that are held unreadable', () => {
    const fixed = sealEnvelope(
      {
        ...input,
        buyerHpkePublicKey: createX25519Key(new Uint8Array(32).fill(4)).publicKey,
        untilSeconds: 472_001 * hour,
      },
      { random: createSeededRandom(7) },
    );
    expect(deliveryOf(fixed)).toBe('0xce800aeefa582a956c02bc791763bf0bba05fae9b3f8c414813c9d97ead46206');
  });

  it('is refused for every flipped byte, every cut, and for more', () => {
    for (let at = 0; at < envelope.length; at += 7) {
      expect(refusalOf(envelope.with(at, (envelope[at] ?? 0) ^ 0x55))).not.toBeNull();
      expect(refusalOf(envelope.subarray(0, at))).toBe('malformed');
    }
    expect(refusalOf(Uint8Array.of(...envelope, 0))).toBe('malformed');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(refusalOf(bytes)).toBe('malformed');
        expect(() => wrappedKeyOf(bytes)).toThrow(EnvelopeRefusedError);
      }),
    );
    const [version, wrapped, sealed] = decodeCbor(envelope) as [number, Uint8Array, Uint8Array];
    const shapes = [
      [version + 1, wrapped, sealed],
      [version, wrapped.subarray(1), sealed],
      [version, wrapped, 'text'],
      [version, wrapped],
      { version },
      [version, wrapped, new Uint8Array(envelopeLimits.bytesMax)],
    ];
    for (const shape of shapes) expect(refusalOf(encodeCbor(shape))).toBe('malformed');
    expect(refusalOf(encodeCbor([version, new Uint8Array(80), sealed]))).toBe('seal-broken');
  });

  it('of ten years of two kinds fits into a message; of four kinds it does not, and is refused', () => {
    const tenYears = { fromSeconds: 0, untilSeconds: 10 * 366 * 24 * hour };
    const large = sealEnvelope({ ...input, ...tenYears }, { random });
    expect(large.length).toBeLessThan(envelopeLimits.bytesMax);
    expect(refusalOf(large, tenYears)).toBeNull();
    const vitals = ['readings', 'windows', 'predictions', 'alerts'] as const;
    expect(() => sealEnvelope({ ...input, ...tenYears, vitals }, { random })).toThrow(SubtreeLimitError);
    expect(isReleasable({ ...agreed, ...tenYears })).toBe(true);
    expect(isReleasable({ ...tenYears, vitals })).toBe(false);
    expect(isReleasable({ vitals, fromSeconds: 0, untilSeconds: 2_000 * 24 * hour })).toBe(true);
    expect(isReleasable({ vitals, fromSeconds: 0, untilSeconds: 2_000 * 24 * hour + hour })).toBe(false);
  });

  it('cannot be made for a key that gives no secret', () => {
    const nobody = { ...input, buyerHpkePublicKey: new Uint8Array(32) };
    expect(() => sealEnvelope(nobody, { random })).toThrow(WeakKeyError);
  });
});
