import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import {
  createSumCollector,
  createSummingOwner,
  customarySumGraph,
  type SumOutcome,
  type SumSettings,
  type Taken,
} from '@pulsemesh/learning';
import { peerIdOfEd25519 } from '@pulsemesh/wire';

/** Which sum of a training this is: keys and masks are of it alone. */
export interface SumPlace {
  readonly task: string;
  readonly round: number;
}

/**
 * The sum of the sites' vectors, modulo 2^32, by the real machines of a secure sum, all in this process: advertise, share, mask, reveal,
 * open. Nobody drops out. @throws Error where a machine refuses: a bug.
 */
export async function sumInProcess(vectors: readonly Uint32Array[], { task, round }: SumPlace): Promise<Uint32Array> {
  const sites = vectors.map((_, site) => createSigner(createSeededRandom(1000 + site).bytes(32)));
  const graph = customarySumGraph(sites.length);
  const settings: SumSettings = {
    task,
    round,
    attempt: 1,
    sites: sites.map(({ publicKey }) => peerIdOfEd25519(publicKey)),
    vectorLength: vectors[0]?.length ?? 0,
    survivorsMin: graph.threshold,
    ...graph,
  };
  const collector = createSumCollector(settings);
  const owners = sites.map((author, site) => {
    const random = createSeededRandom(round * 7919 + site);
    const self = settings.sites[site] as SumSettings['sites'][number]; // as many as sites
    return { self, owner: createSummingOwner({ ...settings, self }, { random, author }) };
  });
  for (const { self, owner } of owners) accepted(collector.takeAdvertisement(self, owner.advertisement));
  const { list } = done(collector.closeAdvertisements());
  for (const { self, owner } of owners) {
    accepted(owner.takeKeys(list));
    accepted(collector.takeShares(self, accepted(owner.takeSplit(await owner.splitSecrets()))));
  }
  const deliveries = done(collector.closeShares());
  for (const [site, { self, owner }] of owners.entries()) {
    const delivery = deliveries.get(self);
    if (delivery === undefined) throw new Error('a site was left out');
    accepted(collector.takeMasked(self, accepted(owner.takeShares(delivery, vectors[site] as Uint32Array))));
  }
  const survivors = done(collector.closeMasked());
  for (const { self, owner } of owners) accepted(collector.takeReveal(self, accepted(owner.takeSurvivors(survivors))));
  return done(await collector.open()).words;
}

function accepted<Value>(what: Taken<Value>): Value {
  if (what.kind === 'refused') throw new Error(`refused: ${what.why}`);
  return what.value;
}

function done<Value>(what: SumOutcome<Value>): Value {
  if (what.kind === 'failed') throw new Error(`failed: ${what.reason}`);
  return what.value;
}
