import type { Random } from '@pulsemesh/base';

/** Two 32-bit words of one 64-bit hash. */
export interface Hash {
  readonly first: number;
  readonly second: number;
}

/**
 * HalfSipHash-2-4 with 64 bits out (Aumasson, Bernstein 2012): the keyed hash that tables use against chosen ids. The key
 * is this node's own and never leaves it. Who makes peer ids to be liked by a table chooses blindly, so that each id of
 * his has the chance of any other id; a hash without a key would let him search until he fits. One hash of an id serves
 * all rows and slots, which mix it with seeds of their own: one HMAC a slot would cost a node forty for each id it hears.
 */
export class KeyedHash {
  readonly #key0: number;
  readonly #key1: number;

  constructor(dependencies: { readonly random: Random });
  /** With a known key, for the vectors of the reference. */
  constructor(dependencies: { readonly key: readonly [number, number] });
  constructor(dependencies: { readonly random: Random } | { readonly key: readonly [number, number] }) {
    const [key0, key1] =
      'key' in dependencies ? dependencies.key : [randomWord(dependencies.random), randomWord(dependencies.random)];
    this.#key0 = key0 | 0;
    this.#key1 = key1 | 0;
  }

  /** The hash of a text of characters 0 … 255, such as a peer id. */
  of(text: string): Hash {
    let v0 = this.#key0;
    let v1 = this.#key1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#key0;
    let v3 = 0x74656462 ^ this.#key1;
    let first = 0;
    const words = (text.length >>> 2) + 1;
    for (let step = 0; step < words + 2; step += 1) {
      const isText = step < words;
      const word = isText ? wordOf(text, step) : 0;
      if (step === words) v2 ^= 0xee;
      if (step === words + 1) {
        first = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      for (let round = isText ? 2 : 4; round > 0; round -= 1) {
        v0 = (v0 + v1) | 0;
        v1 = rotate(v1, 5) ^ v0;
        v0 = rotate(v0, 16);
        v2 = (v2 + v3) | 0;
        v3 = rotate(v3, 8) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = rotate(v3, 7) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = rotate(v1, 13) ^ v2;
        v2 = rotate(v2, 16);
      }
      v0 ^= word;
    }
    return { first, second: v1 ^ v3 };
  }
}

/** A 32-bit value of `hash` under a seed of two words: another one for each seed, evenly spread (murmur3's finalizer). */
export function mixHash(hash: Hash, seed0: number, seed1: number): number {
  return finalize((finalize(hash.first ^ seed0) + (hash.second ^ seed1)) | 0) >>> 0;
}

/** 32 random bits. */
export function randomWord(random: Random): number {
  return random.integer(2 ** 32) | 0;
}

function finalize(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Four characters, little-endian; the last word also holds the length, as the reference pads. */
function wordOf(text: string, index: number): number {
  const at = index * 4;
  let word = at + 4 > text.length ? text.length << 24 : 0;
  for (let byte = Math.min(4, text.length - at) - 1; byte >= 0; byte -= 1) {
    word |= (text.charCodeAt(at + byte) & 0xff) << (8 * byte);
  }
  return word;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
