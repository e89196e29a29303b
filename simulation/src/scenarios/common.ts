import { createSystemClock } from '@pulsemesh/base';
import type { DeliveryPromise, DeliveryReport } from '../checkers/delivery-book.ts';
import { OverlayRun, type OverlayRunOptions } from '../fleet/run-overlay.ts';
import { latencies } from '../network/latency.ts';
import type { Plot } from '../report/plot.ts';
import type { Workload } from '../workload/workload.ts';
import type { ChoiceOption, NumberOption, RunContext, RunResult } from './scenario.ts';

/** How many nodes; the most is what one machine holds. */
export function nodesOption(byDefault: number, min = 2): NumberOption {
  return { about: 'honest nodes', default: byDefault, min, max: 20_000 };
}

/** Of each node. */
export function linksOption(byDefault: number): NumberOption {
  return { about: 'connections a node holds at most', default: byDefault, min: 6, max: 1_000 };
}

export function secondsOption(about: string, byDefault: number, max = 3_600): NumberOption {
  return { about, default: byDefault, min: 1, max };
}

export function shareOption(about: string, byDefault: number): NumberOption {
  return { about, default: byDefault, min: 0, max: 1, isFraction: true };
}

/** Messages a second, of all publishers together. */
export function rateOption(byDefault: number): NumberOption {
  return { about: 'messages a second in all', default: byDefault, min: 0.01, max: 1_000, isFraction: true };
}

export const payloadOption: NumberOption = { about: 'bytes of a message', default: 200, min: 8, max: 1_000_000 };

export const latencyOption: ChoiceOption = {
  about: 'how long messages take: 25 ms, 25 ms ± 10 %, around 25 ms with a long tail, or between cloud regions',
  default: 'uniform',
  choices: Object.keys(latencies),
};

export const topicOption: ChoiceOption = {
  about: 'topics with a secret, or open ones that attackers read, too',
  default: 'private',
  choices: ['private', 'open'],
};

/** Gossipsub reads the machine's clock: with it a run takes as long as it says, and latencies are those of one process. */
export const overOption: ChoiceOption = {
  about: 'our overlay, or @libp2p/gossipsub in real time without latency (as it comes, or tuned)',
  default: 'upsycle',
  choices: ['upsycle', 'gossipsub', 'gossipsub-best'],
};

/** Plays a workload over gossipsub on the in-memory transport. No two runs of it are the same. */
export async function playGossipsub(
  workload: Workload,
  { over, promise }: { readonly over: string; readonly promise: DeliveryPromise },
  { onProgress, seed }: RunContext,
  plot: (delivery: DeliveryReport) => Plot = deliveryOverTime,
): Promise<RunResult> {
  const variant = over === 'gossipsub' ? 'default' : 'best';
  const clock = createSystemClock();
  // Loaded where it is wanted: most runs never touch libp2p.
  const { runGossipsub } = await import('../gossipsub/run-gossipsub.ts');
  const { delivery, figures } = await runGossipsub(workload, { seed, variant, promise }, { clock, onProgress });
  const virtualMs = 1_000 * (workload.warmUpSeconds + workload.publishSeconds + workload.coolDownSeconds);
  return { figures, violations: delivery.violations, traceHash: 'none', virtualMs, plot: plot(delivery) };
}

/** Plays a workload over the overlay, and says what a run says. */
export function playOverlay(
  workload: Workload,
  options: Omit<OverlayRunOptions, 'seed' | 'onProgress'>,
  context: RunContext,
  plot: (delivery: DeliveryReport) => Plot = deliveryOverTime,
): RunResult {
  const { seed, onProgress, hasRealCrypto = false } = context;
  const run = new OverlayRun(workload, { ...options, seed, onProgress, hasRealCrypto });
  const { figures, violations, traceHash, virtualMs, delivery } = run.play();
  return { figures, violations, traceHash, virtualMs, plot: plot(delivery) };
}

/** Deliveries by the second in which the message was published. */
export function deliveryOverTime({ overTime }: DeliveryReport): Plot {
  const points = overTime
    .filter(({ expected }) => expected > 0)
    .map(({ second, expected, served }) => [second, (100 * served) / expected] as const);
  return {
    title: 'Deliveries to live readers',
    x: 'time of publishing (s)',
    y: 'delivered (%)',
    yRange: [0, 100],
    series: [{ name: 'delivered', points }],
  };
}
