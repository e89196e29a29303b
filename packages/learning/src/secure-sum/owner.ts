import { assert, type Random } from '@pulsemesh/base';
import type { Author } from '@pulsemesh/board';
import { createX25519Key, generateSeed, type X25519Key } from '@pulsemesh/crypto';
import { ed25519KeyOf, equalBytes, fromHex, type PeerId } from '@pulsemesh/wire';
import { neighbourhoods } from './graph.ts';
import {
  type Advertisement,
  isSignedAdvertisement,
  type KeyList,
  keysHashOf,
  type MaskedVector,
  maskedHashOf,
  type Reveal,
  type RevealedShare,
  runTagBytes,
  type SealedShares,
  signAdvertisement,
} from './messages.ts';
import { createPairSeal, type PairSeal, pairMaskKey, seedHashOf, selfMaskKey, signOf } from './pair-keys.ts';
import { type RefusalCounts, Refusals, type Taken, taken } from './refusal.ts';
import { runIdOf, type SumSettings, secureSumLimits } from './settings.ts';
import { keyShareOf, parseSplit, seedShareOf, splitSecrets } from './shares.ts';
import { addMask } from './words.ts';

/** A site whose masked vector came, and what it was: as the aggregator commits it to the board. */
export interface Survivor {
  readonly site: PeerId;
  /** SHA-256 of the masked words, 64 lower-case hex digits. */
  readonly maskedHash: string;
}

/** What a site checked of the list of keys. */
export interface TakenKeys {
  /** To compare with what the aggregator committed to the board, before anything else is done. */
  readonly keysHash: string;
  readonly sites: readonly PeerId[];
}

/**
 * A site in one attempt of a sum, as a machine: same settings, same randomness, same inputs, same messages. Each step is taken once and
 * in this order; what is refused changed nothing. It never gives away both secrets of a site (Bonawitz et al. 2017, §7.2): shares are
 * revealed for one survivor set alone.
 */
export interface SummingOwner {
  readonly advertisement: Advertisement;
  readonly refusals: RefusalCounts;
  /** Step 1: everybody's keys. Signatures are checked of those with whom this site masks. */
  takeKeys(list: KeyList): Taken<TakenKeys>;
  /** Step 2: shares of this site's secrets, drawn anew at each call: the caller writes down the first, and gives it to `takeSplit`. */
  splitSecrets(): Promise<Uint8Array>;
  /** Step 2: the shares as they go to the aggregator, each sealed for one neighbour. */
  takeSplit(split: Uint8Array): Taken<SealedShares>;
  /**
   * Step 3: the neighbours' shares, and this site's vector (not changed), which comes back masked. Written down by the caller before: two
   * vectors under one mask give their difference away.
   */
  takeShares(delivery: SealedShares, vector: Uint32Array): Taken<MaskedVector>;
  /** Step 4: the survivor set as the board has it, the only one of this attempt. Given the same again, it gives the same. */
  takeSurvivors(survivors: readonly Survivor[]): Taken<Reveal>;
}

/** A site of `settings.sites`. Draws its keys and its self-mask's seed from `random`: never the same in another attempt. */
export function createSummingOwner(
  settings: SumSettings & { readonly self: PeerId },
  dependencies: { readonly random: Random; readonly author: Author },
): SummingOwner {
  return new OwnerMachine(settings, dependencies);
}

interface Neighbour {
  readonly site: number;
  readonly seal: PairSeal;
  readonly maskKey: Uint8Array;
}

interface Listed {
  readonly members: ReadonlySet<number>;
  readonly neighbours: readonly Neighbour[];
}

type Phase =
  | { readonly name: 'advertised' }
  | (Listed & { readonly name: 'listed' })
  | (Listed & { readonly name: 'split'; readonly ownPair: Uint8Array })
  | {
      readonly name: 'masked';
      readonly members: ReadonlySet<number>;
      readonly neighbours: ReadonlySet<number>;
      /** Sites this one masked with, itself included, and what it holds of them; null: it did not open. */
      readonly held: ReadonlyMap<number, Uint8Array | null>;
      readonly maskedHash: string;
    }
  | { readonly name: 'revealed'; readonly survivors: string; readonly reveal: Reveal };

class OwnerMachine implements SummingOwner {
  readonly advertisement: Advertisement;
  readonly #settings: SumSettings;
  readonly #runId: Uint8Array;
  readonly #run: Uint8Array;
  readonly #self: number;
  readonly #places: ReadonlyMap<PeerId, number>;
  readonly #sealingKey: X25519Key;
  readonly #maskKey: X25519Key;
  readonly #secrets: { readonly seed: Uint8Array; readonly maskKey: Uint8Array };
  readonly #refusals = new Refusals();
  #phase: Phase = { name: 'advertised' };

