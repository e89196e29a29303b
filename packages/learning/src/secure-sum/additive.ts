import { assert, type Random } from '@pulsemesh/base';
import { generateSeed, sha256 } from '@pulsemesh/crypto';
import { DecodeError, decodeCbor, encodeCbor, equalBytes, type PeerId } from '@pulsemesh/wire';
import type { Step } from '../party/party.ts';
import { type RefusalCounts, Refusals, type Taken, taken } from './refusal.ts';
import { secureSumLimits } from './settings.ts';
import { addMask, addWords, bytesOfWords, wordsOfBytes } from './words.ts';

/** What all sites of a sum without aggregator agree on. */
export interface AdditiveSettings {
  /** The task's entry. */
  readonly task: string;
  /** From 1. */
  readonly round: number;
  /** From 1; a failed attempt is over. */
  readonly attempt: number;
  /** In the order of the round's `opened` entry; none twice. */
  readonly sites: readonly PeerId[];
  readonly vectorLength: number;
}

/** Limits of a sum without aggregator: everybody sends everybody a vector. */
export const additiveLimits = { sitesMin: 3, sitesMax: 10 } as const;

/** From which the sender's share for the recipient is expanded. Secret to the two. */
export interface AdditiveShare {
  readonly run: Uint8Array;
  readonly seed: Uint8Array;
}

/** What a site's own share and the shares it got add up to: without all others' it says nothing. */
export interface PartialSum {
  readonly run: Uint8Array;
  readonly words: Uint32Array;
}

const runTagBytes = 16;

/** Step 1, each site to each other. Travels sealed between the two. */
export const additiveShareStep: Step<AdditiveShare> = {
  name: 'additive-share',
  encode: ({ run, seed }) => encodeCbor([run, seed]),
  decode(bytes) {
    const [run, seed] = pairOf(decodeCbor(bytes, { bytesMax: 64, depthMax: 1 }));
    if (run.length !== runTagBytes || seed.length !== 32) throw new DecodeError('sizes');
    return { run, seed };
  },
};

/** Step 2, each site to each other. */
export const partialSumStep: Step<PartialSum> = {
  name: 'partial-sum',
  encode: ({ run, words }) => encodeCbor([run, bytesOfWords(words)]),
  decode(bytes) {
    const bytesMax = 64 + 4 * secureSumLimits.vectorLengthMax;
    const [run, words] = pairOf(decodeCbor(bytes, { bytesMax, depthMax: 1 }));
    if (run.length !== runTagBytes) throw new DecodeError('sizes');
    return { run, words: wordsOfBytes(words) };
  },
};

/**
 * A site in one attempt of a sum without aggregator, as a machine: its vector is split into one share for each site that add up to it
 * modulo 2^32; the others' are expanded from seeds, its own is what is left. All sites are needed: with one absent there is no sum.
 * Two sites or more that do not tell the others what they have keep everything but the sum from them.
 */
export interface AdditiveSite {
  readonly refusals: RefusalCounts;
  /** Step 1: what to send to whom. */
  readonly shares: ReadonlyMap<PeerId, AdditiveShare>;
  takeShare(from: PeerId, share: AdditiveShare): Taken<null>;
  /** Step 2, once all shares are there: the same to everybody. The vector is not changed. Taken once. */
  partialSum(vector: Uint32Array): Taken<PartialSum>;
  takePartialSum(from: PeerId, partial: PartialSum): Taken<null>;
  /** The sum of all vectors, modulo 2^32; null while a partial sum is missing. */
  sum(): Uint32Array | null;
}

/** Why settings cannot be those of such a sum; null: they can. */
export function additiveSettingsFault({ sites, vectorLength }: AdditiveSettings): string | null {
  if (sites.length < additiveLimits.sitesMin || sites.length > additiveLimits.sitesMax) return 'number of sites';
  if (new Set(sites).size !== sites.length) return 'a site twice';
  const isLength =
    Number.isInteger(vectorLength) && vectorLength >= 1 && vectorLength <= secureSumLimits.vectorLengthMax;
  return isLength ? null : 'vector length';
}

