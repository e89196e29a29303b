import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import {
  createPassphraseParameters,
  derivePassphraseKey,
  PassphraseParametersError,
  passphraseLimits,
} from './passphrase.ts';

const salt = new TextEncoder().encode('SodiumChloride');
const accepted = { salt, costLog2: 14, blockSize: 8, parallelism: 1 };

describe('a key from a passphrase', () => {
  it('is that of RFC 7914 §12, third vector (its first 32 bytes)', async () => {
    const key = await derivePassphraseKey('pleaseletmein', accepted);
    expect(Buffer.from(key).toString('hex')).toBe('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2');
  });

  it('has new salt each time, at a cost that is accepted', () => {
    const one = createPassphraseParameters({ random: createSystemRandom() });
    const two = createPassphraseParameters({ random: createSystemRandom() });
    expect(one.salt).not.toEqual(two.salt);
    expect(one.costLog2).toBeLessThanOrEqual(passphraseLimits.costLog2Max);
  });

  it.each([
    { costLog2: passphraseLimits.costLog2Min - 1 },
    { costLog2: passphraseLimits.costLog2Max + 1 },
    { costLog2: 14.5 },
    { blockSize: 9 },
    { parallelism: 0 },
    { parallelism: passphraseLimits.parallelismMax + 1 },
    { salt: new Uint8Array(7) },
  ])('is not derived with %j', async (part) => {
    await expect(derivePassphraseKey('x', { ...accepted, ...part })).rejects.toThrow(PassphraseParametersError);
  });
});
