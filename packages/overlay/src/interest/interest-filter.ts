import { assert, Condition } from '@pulsemesh/base';
import { DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { messageLimits } from '../message.ts';
import { flipProbability, noiseWords } from './noise.ts';

/** How many bits a filter has, and how many of them a topic sets. All peers of a network use one shape. */
export interface FilterShape {
  /** A multiple of 32. */
  readonly bits: number;
  readonly hashes: number;
}

/** 512 bytes; one bit a topic, which under noise finds more of the true overlap than several (spec overlay §4). */
export const defaultFilterShape: FilterShape = { bits: 4_096, hashes: 1 };

/** Limits of an interest filter; whatever is past them is refused when read. */
export const filterLimits = {
  bitsMin: 256,
  bitsMax: 8_192,
  hashesMax: 8,
  saltBytes: 16,
  /** Thousandths of ε. Below it a filter is all noise, above it all truth. */
  epsilonMilliMin: 250,
  epsilonMilliMax: 20_000,
  /** A filter fuller than so many topics make it is poisoned: its peer wants to be like everybody. */
  topicsMax: 512,
  /** Standard deviations that the noise may push the number of set bits past what topics explain. */
  fillDeviationsMax: 5,
} as const;

/** Bytes that are no filter, or one that no honest peer makes. */
export class FilterRefusedError extends Condition {
  override readonly name = 'FilterRefusedError';

  constructor(reason: 'malformed' | 'limits' | 'fill', cause?: unknown) {
    super('filter-refused', `a peer's interest filter does not hold: ${reason}`, {
      facts: { reason },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** What a filter is drawn from. */
export interface FilterDraw {
  readonly shape: FilterShape;
  /** Thousandths of ε. */
  readonly epsilonMilli: number;
  /** The filter epoch its positions are of. */
  readonly epoch: number;
  /** 16 bytes: with the device's noise key it fixes the noise. Never twice with another set, ε or epoch. */
  readonly salt: Uint8Array;
}

/**
 * A Bloom filter of topics under randomised response: each bit turned over with {@link flipProbability}. Immutable, and
 * `bytes` are kept as made or received. It is never asked whether a topic is in it; `similarity.ts` compares.
 */
export interface InterestFilter extends FilterDraw {
  /** Probability that a bit was turned over. */
  readonly flip: number;
  /** Number of set bits, noise included. */
  readonly setBits: number;
  /** Bit i is bit i mod 32 of word ⌊i/32⌋. */
  readonly words: Uint32Array;
  /** Deterministic CBOR of [1, bits, hashes, ε in thousandths, epoch, salt, bits little-endian]. */
  readonly bytes: Uint8Array;
}

/** A filter with the bits of `positions` set and then the noise of `noiseKey` (32 bytes) laid over it. */
export function drawFilter(draw: FilterDraw, positions: Iterable<number>, noiseKey: Uint8Array): InterestFilter {
  assert(isWithinLimits(draw), 'a filter is drawn within its limits');
  const flip = flipProbability(draw.epsilonMilli / 1_000, draw.shape.hashes);
  const words = new Uint32Array(draw.shape.bits / 32);
  for (const position of positions) words[position >>> 5] = (words[position >>> 5] as number) | (1 << (position & 31));
  const noise = noiseWords(noiseKey, draw.salt, draw.shape.bits, flip);
  for (let index = 0; index < words.length; index += 1) {
    words[index] = (words[index] as number) ^ (noise[index] as number);
  }
  const { shape, epsilonMilli, epoch, salt } = draw;
  const bytes = encodeCbor([1, shape.bits, shape.hashes, epsilonMilli, epoch, salt, bytesOfWords(words)]);
  return remember({ ...draw, flip, words, setBits: countBits(words), bytes });
}

/**
 * The filter in `bytes`. The same array gives the same object: what many nodes of one process hold exists once.
 * @throws {FilterRefusedError} for what is no filter, past {@link filterLimits}, or fuller or emptier than its ε explains.
 */
export function decodeFilter(bytes: Uint8Array): InterestFilter {
  const known = decoded.get(bytes);
  if (known !== undefined) return known;
  const [draw, body] = parse(bytes);
  if (!isWithinLimits(draw) || body.length * 8 !== draw.shape.bits) throw new FilterRefusedError('limits');
  const flip = flipProbability(draw.epsilonMilli / 1_000, draw.shape.hashes);
  const words = wordsOfBytes(body);
  const setBits = countBits(words);
  if (!isPlausibleFill(draw.shape, flip, setBits)) throw new FilterRefusedError('fill');
  return remember({ ...draw, flip, words, setBits, bytes });
}

/** Whether bit `position` is set, noise included. */
export function hasBit(filter: InterestFilter, position: number): boolean {
  return (((filter.words[position >>> 5] ?? 0) >>> (position & 31)) & 1) === 1;
}

export function sameShape(one: FilterShape, other: FilterShape): boolean {
  return one.bits === other.bits && one.hashes === other.hashes;
}

/** Number of bits set in both. */
export function countCommonBits(one: InterestFilter, other: InterestFilter): number {
  let count = 0;
  for (let index = 0; index < one.words.length; index += 1) {
    count += bitsOfWord((one.words[index] as number) & (other.words[index] as number));
  }
  return count;
}

// Keyed by the array itself: a message that crosses a simulated network keeps it, one from a socket is new each time.
const decoded = new WeakMap<Uint8Array, InterestFilter>();

function remember(filter: InterestFilter): InterestFilter {
  decoded.set(filter.bytes, filter);
  return filter;
}

function parse(bytes: Uint8Array): [FilterDraw, Uint8Array] {
  let value: unknown;
  try {
    value = decodeCbor(bytes, { bytesMax: messageLimits.filterBytesMax, depthMax: 1 });
  } catch (error) {
    if (error instanceof DecodeError) throw new FilterRefusedError('malformed', error);
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== 1) throw new FilterRefusedError('malformed');
  const [, bits, hashes, epsilonMilli, epoch, salt, body] = value as unknown[];
  if (
    !isCount(bits) ||
    !isCount(hashes) ||
    !isCount(epsilonMilli) ||
    !isCount(epoch) ||
    !(salt instanceof Uint8Array && salt.length === filterLimits.saltBytes) ||
    !(body instanceof Uint8Array)
  ) {
    throw new FilterRefusedError('malformed');
  }
  return [{ shape: { bits, hashes }, epsilonMilli, epoch, salt: salt.slice() }, body];
}

function isWithinLimits({ shape, epsilonMilli }: FilterDraw): boolean {
  return (
    shape.bits % 32 === 0 &&
    shape.bits >= filterLimits.bitsMin &&
    shape.bits <= filterLimits.bitsMax &&
    shape.hashes >= 1 &&
    shape.hashes <= filterLimits.hashesMax &&
    epsilonMilli >= filterLimits.epsilonMilliMin &&
    epsilonMilli <= filterLimits.epsilonMilliMax
  );
}

function isPlausibleFill({ bits, hashes }: FilterShape, flip: number, setBits: number): boolean {
  const slack = filterLimits.fillDeviationsMax * Math.sqrt(bits * flip * (1 - flip)) + 1;
  const trueShareMax = 1 - Math.exp((-hashes * filterLimits.topicsMax) / bits);
  const most = bits * (flip + (1 - 2 * flip) * trueShareMax);
  return setBits >= bits * flip - slack && setBits <= most + slack;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function bytesOfWords(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  return bytes;
}

function wordsOfBytes(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
}

function countBits(words: Uint32Array): number {
  let count = 0;
  for (const word of words) count += bitsOfWord(word);
  return count;
}

// The sum of neighbouring pairs, then of fours, then of eights (Hacker's Delight §5-1).
function bitsOfWord(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
