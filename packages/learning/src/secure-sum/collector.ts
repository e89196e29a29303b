import { createX25519Key, type X25519Key } from '@pulsemesh/crypto';
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
  runTagBytes,
  type SealedShares,
} from './messages.ts';
import { hasEnoughShares, openSum, type SharesOf } from './opening.ts';
import type { Survivor } from './owner.ts';
import { type RefusalCounts, Refusals, type SumRefusal, type Taken, taken } from './refusal.ts';
import { runIdOf, type SumSettings, secureSumLimits } from './settings.ts';
import { addWords } from './words.ts';

/** Why an attempt failed; it is over then, and nothing was opened. */
export type SumFailure =
  | 'too-few-advertised'
  | 'too-few-shared'
  | 'too-few-masked'
  | 'too-few-revealed'
  /** Shares of the named sites do not give what these sites committed to: they, or too many who hold them, lie. */
  | 'shares-inconsistent';

/** What came of a step of all. */
export type SumOutcome<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  | { readonly kind: 'failed'; readonly reason: SumFailure; readonly sites: readonly PeerId[] };

/** The sum and whose vectors are in it. */
export interface OpenedSum {
  /** Modulo 2^32. */
  readonly words: Uint32Array;
  readonly sites: readonly PeerId[];
}

/**
 * The aggregator in one attempt of a sum, as a machine. It learns the sum of the survivors' vectors and nothing else. Who sends each
 * message (`from`) is as the post authenticated it. Steps end when the caller says so: with everybody, or when the time is over.
 */
export interface SumCollector {
  readonly refusals: RefusalCounts;
  takeAdvertisement(from: PeerId, advertisement: Advertisement): Taken<null>;
  /** Ends step 1: the list to commit to the board and to send to each who is in it. */
  closeAdvertisements(): SumOutcome<{
    readonly list: KeyList;
    readonly keysHash: string;
    readonly sites: readonly PeerId[];
  }>;
  takeShares(from: PeerId, shares: SealedShares): Taken<null>;
  /** Ends step 2: what to send to whom. Who is left with too few neighbours gets nothing and is out. */
  closeShares(): SumOutcome<ReadonlyMap<PeerId, SealedShares>>;
  takeMasked(from: PeerId, masked: MaskedVector): Taken<null>;
  /** Ends step 3: the set to commit to the board, once. */
  closeMasked(): SumOutcome<readonly Survivor[]>;
  takeReveal(from: PeerId, reveal: Reveal): Taken<null>;
  /** True when nobody else need be waited for in step 4. */
  canOpen(): boolean;
  /** Ends step 4. `pause` is awaited between secrets and masks, so that a long opening leaves room for other work. */
  open(options?: { readonly pause?: () => Promise<void> }): Promise<SumOutcome<OpenedSum>>;
}

/** A collector of one attempt. */
export function createSumCollector(settings: SumSettings): SumCollector {
  return new CollectorMachine(settings);
}

type Phase = 'advertise' | 'share' | 'mask' | 'reveal' | 'over';

class CollectorMachine implements SumCollector {
  readonly #settings: SumSettings;
  readonly #runId: Uint8Array;
  readonly #run: Uint8Array;
  readonly #places: ReadonlyMap<PeerId, number>;
  readonly #refusals = new Refusals();
  /** Agrees on nothing with anybody: shows which keys give no secret. */
  readonly #probe: X25519Key;
  #phase: Phase = 'advertise';
  readonly #advertisements = new Map<number, Advertisement>();
  #graph: ReadonlyMap<number, readonly number[]> = new Map();
  readonly #shares = new Map<number, SealedShares>();
  /** Of each who got shares, the neighbours whose shares it got: with these it masks. */
  #maskedWith: ReadonlyMap<number, readonly number[]> = new Map();
  readonly #maskedHashes = new Map<number, string>();
  #sum = new Uint32Array(0);
  readonly #answered = new Set<number>();
  #sharesOf: SharesOf = { seeds: new Map(), keys: new Map() };

  constructor(settings: SumSettings) {
    this.#settings = settings;
    this.#runId = runIdOf(settings);
    this.#run = this.#runId.subarray(0, runTagBytes);
    this.#places = new Map(settings.sites.map((site, place) => [site, place]));
    this.#probe = createX25519Key(this.#runId);
  }

  get refusals(): RefusalCounts {
    return this.#refusals.counts;
  }

