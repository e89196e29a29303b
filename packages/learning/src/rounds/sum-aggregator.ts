import type { PeerId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import {
  advertiseStep,
  createSumCollector,
  deliveryStep,
  keysStep,
  maskedStep,
  type OpenedSum,
  revealStep,
  type SumFailure,
  type SumOutcome,
  type SumSettings,
  sharesStep,
} from '../secure-sum/index.ts';

/** What came of an attempt at the aggregator. */
export type SumResult =
  | { readonly kind: 'summed'; readonly sum: OpenedSum; readonly durationsMs: readonly number[] }
  | {
      readonly kind: 'failed';
      readonly reason: SumFailure;
      /** Whose shares do not fit what they advertised; empty for other reasons. */
      readonly sites: readonly PeerId[];
      /** True once a survivor set is on the board: the round is over for good then. */
      readonly isCommitted: boolean;
      readonly durationsMs: readonly number[];
    };

type FailedStep = Extract<SumOutcome<never>, { readonly kind: 'failed' }>;

/**
 * The aggregator's part in a secure sum (Bonawitz et al. 2017, Fig. 4; SecAgg+): four steps, each ended when all have answered or when
 * `stepMs` are over. List of keys and survivor set go to the board before they are acted upon.
 */
export async function secureSumAggregator(
  party: Party,
  { settings, stepMs }: { readonly settings: SumSettings; readonly stepMs: number },
  { pause }: { readonly pause: () => Promise<void> },
): Promise<SumResult> {
  const { task, round, attempt, sites } = settings;
  const collector = createSumCollector(settings);
  const commit = (step: Parameters<typeof party.board.publish<'round'>>[1]['step']) =>
    party.board.publish('round', { task, round, attempt, step });
  const durationsMs: number[] = [];
  let beganMs = await party.now();
  const lap = async () => {
    const nowMs = await party.now();
    durationsMs.push(Math.max(0, nowMs - beganMs));
    beganMs = nowMs;
  };
  const failed = ({ reason, sites: wrong }: FailedStep, isCommitted = false): SumResult => {
    return { kind: 'failed', reason, sites: wrong, isCommitted, durationsMs };
  };

  const advertised = await party.gather(advertiseStep, { from: sites, withinMs: stepMs });
  for (const [from, advertisement] of advertised.messages) collector.takeAdvertisement(from, advertisement);
  await lap();
  const keys = collector.closeAdvertisements();
  if (keys.kind === 'failed') return failed(keys);
  await commit({ name: 'keys', sites: keys.value.sites, keysHash: keys.value.keysHash });
  for (const site of keys.value.sites) await party.send(keysStep, site, keys.value.list);

  const shared = await party.gather(sharesStep, { from: keys.value.sites, withinMs: stepMs });
  for (const [from, shares] of shared.messages) collector.takeShares(from, shares);
  await lap();
  const deliveries = collector.closeShares();
  if (deliveries.kind === 'failed') return failed(deliveries);
  for (const [site, delivery] of deliveries.value) await party.send(deliveryStep, site, delivery);

  // A hundred long vectors are more than fits in memory: each is added as it comes.
  const asked = { from: [...deliveries.value.keys()], withinMs: stepMs };
  await party.gatherEach(maskedStep, asked, (from, vector) => void collector.takeMasked(from, vector));
  await lap();
  const survivors = collector.closeMasked();
  if (survivors.kind === 'failed') return failed(survivors);
  await commit({ name: 'survivors', survivors: survivors.value });

  const alive: readonly PeerId[] = survivors.value.map(({ site }) => site);
  const revealed = await party.gather(revealStep, { from: alive, withinMs: stepMs });
  for (const [from, reveal] of revealed.messages) collector.takeReveal(from, reveal);
  await lap();
  const opened = await collector.open({ pause });
  if (opened.kind === 'failed') return failed(opened, true);
  return { kind: 'summed', sum: opened.value, durationsMs };
}
