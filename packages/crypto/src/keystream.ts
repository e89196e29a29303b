import { assert } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { assertKey } from './hash.ts';

/** Bytes that look random to whoever does not hold the key, as many as are wanted, the same again for the same key. */
export interface Keystream {
  /** Overwrites `target` with the next bytes of the stream; how it is cut into calls does not change the stream. */
  fill(target: Uint8Array): void;
}

/** Limits of a keystream. */
export const keystreamLimits = {
  /** 2^28 blocks of one key: far below where blocks that never repeat tell it from chance. */
  bytesMax: 2 ** 32,
} as const;

/**
 * The keystream of a 32-byte key (copied): AES-256 in counter mode (NIST SP 800-38A §6.5) from counter 0, over zeros. A key is for one
 * stream only. Filling a buffer that is used again leaves no garbage of the stream's size; 64 KiB a call are fastest.
 * Running past `bytesMax` (for tests; default {@link keystreamLimits}) is a bug and throws.
 */
export function createKeystream(key: Uint8Array, options: { readonly bytesMax?: number } = {}): Keystream {
  assertKey(key, 'a keystream key');
  const fill = primitives.aes256Counter(key);
  let bytesLeft = options.bytesMax ?? keystreamLimits.bytesMax;
  return {
    fill(target) {
      assert(target.length <= bytesLeft, 'the keystream is used up');
      bytesLeft -= target.length;
      fill(target);
    },
  };
}