  takeAdvertisement(from: PeerId, advertisement: Advertisement): Taken<null> {
    const place = this.#places.get(from);
    if (this.#phase !== 'advertise') return this.#refusals.refuse('out-of-order');
    if (place === undefined || advertisement.site !== place) return this.#refusals.refuse('stranger');
    if (this.#advertisements.has(place)) return this.#refusals.refuse('repeated');
    if (!isSignedAdvertisement(advertisement, this.#runId, ed25519KeyOf(from))) return this.#refusals.refuse('forged');
    if (!this.#givesSecrets(advertisement)) return this.#refusals.refuse('weak-key');
    this.#advertisements.set(place, advertisement);
    return taken(null);
  }

  closeAdvertisements(): ReturnType<SumCollector['closeAdvertisements']> {
    if (this.#phase !== 'advertise') return this.#fail('too-few-advertised');
    const { neighbours, threshold, survivorsMin, sites } = this.#settings;
    const list = { advertisements: [...this.#advertisements.values()].sort((one, other) => one.site - other.site) };
    const members = list.advertisements.map(({ site }) => site);
    const leastMembers = Math.max(secureSumLimits.sitesMin, survivorsMin, threshold);
    if (members.length < leastMembers) return this.#fail('too-few-advertised');
    const keysHash = keysHashOf(list);
    this.#graph = neighbourhoods(members, neighbours, { runId: this.#runId, keysHash: fromHex(keysHash) });
    this.#phase = 'share';
    return done({ list, keysHash, sites: members.map((place) => sites[place] as PeerId) });
  }

  takeShares(from: PeerId, message: SealedShares): Taken<null> {
    const place = this.#places.get(from) ?? -1;
    const neighbours = this.#graph.get(place);
    const why = this.#whyNot('share', message.run, neighbours !== undefined, this.#shares.has(place));
    if (why !== null || neighbours === undefined) return this.#refusals.refuse(why ?? 'stranger');
    const { shares } = message;
    const isForEach = shares.length === neighbours.length && shares.every(({ site }, at) => site === neighbours[at]);
    if (!isForEach) return this.#refusals.refuse('malformed');
    this.#shares.set(place, message);
    return taken(null);
  }

  closeShares(): SumOutcome<ReadonlyMap<PeerId, SealedShares>> {
    if (this.#phase !== 'share') return this.#fail('too-few-shared');
    const members = this.#withEnoughNeighbours(new Set(this.#shares.keys()));
    if (members.size < this.#settings.survivorsMin) return this.#fail('too-few-shared');
    const near = (place: number) => (this.#graph.get(place) ?? []).filter((other) => members.has(other));
    this.#maskedWith = new Map([...members].sort((one, other) => one - other).map((place) => [place, near(place)]));
    const deliveries = new Map<PeerId, SealedShares>();
    for (const [place, senders] of this.#maskedWith) {
      const shares = senders.map((site) => ({ site, sealed: sealedFor(this.#shares.get(site), place) }));
      deliveries.set(this.#settings.sites[place] as PeerId, { run: this.#run, shares });
    }
    this.#shares.clear();
    this.#sum = new Uint32Array(this.#settings.vectorLength);
    this.#phase = 'mask';
    return done(deliveries);
  }

  takeMasked(from: PeerId, { run, words }: MaskedVector): Taken<null> {
    const place = this.#places.get(from) ?? -1;
    const why = this.#whyNot('mask', run, this.#maskedWith.has(place), this.#maskedHashes.has(place));
    if (why !== null) return this.#refusals.refuse(why);
    if (words.length !== this.#settings.vectorLength) return this.#refusals.refuse('malformed');
    this.#maskedHashes.set(place, maskedHashOf(words));
    addWords(this.#sum, words);
    return taken(null);
  }

  closeMasked(): SumOutcome<readonly Survivor[]> {
    if (this.#phase !== 'mask') return this.#fail('too-few-masked');
    const survivors = [...this.#maskedHashes.keys()].sort((one, other) => one - other);
    this.#sharesOf = this.#sharesNeeded(new Set(survivors));
    const isAlive = (place: number) => this.#maskedHashes.has(place);
    const isWithin = (place: number) => this.#holders(place).filter(isAlive).length >= this.#settings.threshold;
    const secrets = [...this.#sharesOf.seeds.keys(), ...this.#sharesOf.keys.keys()];
    if (survivors.length < this.#settings.survivorsMin || !secrets.every(isWithin)) return this.#fail('too-few-masked');
    this.#phase = 'reveal';
    return done(
      survivors.map((place) => ({
        site: this.#settings.sites[place] as PeerId,
        maskedHash: this.#maskedHashes.get(place) as string,
      })),
    );
  }

  takeReveal(from: PeerId, { run, seeds, keys }: Reveal): Taken<null> {
    const place = this.#places.get(from) ?? -1;
    const why = this.#whyNot('reveal', run, this.#maskedHashes.has(place), this.#answered.has(place));
    if (why !== null) return this.#refusals.refuse(why);
    const held = new Set(this.#holders(place)); // being neighbours is mutual
    const isMine = (site: number) => held.delete(site);
    const areSeeds = seeds.every(({ site }) => this.#sharesOf.seeds.has(site) && isMine(site));
    const areKeys = keys.every(({ site }) => !this.#sharesOf.seeds.has(site) && isMine(site));
    if (!areSeeds || !areKeys) return this.#refusals.refuse('malformed');
    this.#answered.add(place);
    for (const { site, share } of seeds) this.#sharesOf.seeds.get(site)?.push(share);
    for (const { site, share } of keys) this.#sharesOf.keys.get(site)?.push(share);
    return taken(null);
  }

  canOpen(): boolean {
    return this.#phase === 'reveal' && hasEnoughShares(this.#sharesOf, this.#settings.threshold);
  }

  async open({ pause = async () => {} } = {}): Promise<SumOutcome<OpenedSum>> {
    if (!this.canOpen()) return this.#fail('too-few-revealed');
    this.#phase = 'over';
    const wrong = await openSum(this.#sum, {
      runId: this.#runId,
      threshold: this.#settings.threshold,
      sharesOf: this.#sharesOf,
      advertisements: this.#advertisements,
      maskedWith: this.#maskedWith,
      pause,
    });
    const sitesOf = (places: Iterable<number>) => [...places].map((place) => this.#settings.sites[place] as PeerId);
    if (wrong.length > 0) return { kind: 'failed', reason: 'shares-inconsistent', sites: sitesOf(wrong) };
    return done({ words: this.#sum, sites: sitesOf(this.#sharesOf.seeds.keys()) });
  }

  #fail(reason: SumFailure): Extract<SumOutcome<never>, { kind: 'failed' }> {
    this.#phase = 'over';
    return { kind: 'failed', reason, sites: [] };
  }

  /** What all steps but the first check; null: nothing is wrong. */
  #whyNot(phase: Phase, run: Uint8Array, isExpected: boolean, isThere: boolean): SumRefusal | null {
    if (this.#phase !== phase) return 'out-of-order';
    if (!equalBytes(run, this.#run)) return 'other-run';
    if (!isExpected) return 'stranger';
    return isThere ? 'repeated' : null;
  }

  #givesSecrets({ sealingKey, maskKey }: Advertisement): boolean {
    try {
      this.#probe.sharedSecret(sealingKey);
      this.#probe.sharedSecret(maskKey);
      return true;
    } catch {
      return false; // WeakKeyError
    }
  }

  /** Without those who would refuse to mask for want of neighbours, and those who would after them. */
  #withEnoughNeighbours(members: Set<number>): ReadonlySet<number> {
    let size = -1;
    while (size !== members.size) {
      size = members.size; // ends: each turn but the last takes somebody away
      for (const place of [...members]) {
        const near = (this.#graph.get(place) ?? []).filter((other) => members.has(other));
        if (near.length + 1 < this.#settings.threshold) members.delete(place);
      }
    }
    return members;
  }

  /** The seeds of the survivors, and the mask keys of those who are gone and with whom a survivor masked. */
  #sharesNeeded(survivors: ReadonlySet<number>): SharesOf {
    const gone = [...this.#maskedWith].filter(
      ([place, near]) => !survivors.has(place) && near.some((one) => survivors.has(one)),
    );
    return {
      seeds: new Map([...survivors].map((place) => [place, []])),
      keys: new Map(gone.map(([place]) => [place, []])),
    };
  }

  #holders(place: number): readonly number[] {
    return [...(this.#maskedWith.get(place) ?? []), place];
  }
}

function sealedFor(message: SealedShares | undefined, place: number): Uint8Array {
  // Each member's message has a share for each of its neighbours: checked when it came.
  return message?.shares.find(({ site }) => site === place)?.sealed as Uint8Array;
}

function done<Value>(value: Value): SumOutcome<Value> {
  return { kind: 'done', value };
}