  constructor(
    settings: SumSettings & { readonly self: PeerId },
    { random, author }: { readonly random: Random; readonly author: Author },
  ) {
    this.#settings = settings;
    this.#runId = runIdOf(settings);
    this.#run = this.#runId.subarray(0, runTagBytes);
    this.#places = new Map(settings.sites.map((site, place) => [site, place]));
    this.#self = placeAmong(this.#places, settings.self);
    this.#sealingKey = createX25519Key(generateSeed(random));
    this.#secrets = { maskKey: generateSeed(random), seed: generateSeed(random) };
    this.#maskKey = createX25519Key(this.#secrets.maskKey);
    this.advertisement = signAdvertisement(
      {
        site: this.#self,
        sealingKey: this.#sealingKey.publicKey,
        maskKey: this.#maskKey.publicKey,
        seedHash: seedHashOf(this.#secrets.seed),
      },
      this.#runId,
      (message) => author.sign(message),
    );
  }

  get refusals(): RefusalCounts {
    return this.#refusals.counts;
  }

  takeKeys(list: KeyList): Taken<TakenKeys> {
    if (this.#phase.name !== 'advertised') return this.#refusals.refuse('repeated');
    const { advertisements } = list;
    const sites = this.#settings.sites;
    const byPlace = new Map(advertisements.map((one) => [one.site, one]));
    if (byPlace.size !== advertisements.length) return this.#refusals.refuse('malformed');
    if (advertisements.some((one) => sites[one.site] === undefined)) return this.#refusals.refuse('stranger');
    const mine = byPlace.get(this.#self);
    if (mine === undefined || !isSame(mine, this.advertisement)) return this.#refusals.refuse('without-me');
    const leastMembers = Math.max(secureSumLimits.sitesMin, this.#settings.survivorsMin);
    if (byPlace.size < leastMembers) return this.#refusals.refuse('too-few');
    const keysHash = keysHashOf(list);
    const graph = neighbourhoods([...byPlace.keys()], this.#settings.neighbours, {
      runId: this.#runId,
      keysHash: fromHex(keysHash),
    });
    const near = (graph.get(this.#self) ?? []).map((place) => byPlace.get(place) as Advertisement);
    if (near.length + 1 < this.#settings.threshold) return this.#refusals.refuse('too-few');
    if (!near.every((one) => this.#isGenuine(one))) return this.#refusals.refuse('forged');
    const neighbours = this.#agreeWith(near);
    if (neighbours === null) return this.#refusals.refuse('weak-key');
    this.#phase = { name: 'listed', members: new Set(byPlace.keys()), neighbours };
    return taken({ keysHash, sites: advertisements.map((one) => sites[one.site] as PeerId) });
  }

  splitSecrets(): Promise<Uint8Array> {
    const holders = this.#phase.name === 'listed' ? this.#phase.neighbours.length + 1 : 0;
    return splitSecrets(this.#secrets, holders, this.#settings.threshold);
  }

  takeSplit(split: Uint8Array): Taken<SealedShares> {
    const phase = this.#phase;
    if (phase.name !== 'listed') return this.#refusals.refuse('out-of-order');
    const [ownPair, ...pairs] = parseSplit(split, phase.neighbours.length + 1) ?? [];
    if (ownPair === undefined) return this.#refusals.refuse('malformed');
    this.#phase = { ...phase, name: 'split', ownPair };
    const shares = phase.neighbours.map(({ site, seal }, index) => ({
      site,
      sealed: seal.seal(pairs[index] as Uint8Array), // as many as neighbours: checked above
    }));
    return taken({ run: this.#run, shares });
  }

  takeShares({ run, shares }: SealedShares, vector: Uint32Array): Taken<MaskedVector> {
    const phase = this.#phase;
    if (phase.name !== 'split') return this.#refusals.refuse('out-of-order');
    if (!equalBytes(run, this.#run)) return this.#refusals.refuse('other-run');
    if (vector.length !== this.#settings.vectorLength) return this.#refusals.refuse('malformed');
    const sealed = new Map(shares.map((one) => [one.site, one.sealed]));
    const present = phase.neighbours.filter(({ site }) => sealed.has(site));
    if (sealed.size !== shares.length) return this.#refusals.refuse('malformed');
    if (present.length !== sealed.size) return this.#refusals.refuse('stranger');
    if (present.length + 1 < this.#settings.threshold) return this.#refusals.refuse('too-few');
    const held = new Map<number, Uint8Array | null>([[this.#self, phase.ownPair]]);
    for (const { site, seal } of present) held.set(site, this.#opened(seal, sealed.get(site) as Uint8Array));
    const words = this.#masked(vector, present);
    const neighbours = new Set(phase.neighbours.map(({ site }) => site));
    this.#phase = { name: 'masked', members: phase.members, held, neighbours, maskedHash: maskedHashOf(words) };
    return taken({ run: this.#run, words });
  }

  takeSurvivors(survivors: readonly Survivor[]): Taken<Reveal> {
    const phase = this.#phase;
    if (phase.name === 'revealed') {
      const isSameSet = textOf(survivors) === phase.survivors;
      return isSameSet ? taken(phase.reveal) : this.#refusals.refuse('second-set');
    }
    if (phase.name !== 'masked') return this.#refusals.refuse('out-of-order');
    const { held, neighbours, members, maskedHash } = phase;
    if (survivors.length > members.size) return this.#refusals.refuse('malformed');
    const alive = new Map(survivors.map((one) => [this.#places.get(one.site) ?? -1, one.maskedHash]));
    if (alive.size !== survivors.length) return this.#refusals.refuse('malformed');
    const isSeen = (place: number) => members.has(place) && (held.has(place) || !neighbours.has(place));
    if (![...alive.keys()].every(isSeen)) return this.#refusals.refuse('never-seen');
    if (alive.get(this.#self) !== maskedHash) return this.#refusals.refuse('without-me');
    const near = [...held.keys()].filter((place) => alive.has(place));
    if (alive.size < this.#settings.survivorsMin || near.length < this.#settings.threshold)
      return this.#refusals.refuse('too-few');
    const reveal = { run: this.#run, ...sharesToReveal(held, alive) };
    this.#phase = { name: 'revealed', survivors: textOf(survivors), reveal };
    return taken(reveal);
  }

  #isGenuine(one: Advertisement): boolean {
    const publicKey = ed25519KeyOf(this.#settings.sites[one.site] as PeerId);
    return isSignedAdvertisement(one, this.#runId, publicKey);
  }

  /** Null where one of the keys gives no secret. */
  #agreeWith(near: readonly Advertisement[]): readonly Neighbour[] | null {
    try {
      return near.map(({ site, sealingKey, maskKey }) => ({
        site,
        seal: createPairSeal(this.#sealingKey.sharedSecret(sealingKey), this.#runId, this.#self, site),
        maskKey: pairMaskKey(this.#maskKey.sharedSecret(maskKey), this.#runId, this.#self, site),
      }));
    } catch {
      return null; // WeakKeyError: the keys have the right lengths
    }
  }

  /** A share that does not open is one less for its site, whoever spoilt it; the mask with that site stays. */
  #opened(seal: PairSeal, sealed: Uint8Array): Uint8Array | null {
    const pair = seal.open(sealed);
    if (pair === null) this.#refusals.refuse('forged');
    return pair;
  }

  #masked(vector: Uint32Array, present: readonly Neighbour[]): Uint32Array {
    const words = vector.slice();
    addMask(words, selfMaskKey(this.#secrets.seed, this.#runId), 1);
    for (const { site, maskKey } of present) addMask(words, maskKey, signOf(this.#self, site));
    return words;
  }
}

/** Of survivors the seed's share, of the others the key's: one of the two, by construction. */
function sharesToReveal(
  held: ReadonlyMap<number, Uint8Array | null>,
  alive: ReadonlyMap<number, string>,
): { readonly seeds: readonly RevealedShare[]; readonly keys: readonly RevealedShare[] } {
  const [seeds, keys]: [RevealedShare[], RevealedShare[]] = [[], []];
  for (const site of [...held.keys()].sort((one, other) => one - other)) {
    const pair = held.get(site) ?? null;
    if (pair === null) continue;
    if (alive.has(site)) seeds.push({ site, share: seedShareOf(pair) });
    else keys.push({ site, share: keyShareOf(pair) });
  }
  return { seeds, keys };
}

function isSame(one: Advertisement, other: Advertisement): boolean {
  return equalBytes(one.body, other.body) && equalBytes(one.signature, other.signature);
}

function textOf(survivors: readonly Survivor[]): string {
  return survivors
    .map(({ site, maskedHash }) => `${site} ${maskedHash}`)
    .sort()
    .join('\n');
}

function placeAmong(places: ReadonlyMap<PeerId, number>, self: PeerId): number {
  const place = places.get(self);
  assert(place !== undefined, 'a site of the sum');
  return place;
}
