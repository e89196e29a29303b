import { afterAll, describe, expect, it } from 'vitest';
import { type Liars, SamplingNetwork } from '../testing/sampling-network.ts';

/** The full size is the specification's, for a run by hand: minutes. */
const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const size = isFull
  ? { peers: 1_000, settleRounds: 130, longRounds: 540, measuredRounds: 20 }
  : { peers: 120, settleRounds: 30, longRounds: 40, measuredRounds: 10 };

interface Figures {
  readonly liarShare: number;
  readonly isolated: number;
  /** Standard deviation of honest peers' in-degrees by their mean. */
  readonly inDegreeSpread: number;
}

/** Means over the last rounds, the greatest number of isolated peers in them. */
function measure(liars: Liars, seed: number, settleRounds = size.settleRounds): Figures {
  const network = new SamplingNetwork({ peers: size.peers, seed, liars });
  network.run(settleRounds);
  const samples = Array.from({ length: 5 }, () => {
    network.run(size.measuredRounds / 5);
    return {
      liarShare: network.liarShare(),
      isolated: network.isolated().length,
      inDegreeSpread: spread(network.inDegrees()),
    };
  });
  return {
    liarShare: mean(samples.map(({ liarShare }) => liarShare)),
    isolated: Math.max(...samples.map(({ isolated }) => isolated)),
    inDegreeSpread: mean(samples.map(({ inDegreeSpread }) => inDegreeSpread)),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spread(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
}

const rows: string[] = [];
afterAll(() => {
  if (isFull) console.log(rows.join('\n'));
});

describe('views of honest peers among liars who only name liars', { timeout: isFull ? 900_000 : 60_000 }, () => {
  it.each([
    [0.1, 0],
    [0.1, 20],
    [0.2, 0],
    [0.2, 20],
    [0.3, 0],
    [0.3, 20],
  ])(
    'hold no more than their share and three points: %f of all, each introducing itself %i times a round',
    (f, floods) => {
      const figures = measure({ share: f, introductionsPerRound: floods }, 7);
      rows.push(`f=${f} introductions=${floods} ${format(figures)}`);
      expect(figures.liarShare).toBeLessThanOrEqual(f + 0.03);
      expect(figures.isolated).toBe(0);
    },
  );

  it('isolate nobody after an hour and a half although half of all peers lie', () => {
    const figures = measure({ share: 0.5, introductionsPerRound: 0 }, 7, size.longRounds);
    rows.push(`f=0.5 introductions=0 ${format(figures)}`);
    expect(figures.isolated).toBe(0);
  });

  it('of one whom all liars flood with introductions hold an honest peer, and not many more liars than others', () => {
    const network = new SamplingNetwork({
      peers: size.peers,
      seed: 7,
      liars: { share: 0.2, introductionsPerRound: 20, targets: 1 },
    });
    network.run(size.settleRounds);
    const [victim] = network.honest.map(({ peer }) => peer);
    const shares = Array.from({ length: 10 }, () => {
      network.run(1);
      return network.liarShare(victim === undefined ? [] : [victim]);
    });
    rows.push(`f=0.2 all on one: ${mean(shares).toFixed(3)}`);
    expect(Math.max(...shares)).toBeLessThan(0.6);
    expect(mean(shares)).toBeLessThan(0.35);
  });

  it('spread evenly where nobody lies: in-degrees differ by no more than a quarter', () => {
    const figures = measure({ share: 0, introductionsPerRound: 0 }, 7);
    rows.push(`f=0 ${format(figures)}`);
    expect(figures.inDegreeSpread).toBeLessThanOrEqual(0.25);
  });
});

describe('a network', () => {
  it('of which half is gone at once forgets them and goes on', () => {
    const network = new SamplingNetwork({ peers: 100, seed: 3 });
    network.run(5);
    for (const { peer } of network.honest.slice(0, 50)) network.gone.add(peer);
    network.run(30);
    const views = network.honest.slice(50).map(({ peer }) => network.nodes.get(peer)?.view ?? []);
    const held = views.flat();
    expect(held.filter(({ peer }) => network.gone.has(peer)).length / held.length).toBeLessThan(0.05);
    for (const view of views) expect(view.length).toBeGreaterThanOrEqual(10);
  });

  it('that begins from three seeds finds all its peers', () => {
    const network = new SamplingNetwork({ peers: 60, seed: 4, commonSeeds: 3 });
    network.run(20);
    expect(Math.min(...network.inDegrees())).toBeGreaterThan(5);
  });
});

function format({ liarShare, isolated, inDegreeSpread }: Figures): string {
  return `liars ${liarShare.toFixed(3)} isolated ${isolated} in-degree spread ${inDegreeSpread.toFixed(3)}`;
}
