import { createPacketCipher, hkdfSha256 } from '@pulsemesh/crypto';

const bytesPerBit = 2;
const steps = 2 ** (8 * bytesPerBit);

/**
 * How likely each bit of a filter is turned over, 0 … ½, where one topic sets `hashes` bits and shall weigh at most ε:
 * p = 1 / (1 + e^(ε/k)) (BLIP, Alaggan, Gambs, Kermarrec 2012). Rounded up to what {@link noiseWords} can draw, so that
 * the filter never says more than ε allows.
 */
export function flipProbability(epsilon: number, hashes: number): number {
  return Math.ceil(steps / (1 + Math.exp(epsilon / hashes))) / steps;
}

/**
 * The bits to turn over, `bits` (a multiple of 32) of them, each set with `probability` and always the same for one `key` (32 bytes) and
 * `salt`: 16 bits of an AES-256 key stream a bit, under a key that is used for nothing else. One call of the cipher
 * instead of a keyed hash a bit.
 */
export function noiseWords(key: Uint8Array, salt: Uint8Array, bits: number, probability: number): Uint32Array {
  const streamKey = hkdfSha256({ key, salt, info: 'upsycle/interest-noise/1', length: 32 });
  const stream = createPacketCipher(streamKey).seal(0, none, new Uint8Array(bits * bytesPerBit));
  const threshold = Math.round(probability * steps);
  const words = new Uint32Array(bits / 32);
  for (let bit = 0; bit < bits; bit += 1) {
    const drawn = ((stream[2 * bit] as number) << 8) | (stream[2 * bit + 1] as number);
    if (drawn < threshold) words[bit >>> 5] = (words[bit >>> 5] as number) | (1 << (bit & 31));
  }
  return words;
}

const none = new Uint8Array(0);
