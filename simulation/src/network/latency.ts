import type { Random } from '@pulsemesh/base';

/** How long a message is on its way from one node to another, one way, milliseconds. */
export interface Latency {
  /** Draws one. `from` and `to` are numbers of nodes. */
  drawMs(from: number, to: number): number;
  /** The region of a node, where the distribution knows any. */
  regionOf?(node: number): string;
}

/** Always the same. */
export function constantLatency(ms: number): Latency {
  return { drawMs: () => ms };
}

/** Uniform between two bounds; gossipsub's evaluation: 25 ms ± 10 %. */
export function uniformLatency(
  options: { readonly fromMs: number; readonly untilMs: number },
  random: Random,
): Latency {
  const { fromMs, untilMs } = options;
  return { drawMs: () => fromMs + random.float() * (untilMs - fromMs) };
}

/** Log-normal around a median: most messages are quick and a few are very late, as on links shared with others. */
export function logNormalLatency(
  options: { readonly medianMs: number; readonly sigma: number; readonly msMax: number },
  random: Random,
): Latency {
  const { medianMs, sigma, msMax } = options;
  return { drawMs: () => Math.min(msMax, medianMs * Math.exp(sigma * random.normal())) };
}

/** The regions of {@link regionLatency}. */
export const regions = ['us-east', 'us-west', 'ireland', 'frankfurt', 'tokyo', 'seoul', 'singapore', 'sydney'] as const;

/**
 * Round trips between cloud regions, milliseconds, averages of "Latency between AWS global regions" (2017), reprinted at
 * acomputerscientistlearnsaws.blogspot.com/2017/04/aws-regions.html. Upper triangle, in the order of {@link regions}.
 */
const roundTripsMs = [
  [87, 80.5, 88.6, 145, 178, 217, 230],
  [137, 160, 89, 118, 161, 162],
  [19.6, 212, 242, 239, 310],
  [236, 266, 326, 323],
  [31.4, 73.8, 104],
  [71.6, 134],
  [175],
] as const;

/** Within one region: two machines of different houses of one country. */
const withinRegionMs = 5;

/** Nodes spread evenly over regions; the way between two is half the measured round trip, and up to 20 % more. */
export function regionLatency(random: Random): Latency {
  const count = regions.length;
  const oneWayMs = new Float64Array(count * count).fill(withinRegionMs);
  roundTripsMs.forEach((row, first) => {
    row.forEach((roundTripMs, index) => {
      const second = first + 1 + index;
      oneWayMs[first * count + second] = roundTripMs / 2;
      oneWayMs[second * count + first] = roundTripMs / 2;
    });
  });
  return {
    drawMs: (from, to) => (oneWayMs[(from % count) * count + (to % count)] as number) * (1 + 0.2 * random.float()), // both below the count
    regionOf: (node) => regions[node % count] as string,
  };
}

/** Latencies by the name under which the command line knows them. */
export const latencies: Readonly<Record<string, (random: Random) => Latency>> = {
  constant: () => constantLatency(25),
  uniform: (random) => uniformLatency({ fromMs: 22.5, untilMs: 27.5 }, random),
  lognormal: (random) => logNormalLatency({ medianMs: 25, sigma: 0.5, msMax: 2_000 }, random),
  regions: regionLatency,
};
