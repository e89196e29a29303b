import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { identityOfSeed } from './identity.ts';
import { safetyNumber } from './safety-number.ts';

const peer = (number: number): PeerId => identityOfSeed(new Uint8Array(32).fill(number)).peerId;

describe('the safety number of two people', () => {
  it('is the same on both sides, twelve groups of five digits', () => {
    expect(safetyNumber(peer(1), peer(2))).toBe(safetyNumber(peer(2), peer(1)));
    expect(safetyNumber(peer(1), peer(2))).toMatch(/^\d{5}( \d{5}){11}$/);
  });

  it('is another one when somebody stands in between', () => {
    const numbers = [safetyNumber(peer(1), peer(2)), safetyNumber(peer(1), peer(3)), safetyNumber(peer(3), peer(2))];
    expect(new Set(numbers).size).toBe(3);
  });

  it('stays what it is from version to version', () => {
    expect(safetyNumber(peer(1), peer(2))).toMatchInlineSnapshot(
      `"28519 43424 96879 84772 51870 39284 49938 62166 06124 54013 36953 47752"`,
    );
  });

  it('is refused for a peer id that names no key', () => {
    const legacy = parsePeerId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N');
    expect(() => safetyNumber(peer(1), legacy)).toThrow(/refused/);
  });
});