/** A site of `settings.sites`. Draws its seeds from `random`: never the same in another attempt. */
export function createAdditiveSite(
  settings: AdditiveSettings & { readonly self: PeerId },
  dependencies: { readonly random: Random },
): AdditiveSite {
  return new AdditiveMachine(settings, dependencies.random);
}

class AdditiveMachine implements AdditiveSite {
  readonly shares: ReadonlyMap<PeerId, AdditiveShare>;
  readonly #settings: AdditiveSettings;
  readonly #run: Uint8Array;
  readonly #others: ReadonlySet<PeerId>;
  readonly #refusals = new Refusals();
  readonly #seeds = new Map<PeerId, Uint8Array>();
  readonly #partialFrom = new Set<PeerId>();
  readonly #sum: Uint32Array;
  #hasOwn = false;

  constructor(settings: AdditiveSettings & { readonly self: PeerId }, random: Random) {
    const fault = additiveSettingsFault(settings);
    assert(fault === null && settings.sites.includes(settings.self), `a sum's settings: ${fault ?? 'not a site'}`);
    this.#settings = settings;
    this.#run = runTagOf(settings);
    this.#others = new Set(settings.sites.filter((site) => site !== settings.self));
    this.#sum = new Uint32Array(settings.vectorLength);
    this.shares = new Map([...this.#others].map((site) => [site, { run: this.#run, seed: generateSeed(random) }]));
  }

  get refusals(): RefusalCounts {
    return this.#refusals.counts;
  }

  takeShare(from: PeerId, { run, seed }: AdditiveShare): Taken<null> {
    if (!this.#others.has(from)) return this.#refusals.refuse('stranger');
    if (!equalBytes(run, this.#run)) return this.#refusals.refuse('other-run');
    if (seed.length !== 32) return this.#refusals.refuse('malformed');
    if (this.#seeds.has(from)) return this.#refusals.refuse('repeated');
    this.#seeds.set(from, seed);
    return taken(null);
  }

  partialSum(vector: Uint32Array): Taken<PartialSum> {
    if (this.#hasOwn) return this.#refusals.refuse('repeated');
    if (vector.length !== this.#settings.vectorLength) return this.#refusals.refuse('malformed');
    if (this.#seeds.size < this.#others.size) return this.#refusals.refuse('too-few');
    const words = vector.slice();
    for (const { seed } of this.shares.values()) addMask(words, seed, -1);
    for (const seed of this.#seeds.values()) addMask(words, seed, 1);
    this.#hasOwn = true;
    addWords(this.#sum, words);
    return taken({ run: this.#run, words });
  }

  takePartialSum(from: PeerId, { run, words }: PartialSum): Taken<null> {
    if (!this.#others.has(from)) return this.#refusals.refuse('stranger');
    if (!equalBytes(run, this.#run)) return this.#refusals.refuse('other-run');
    if (words.length !== this.#settings.vectorLength) return this.#refusals.refuse('malformed');
    if (this.#partialFrom.has(from)) return this.#refusals.refuse('repeated');
    this.#partialFrom.add(from);
    addWords(this.#sum, words);
    return taken(null);
  }

  sum(): Uint32Array | null {
    return this.#hasOwn && this.#partialFrom.size === this.#others.size ? this.#sum.slice() : null;
  }
}

function runTagOf({ task, round, attempt, sites, vectorLength }: AdditiveSettings): Uint8Array {
  const text = 'pulsemesh/additive-sum/run/1';
  return sha256(encodeCbor([text, task, round, attempt, sites, vectorLength])).subarray(0, runTagBytes);
}

function pairOf(value: unknown): readonly [Uint8Array, Uint8Array] {
  if (!Array.isArray(value) || value.length !== 2) throw new DecodeError('parts');
  const [one, other] = value as readonly unknown[];
  if (!(one instanceof Uint8Array) || !(other instanceof Uint8Array)) throw new DecodeError('not bytes');
  return [one, other];
}
