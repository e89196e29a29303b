import type { Random } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { decryptFrom, encryptInto, nonceBytes } from './aead.ts';
import { SealBrokenError } from './errors.ts';
import { assertKey, hkdfSha256 } from './hash.ts';
import { LruMap } from './lru-map.ts';
import type { AeadKey } from './primitives/primitives.ts';

/** Seals arbitrary bytes for whoever holds the same key: what a node keeps on its own disk. */
export interface Box {
  /** AES-256-GCM; `additional` (default none) is bound to it, not kept in it. {@link boxOverheadBytes} longer than the plaintext. */
  seal(plaintext: Uint8Array, additional?: Uint8Array): Uint8Array;
  /** @throws {SealBrokenError} when altered, sealed under another key, or with another `additional`. */
  open(sealed: Uint8Array, additional?: Uint8Array): Uint8Array;
}

const versionHead = 1;
const seriesBytes = 16;
const headBytes = 1 + seriesBytes;
const none = new Uint8Array(0);

/** How much longer than its plaintext sealed bytes are: version, series, nonce, tag. */
export const boxOverheadBytes = headBytes + nonceBytes + 16;

/** Limits of a box. */
export const boxLimits = {
  /** Seals under one series key, far below the 2^32 that random nonces allow (NIST SP 800-38D §8.3). */
  sealsPerSeriesMax: 2 ** 28,
  /** Series keys kept ready for opening. */
  seriesKeysMax: 256,
} as const;

/**
 * A box under a 32-byte key (copied). Each box, that is each start of a process, seals under a key of its own derived from a
 * random series number that travels in the head: a node that seals 10,000 readings a second for years never
 * exhausts the nonces, and two machines restored from one snapshot do not share a series.
 */
export function createBox(
  key: Uint8Array,
  dependencies: { readonly random: Random },
  options: { readonly sealsPerSeriesMax?: number } = {},
): Box {
  assertKey(key, 'a box key');
  const root = key.slice();
  const sealsPerSeriesMax = options.sealsPerSeriesMax ?? boxLimits.sealsPerSeriesMax;
  const known = new LruMap<string, AeadKey>(boxLimits.seriesKeysMax);
  const keyOf = (series: Uint8Array) =>
    known.getOrCreate(String.fromCharCode(...series), () =>
      primitives.importAead(
        'aes-256-gcm',
        hkdfSha256({ key: root, salt: series, info: 'pulsemesh/box/1', length: 32 }),
      ),
    );
  let current: { readonly head: Uint8Array; readonly key: AeadKey } | undefined;
  let sealsLeft = 0;
  return {
    seal(plaintext, additional = none) {
      if (current === undefined || sealsLeft === 0) {
        const head = new Uint8Array(headBytes);
        head[0] = versionHead;
        head.set(dependencies.random.bytes(seriesBytes), 1);
        current = { head, key: keyOf(head.subarray(1)) };
        sealsLeft = sealsPerSeriesMax;
      }
      sealsLeft -= 1;
      return encryptInto(current.head, current.key, dependencies.random.bytes(nonceBytes), additional, plaintext);
    },
    open(sealed, additional = none) {
      if (sealed[0] !== versionHead || sealed.length < boxOverheadBytes) throw new SealBrokenError('not a sealed box');
      return decryptFrom(headBytes, keyOf(sealed.subarray(1, headBytes)), additional, sealed);
    },
  };
}
