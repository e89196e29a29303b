import { createSystemRandom, type Random } from '@pulsemesh/base';
import type { Author } from '@pulsemesh/board';
import { createKeystream, createSigner } from '@pulsemesh/crypto';
import {
  advertiseStep,
  createSumCollector,
  createSummingOwner,
  deliveryStep,
  keysStep,
  maskedStep,
  revealStep,
  type SumCollector,
  type SummingOwner,
  type SumSettings,
  sharesStep,
} from '@pulsemesh/learning';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { type Cost, Meter } from './meter.ts';

/** One table row: how many sites, how long their vectors, how many of them gone before they sent theirs. */
export interface SumCase {
  readonly sites: number;
  readonly length: number;
  readonly gone: number;
  readonly neighbours: number | 'all';
  readonly threshold: number;
}

interface Site {
  readonly id: PeerId;
  readonly author: Author;
}

/** A step that could not be taken: with few neighbours and many gone, some draws of the graph leave too few around somebody. */
class SumFailed extends Error {}

/** The same vector of a site in every run: values below 2^24. */
export function vectorOf(site: number, length: number): Uint32Array {
  const words = new Uint32Array(length);
  createKeystream(new Uint8Array(32).fill(site)).fill(new Uint8Array(words.buffer));
  return words.map((word) => word >>> 8);
}

export function createSites(count: number): readonly Site[] {
  const random = createSystemRandom();
  return Array.from({ length: count }, () => {
    const author = createSigner(random.bytes(32));
    return { id: peerIdOfEd25519(author.publicKey), author };
  });
}

/** A whole attempt, each message through its bytes; null: it failed. */
export async function runSecureSum(
  which: SumCase,
  sites: readonly Site[],
  vectors: readonly Uint32Array[],
  attempt: number,
): Promise<Cost | null> {
  const settings: SumSettings = {
    task: 'b'.repeat(64),
    round: 1,
    attempt,
    sites: sites.map(({ id }) => id),
    vectorLength: which.length,
    neighbours: which.neighbours,
    threshold: which.threshold,
    survivorsMin: which.threshold,
  };
  const random = createSystemRandom();
  const gone = new Set(random.shuffle(sites.map((_, index) => index)).slice(0, which.gone));
  const run = new Run(settings, sites, vectors, gone, random);
  try {
    return await run.cost();
  } catch (error) {
    if (error instanceof SumFailed) return null;
    throw error;
  }
}

class Run {
  readonly #meter: Meter;
  readonly #settings: SumSettings;
  readonly #sites: readonly Site[];
  readonly #vectors: readonly Uint32Array[];
  readonly #gone: ReadonlySet<number>;
  readonly #random: Random;
  readonly #collector: SumCollector;
  readonly #owners: SummingOwner[] = [];

  constructor(
    settings: SumSettings,
    sites: readonly Site[],
    vectors: readonly Uint32Array[],
    gone: ReadonlySet<number>,
    random: Random,
  ) {
    this.#meter = new Meter(sites.length);
    this.#settings = settings;
    this.#sites = sites;
    this.#vectors = vectors;
    this.#gone = gone;
    this.#random = random;
    this.#collector = createSumCollector(settings);
  }

  async cost(): Promise<Cost> {
    const list = await this.#advertise();
    const deliveries = await this.#share(list);
    const survivors = await this.#mask(deliveries);
    await this.#reveal(survivors);
    const outcome = await this.#meter.server(() => this.#collector.open());
    const sum = doneOf(outcome).words;
    assertExact(
      sum,
      this.#vectors.filter((_, index) => !this.#gone.has(index)),
    );
    return this.#meter.cost(this.#sites.length - this.#gone.size);
  }

  async #advertise(): Promise<Uint8Array> {
    for (const [index, site] of this.#sites.entries()) {
      const bytes = await this.#meter.client(index, () => {
        const owner = createSummingOwner(
          { ...this.#settings, self: site.id },
          { random: this.#random, author: site.author },
        );
        this.#owners.push(owner);
        return advertiseStep.encode(owner.advertisement);
      });
      this.#meter.up(index, bytes);
      await this.#meter.server(() => takenOf(this.#collector.takeAdvertisement(site.id, advertiseStep.decode(bytes))));
    }
    return this.#meter.server(() => keysStep.encode(doneOf(this.#collector.closeAdvertisements()).list));
  }

  async #share(list: Uint8Array): Promise<ReadonlyMap<PeerId, Uint8Array>> {
    for (const [index, owner] of this.#owners.entries()) {
      this.#meter.down(index, list);
      const bytes = await this.#meter.client(index, async () => {
        takenOf(owner.takeKeys(keysStep.decode(list)));
        return sharesStep.encode(takenOf(owner.takeSplit(await owner.splitSecrets())));
      });
      this.#meter.up(index, bytes);
      await this.#meter.server(() => takenOf(this.#collector.takeShares(this.#id(index), sharesStep.decode(bytes))));
    }
    return this.#meter.server(() => {
      const deliveries = doneOf(this.#collector.closeShares());
      return new Map([...deliveries].map(([site, shares]) => [site, deliveryStep.encode(shares)]));
    });
  }

  async #mask(deliveries: ReadonlyMap<PeerId, Uint8Array>): Promise<Survivors> {
    for (const [index, owner] of this.#owners.entries()) {
      const delivery = deliveries.get(this.#id(index));
      if (this.#gone.has(index) || delivery === undefined) continue;
      this.#meter.down(index, delivery);
      const vector = this.#vectors[index] as Uint32Array;
      const bytes = await this.#meter.client(index, () =>
        maskedStep.encode(takenOf(owner.takeShares(deliveryStep.decode(delivery), vector))),
      );
      this.#meter.up(index, bytes);
      await this.#meter.server(() => takenOf(this.#collector.takeMasked(this.#id(index), maskedStep.decode(bytes))));
    }
    return this.#meter.server(() => doneOf(this.#collector.closeMasked()));
  }

  async #reveal(survivors: Survivors): Promise<void> {
    for (const [index, owner] of this.#owners.entries()) {
      if (this.#gone.has(index)) continue;
      this.#meter.downBytes(index, survivors.length * boardSurvivorBytes);
      const bytes = await this.#meter.client(index, () => revealStep.encode(takenOf(owner.takeSurvivors(survivors))));
      this.#meter.up(index, bytes);
      await this.#meter.server(() => takenOf(this.#collector.takeReveal(this.#id(index), revealStep.decode(bytes))));
    }
  }

  #id(index: number): PeerId {
    return (this.#sites[index] as Site).id;
  }
}

type Survivors = Parameters<SummingOwner['takeSurvivors']>[0];

/** A survivor in the board's entry: names of two fields, a peer id, a hash in hex. */
const boardSurvivorBytes = 140;

function takenOf<Value>(what: { kind: 'taken'; value: Value } | { kind: 'refused'; why: string }): Value {
  if (what.kind === 'refused') throw new SumFailed(what.why);
  return what.value;
}

function doneOf<Value>(what: { kind: 'done'; value: Value } | { kind: 'failed'; reason: string }): Value {
  if (what.kind === 'failed') throw new SumFailed(what.reason);
  return what.value;
}

/** Compares with the plain sum. */
function assertExact(sum: Uint32Array, vectors: readonly Uint32Array[]): void {
  const plain = new Uint32Array(sum.length);
  for (const vector of vectors)
    for (let at = 0; at < plain.length; at += 1) plain[at] = (plain[at] as number) + (vector[at] as number);
  if (Buffer.compare(new Uint8Array(sum.buffer), new Uint8Array(plain.buffer)) !== 0)
    throw new Error('the sum is wrong');
}
