import { ecrecover } from '@ethereumjs/util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recoverWithWasm } from './recover-with-wasm.ts';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const bytes = (value: bigint) => Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
const outcome = (work: () => Uint8Array): string => {
  try {
    return Buffer.from(work()).toString('hex');
  } catch {
    return 'none';
  }
};

describe('keys recovered in WebAssembly', () => {
  it('are those that JavaScript finds, and none where it finds none', () => {
    const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const edge = fc.constantFrom(0n, 1n, order - 1n, order, order + 1n, order / 2n, order / 2n + 1n).map(bytes);
    const v = fc.constantFrom(0n, 1n, 2n, 26n, 27n, 28n, 29n, 97n, 98n, 99n, 62_709n, 62_710n);
    const chain = fc.constantFrom(undefined, 31n, 31_337n);
    fc.assert(
      fc.property(word, v, fc.oneof(word, edge), fc.oneof(word, edge), chain, (hash, one, r, s, chainId) => {
        const [ours, theirs] = [recoverWithWasm, ecrecover].map((of) => outcome(() => of(hash, one, r, s, chainId)));
        expect(ours).toBe(theirs);
      }),
      { numRuns: 400 },
    );
  });
});
