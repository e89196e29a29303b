import { AssertionError, createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealBrokenError } from './errors.ts';
import { createKeyTree, type SealPlace, sealOverheadBytes } from './key-tree.ts';

const random = createSystemRandom();
const seedOf = (byte: number) => new Uint8Array(32).fill(byte);
const tree = createKeyTree(seedOf(1));
const place: SealPlace = { kind: 1, bucketSeconds: 1_700_000_000, id: new Uint8Array(16).fill(9), revision: 3 };
const plaintext = new TextEncoder().encode('seventy-five beats');
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

describe('a key tree', () => {
  it('stays the tree of its seed: a change here makes every stored record unreadable', () => {
    const fixed = createKeyTree(new Uint8Array(32).map((_, index) => index));
    expect(fixed.subjectId).toBe('4f197c414a020310d6938c344081f452');
    expect(hex(fixed.recordId(2, 't1700000000000'))).toBe('bcde840ca6a54459658a0d67273cf3e5');
    expect(hex(fixed.seal(place, plaintext, createSeededRandom(5)))).toBe(
      '0159d327516c2ea21666d14f219b95d9187cde7f63f3dce3338246be7c49d2073b08f25335bb57177464e5cfe53aab',
    );
  });

  it('opens what it sealed, at any place', () => {
    const places = fc.record({
      kind: fc.nat(255),
      bucketSeconds: fc.maxSafeNat(),
      id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      revision: fc.nat(2 ** 31 - 1),
    });
    fc.assert(
      fc.property(places, fc.uint8Array({ maxLength: 300 }), (where, content) => {
        const sealed = tree.seal(where, content, random);
        expect(sealed.length).toBe(content.length + sealOverheadBytes);
        expect(createKeyTree(seedOf(1)).open(where, sealed)).toEqual(content);
      }),
    );
  });

  it('refuses every flipped bit and every cut', () => {
    const sealed = tree.seal(place, plaintext, random);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = sealed.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => tree.open(place, flipped)).toThrow(SealBrokenError);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => tree.open(place, sealed.subarray(0, length))).toThrow(SealBrokenError);
    }
    expect(tree.open(place, sealed)).toEqual(plaintext);
  });

  it.each([
    ['another kind', { kind: 2 }],
    ['another bucket of the hour', { bucketSeconds: place.bucketSeconds + 10 }],
    ['another bucket 2^32 seconds later', { bucketSeconds: place.bucketSeconds + 2 ** 32 }],
    ['another id', { id: new Uint8Array(16) }],
    ['another revision', { revision: 4 }],
  ])('does not open at %s', (_what, part) => {
    const sealed = tree.seal(place, plaintext, random);
    expect(() => tree.open({ ...place, ...part }, sealed)).toThrow(SealBrokenError);
  });

  it('does not open what another patient sealed', () => {
    expect(() => createKeyTree(seedOf(2)).open(place, tree.seal(place, plaintext, random))).toThrow(SealBrokenError);
  });

  it('gives the same record id to the same name, others to other names, kinds and patients', () => {
    expect(tree.recordId(1, 's5')).toEqual(createKeyTree(seedOf(1)).recordId(1, 's5'));
    const ids = [tree.recordId(1, 's5'), tree.recordId(1, 's6'), tree.recordId(2, 's5')];
    ids.push(createKeyTree(seedOf(2)).recordId(1, 's5'), tree.recordId(1, '\u0001s5'));
    expect(new Set(ids.map(hex)).size).toBe(ids.length);
    expect(ids.every((id) => id.length === 16)).toBe(true);
  });

  it('repeats no nonce in 100,000 seals, two copies of one tree sealing in turn', () => {
    const copies = [createKeyTree(seedOf(1)), createKeyTree(seedOf(1))];
    const nonces = new Set<string>();
    for (let index = 0; index < 100_000; index += 1) {
      const sealed = copies[index % 2]?.seal(place, plaintext.subarray(0, 1), random);
      nonces.add(Buffer.from(sealed ?? []).toString('latin1', 1, 13));
    }
    expect(nonces.size).toBe(100_000);
  });

  it('seals and opens over more hours than it keeps keys for', () => {
    const small = createKeyTree(seedOf(1), { leafKeysMax: 2 });
    const hours = [0, 1, 2, 3, 0, 3, 1].map((hour) => ({ ...place, bucketSeconds: hour * 3600 }));
    const sealed = hours.map((where) => small.seal(where, plaintext, random));
    hours.forEach((where, index) => {
      expect(small.open(where, sealed[index] ?? new Uint8Array(0))).toEqual(plaintext);
    });
  });

  it.each([
    { kind: 256 },
    { kind: 0.5 },
    { bucketSeconds: -1 },
    { bucketSeconds: 0.5 },
    { id: new Uint8Array(15) },
    { revision: 2 ** 31 },
  ])('calls a place with %j a bug', (part) => {
    expect(() => tree.seal({ ...place, ...part }, plaintext, random)).toThrow(AssertionError);
  });

  it('wants a seed of 32 bytes and shows none of it', () => {
    expect(() => createKeyTree(new Uint8Array(31))).toThrow(AssertionError);
    expect(JSON.stringify(tree)).not.toContain('key');
  });
});
