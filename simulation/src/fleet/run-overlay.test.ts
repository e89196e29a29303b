import { describe, expect, it } from 'vitest';
import type { AttackKind, Workload } from '../workload/workload.ts';
import { OverlayRun, type OverlayRunOptions } from './run-overlay.ts';

const workload: Workload = {
  nodes: 16,
  topics: 1,
  topicsPerNode: 1,
  publishers: 4,
  messagesPerSecond: 2,
  payloadBytes: 100,
  warmUpSeconds: 20,
  publishSeconds: 5,
  coolDownSeconds: 12,
  linksMax: 12,
};
const promise = { withinMs: 10_000, ratioMin: 1, settledMs: 0 };
const options: OverlayRunOptions = { seed: 1, latency: 'uniform', promise, isPrivate: true };

describe('a workload over whole overlay nodes', () => {
  it('is delivered to every reader once, within the budget of links', () => {
    const { violations, figures, delivery } = new OverlayRun(workload, options).play();
    expect(violations).toEqual([]);
    expect(delivery).toMatchObject({ messages: 10, expected: 150, served: 150 });
    expect(figures.copiesPerDelivery).toBeLessThan(4);
    expect(figures['ringCorrectShare']).toBe(1);
    expect(figures['linksPeak']).toBeLessThanOrEqual(12);
  });

  it('goes to the readers of a topic and to nobody else', () => {
    const many = { ...workload, nodes: 12, topics: 6, topicsPerNode: 2, messagesPerSecond: 4 };
    const { violations, delivery } = new OverlayRun(many, options).play();
    expect(violations).toEqual([]);
    expect(delivery.expected).toBeLessThan(20 * 11);
  });

  it('is the same for the same seed, and another for another', () => {
    const small = { ...workload, nodes: 6, warmUpSeconds: 8, publishSeconds: 2, coolDownSeconds: 2 };
    const run = (seed: number) => {
      const lossy = { lossRate: 0.02, duplicationRate: 0.05, reorderingRate: 0.05, reorderingMsMax: 200 };
      const prepare = ({ fleet: { world } }: OverlayRun) => {
        world.conditions = lossy;
        world.at(5_000, () => world.places[3] && world.stop(world.places[3], 'vanished'));
      };
      const loose = { ...promise, ratioMin: 0 };
      const { traceHash, figures } = new OverlayRun(small, { ...options, seed, promise: loose, prepare }).play();
      return { traceHash, figures };
    };
    expect(run(7)).toEqual(run(7));
    expect(run(8).traceHash).not.toBe(run(7).traceHash);
  });

  it('is the same, event by event, with real cryptography', () => {
    const many = { ...workload, nodes: 10, topics: 4, topicsPerNode: 2, warmUpSeconds: 8, publishSeconds: 2 };
    const attack = { kind: 'silent', sybils: 2, atSeconds: 3 } as const;
    const run = (hasRealCrypto: boolean) => {
      const loose = { ...promise, ratioMin: 0 };
      const one = new OverlayRun({ ...many, attack }, { ...options, promise: loose, hasRealCrypto });
      const { traceHash, figures } = one.play();
      return { traceHash, figures };
    };
    expect(run(false)).toEqual(run(true));
  });

  it('survives a crash of a fifth at once, and everybody comes back', () => {
    const prepare = ({ fleet }: OverlayRun) => {
      fleet.world.at(15_000, () => {
        for (const place of fleet.world.places.slice(0, 3)) fleet.world.stop(place, 'vanished');
      });
      fleet.world.at(30_000, () => [0, 1, 2].map((index) => fleet.start(index, index === 1)));
    };
    const later = { ...workload, warmUpSeconds: 60 };
    const { violations, delivery } = new OverlayRun(later, { ...options, prepare }).play();
    expect(violations).toEqual([]);
    expect(delivery.expected).toBe(150);
  });

  it('tells when something is broken: nobody hears a publisher that is cut off', () => {
    const prepare = ({ fleet: { world }, plan }: OverlayRun) => {
      const publisher = world.places[plan.publications[0]?.node ?? 0];
      if (publisher !== undefined) publisher.group = 1;
      world.at(19_000, () => world.partition(1, 0));
    };
    const { violations } = new OverlayRun(workload, { ...options, prepare }).play();
    expect(violations.join()).toMatch(/deliveries, a ratio of 0\.\d+ where 1 is promised; the first missing: message/);
  });

  it.each<AttackKind>(['eclipse', 'censor', 'cold-boot', 'flash', 'silent'])('can be attacked: %s', (kind) => {
    const attacked = { ...workload, nodes: 10, attack: { kind, sybils: 5, atSeconds: 5 } };
    const loose = { ...promise, ratioMin: 0.5 };
    const run = new OverlayRun(attacked, { ...options, isPrivate: false, promise: loose });
    const { violations, delivery, figures } = run.play();
    expect(violations).toEqual([]);
    expect(delivery.expected).toBe(90);
    expect(figures['viewByzantineShare']).toBeGreaterThan(0);
    // Who does not know a private topic's secret does not stand on its ring, and harms nothing.
    if (kind === 'silent')
      expect(new OverlayRun(attacked, { ...options, isPrivate: true }).play().delivery.ratio).toBe(1);
  });
});
