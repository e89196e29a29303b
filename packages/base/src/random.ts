/** The one door to chance. Protocol code takes it, so that a seed replays a run. */
export interface Random {
  /** `length` random bytes. Fit for keys and nonces only when the source is {@link createSystemRandom}. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, below); `below` is 1 … 2^32. */
  integer(below: number): number;
  /** Standard normal deviate. */
  normal(): number;
  /** A new array with the same elements in uniformly random order. */
  shuffle<T>(items: readonly T[]): T[];
}

/** The operating system's generator: for keys, nonces and jitter in production. */
export function createSystemRandom(): Random {
  const numbers = new Uint32Array(numbersPerCall);
  let used = numbers.length;
  const next = () => {
    if (used === numbers.length) {
      globalThis.crypto.getRandomValues(numbers);
      used = 0;
    }
    used += 1;
    return numbers[used - 1] as number; // below the length
  };
  return fromUint32(next, systemBytes);
}

/** Numbers are asked for by the kilobyte: a call for four bytes costs as much. Bytes, of which keys are made, are not kept. */
const numbersPerCall = 256;

/**
 * A repeatable generator (sfc32, seeded through splitmix32): the same seed gives the same sequence on every machine.
 * Never for keys outside tests and simulation.
 */
export function createSeededRandom(seed: number): Random {
  const mix = splitmix32(seed >>> 0);
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) next();
  return fromUint32(next, (length) => {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) bytes[index] = next() & 0xff;
    return bytes;
  });
}

/**
 * Numbers and shuffles over whatever gives bytes, a keyed stream for instance: as good for keys as its source. `bytes` gives what comes
 * next, as many as asked for.
 */
export function createRandomOf(bytes: (length: number) => Uint8Array): Random {
  const next = () => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes(4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  };
  return fromUint32(next, bytes);
}

/** What one call of the platform's generator gives at most, bytes (Web Cryptography §10.1.1). */
const systemBytesPerCallMax = 65_536;

// The Web Cryptography name of it is the one that Node and browsers share.
function systemBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += systemBytesPerCallMax) {
    globalThis.crypto.getRandomValues(bytes.subarray(offset, offset + systemBytesPerCallMax));
  }
  return bytes;
}

function splitmix32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

function fromUint32(next: () => number, bytes: (length: number) => Uint8Array): Random {
  const float = () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
  const integer = (below: number) => Math.floor(float() * below);
  return {
    bytes,
    float,
    integer,
    normal() {
      // Box-Muller; 1 - float() keeps the logarithm finite.
      return Math.sqrt(-2 * Math.log(1 - float())) * Math.cos(2 * Math.PI * float());
    },
    shuffle<T>(items: readonly T[]): T[] {
      const result = [...items];
      for (let last = result.length - 1; last > 0; last -= 1) {
        const other = integer(last + 1);
        [result[last], result[other]] = [result[other] as T, result[last] as T];
      }
      return result;
    },
  };
}
