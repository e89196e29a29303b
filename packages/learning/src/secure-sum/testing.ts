// What the tests of sums share.

import { createSeededRandom } from '@pulsemesh/base';
import type { Author } from '@pulsemesh/board';
import { createSigner } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { createSumCollector, type OpenedSum, type SumCollector, type SumOutcome } from './collector.ts';
import type { SealedShares } from './messages.ts';
import { createSummingOwner, type SummingOwner, type Survivor } from './owner.ts';
import type { Taken } from './refusal.ts';
import { customarySumGraph, type SumSettings } from './settings.ts';

export interface Site {
  readonly id: PeerId;
  readonly author: Author;
}

const known: Site[] = [];

/** The first `count` of the same sites each time. */
export function sitesOf(count: number): readonly Site[] {
  for (let index = known.length; index < count; index += 1) {
    const author = createSigner(createSeededRandom(1000 + index).bytes(32));
    known.push({ id: peerIdOfEd25519(author.publicKey), author });
  }
  return known.slice(0, count);
}

export function settingsOf(count: number, changes: Partial<SumSettings> = {}): SumSettings {
  const graph = customarySumGraph(count);
  return {
    task: 'a'.repeat(64),
    round: 1,
    attempt: 1,
    sites: sitesOf(count).map(({ id }) => id),
    vectorLength: 7,
    survivorsMin: graph.threshold,
    ...graph,
    ...changes,
  };
}

export function ownerOf(settings: SumSettings, index: number, seed = 1): SummingOwner {
  const site = sitesOf(index + 1)[index] as Site;
  const random = createSeededRandom(seed * 7919 + index);
  return createSummingOwner({ ...settings, self: site.id }, { random, author: site.author });
}

export function vectorOf(settings: SumSettings, index: number): Uint32Array {
  const bytes = createSeededRandom(index + 5).bytes(4 * settings.vectorLength);
  return new Uint32Array(bytes.buffer);
}

/** Modulo 2^32, of the sites at these places. */
export function plainSum(settings: SumSettings, indexes: Iterable<number>): Uint32Array {
  const sum = new Uint32Array(settings.vectorLength);
  for (const index of indexes) {
    for (const [at, value] of vectorOf(settings, index).entries()) sum[at] = (sum[at] as number) + value;
  }
  return sum;
}

export function acceptedOf<Value>(what: Taken<Value>): Value {
  if (what.kind === 'refused') throw new Error(`refused: ${what.why}`);
  return what.value;
}

export function doneOf<Value>(what: SumOutcome<Value>): Value {
  if (what.kind === 'failed') throw new Error(`failed: ${what.reason}`);
  return what.value;
}

export type Drops = Readonly<Record<'advertise' | 'share' | 'mask' | 'reveal', ReadonlySet<number>>>;

export const nobody: Drops = { advertise: new Set(), share: new Set(), mask: new Set(), reveal: new Set() };

/** A whole sum, whoever drops out from that step on being silent. Who is asked and what is drawn follows from the arguments. */
export class TestSum {
  readonly settings: SumSettings;
  readonly owners: readonly SummingOwner[];
  readonly collector: SumCollector;
  readonly drops: Drops;
  splits = new Map<number, Uint8Array>();
  deliveries: ReadonlyMap<PeerId, SealedShares> = new Map();
  survivors: readonly Survivor[] = [];

  constructor(settings: SumSettings, options: { readonly seed?: number; readonly drops?: Partial<Drops> } = {}) {
    this.settings = settings;
    this.drops = { ...nobody, ...options.drops };
    this.owners = settings.sites.map((_, index) => ownerOf(settings, index, options.seed));
    this.collector = createSumCollector(settings);
  }

  id(index: number): PeerId {
    return this.settings.sites[index] as PeerId;
  }

  owner(index: number): SummingOwner {
    return this.owners[index] as SummingOwner;
  }

  /** Places of those who are still there in this step. */
  present(step: keyof Drops): readonly number[] {
    const steps: readonly (keyof Drops)[] = ['advertise', 'share', 'mask', 'reveal'];
    const soFar = steps.slice(0, steps.indexOf(step) + 1);
    return this.owners.map((_, index) => index).filter((index) => soFar.every((one) => !this.drops[one].has(index)));
  }

  advertise(): ReturnType<SumCollector['closeAdvertisements']> {
    for (const index of this.present('advertise'))
      acceptedOf(this.collector.takeAdvertisement(this.id(index), this.owner(index).advertisement));
    return this.collector.closeAdvertisements();
  }

  async share(): Promise<ReturnType<SumCollector['closeShares']>> {
    const advertised = this.advertise();
    if (advertised.kind === 'failed') return advertised;
    for (const index of this.present('share')) {
      const owner = this.owner(index);
      acceptedOf(owner.takeKeys(advertised.value.list));
      this.splits.set(index, await owner.splitSecrets());
      const shares = acceptedOf(owner.takeSplit(this.splits.get(index) as Uint8Array));
      acceptedOf(this.collector.takeShares(this.id(index), shares));
    }
    const closed = this.collector.closeShares();
    if (closed.kind === 'done') this.deliveries = closed.value;
    return closed;
  }

  async mask(): Promise<ReturnType<SumCollector['closeMasked']>> {
    const shared = await this.share();
    if (shared.kind === 'failed') return shared;
    for (const index of this.present('mask')) {
      const delivery = this.deliveries.get(this.id(index));
      if (delivery === undefined) continue;
      const masked = acceptedOf(this.owner(index).takeShares(delivery, vectorOf(this.settings, index)));
      acceptedOf(this.collector.takeMasked(this.id(index), masked));
    }
    const closed = this.collector.closeMasked();
    if (closed.kind === 'done') this.survivors = closed.value;
    return closed;
  }

  async run(): Promise<SumOutcome<OpenedSum>> {
    const masked = await this.mask();
    if (masked.kind === 'failed') return masked;
    const alive = new Set(this.survivors.map(({ site }) => site));
    for (const index of this.present('reveal')) {
      if (!alive.has(this.id(index))) continue;
      const reveal = acceptedOf(this.owner(index).takeSurvivors(this.survivors));
      acceptedOf(this.collector.takeReveal(this.id(index), reveal));
    }
    return this.collector.open();
  }
}
