import { VirtualClock } from '@pulsemesh/base/testing';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StatementRefusedError } from './errors.ts';
import { identityOfSeed } from './identity.ts';
import { signFields } from './signed.ts';
import { followSuccessions, signSuccession, successionBytesMax, verifySuccession } from './succession.ts';

const clock = new VirtualClock(1_700_000_000_000);
const identity = (number: number) => identityOfSeed(new Uint8Array(32).fill(number));
const alice = identity(1);
const next = identity(2);
const later = identity(3);
const mallory = identity(4);
const statement = signSuccession(alice, next, { clock });

describe('a succession statement', () => {
  it('names the old and the new key, and both sign it', () => {
    expect(verifySuccession(statement)).toEqual({ from: alice.peerId, to: next.peerId, createdMs: clock.now() });
    expect(statement.length).toBeLessThanOrEqual(successionBytesMax);
  });

  it('is refused when one of the two did not sign', () => {
    const [body] = decodeCbor(statement) as [Uint8Array];
    for (const by of [
      [alice, mallory],
      [mallory, next],
      [next, alice],
    ]) {
      const forged = signFields('pulsemesh/succession/1', decodeCbor(body), by);
      expect(() => verifySuccession(forged)).toThrow(expect.objectContaining({ code: 'statement-signature' }));
    }
    const one = signFields('pulsemesh/succession/1', decodeCbor(body), [alice]);
    expect(() => verifySuccession(one)).toThrow(expect.objectContaining({ code: 'statement-malformed' }));
  });

  it('answers any bytes, and any flipped bit, with a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: successionBytesMax + 50 }), (bytes) => {
        expect(() => verifySuccession(bytes)).toThrow(StatementRefusedError);
        expect(() => verifySuccession(encodeCbor([bytes, bytes, bytes]))).toThrow(StatementRefusedError);
      }),
    );
    for (let bit = 0; bit < statement.length * 8; bit += 3) {
      const flipped = statement.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => verifySuccession(flipped)).toThrow(StatementRefusedError);
    }
  });

  it('is followed from the oldest card to the newest key, and not where a key named two', () => {
    const chain = [signSuccession(next, later, { clock }), statement].map(verifySuccession);
    expect(followSuccessions(alice.peerId, chain)).toBe(later.peerId);
    expect(followSuccessions(mallory.peerId, chain)).toBe(mallory.peerId);
    const fork = verifySuccession(signSuccession(alice, mallory, { clock }));
    expect(followSuccessions(alice.peerId, [...chain, fork])).toBeNull();
    const ring = [statement, signSuccession(next, alice, { clock })].map(verifySuccession);
    expect(followSuccessions(alice.peerId, ring)).toBeNull();
  });
});
