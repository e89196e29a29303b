import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { identityOfSeed } from '../identity.ts';
import { openPairHint, pairHintBytes, sealPairHint } from './pair-hint.ts';

const random = createSystemRandom();
const [alice, bob, carol] = [1, 2, 3].map((seed) => identityOfSeed(new Uint8Array(32).fill(seed)));
if (alice === undefined || bob === undefined || carol === undefined) throw new Error('three identities');
const said = { senderKey: alice.publicKey, session: '0f'.repeat(16) };

describe('a hint of a pair session', () => {
  const hint = sealPairHint(said, { sealingKey: bob.sealing.publicKey }, { random });

  it('tells its recipient whose batch it is, also under a retired key', () => {
    expect(hint.length).toBe(pairHintBytes);
    expect(openPairHint(hint, bob)).toEqual(said);
    expect(openPairHint(hint, { sealingKeys: [carol.sealing, bob.sealing] })).toEqual(said);
  });

  it('tells nobody else, and nothing when it was altered or cut', () => {
    expect(openPairHint(hint, carol)).toBeNull();
    for (let at = 0; at < hint.length; at += 1) {
      const altered = hint.slice();
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(openPairHint(altered, bob)).toBeNull();
    }
    expect(openPairHint(hint.subarray(1), bob)).toBeNull();
  });
});
