import type { GossipsubOpts } from '@libp2p/gossipsub';

type Register = NonNullable<GossipsubOpts['metricsRegister']>;

/** Sums of gossipsub's own counters over all hosts of a run, by their names. */
export class MetricSums {
  readonly #sums = new Map<string, number>();

  /** The sum of a counter; 0 for one that was never counted. */
  of(name: string): number {
    return this.#sums.get(name) ?? 0;
  }

  /** What gossipsub takes as its metrics register. It scrapes nothing: only what is counted as it happens is summed. */
  register(): Register {
    const nothing = { startTimer: () => () => {}, observe: () => {}, reset: () => {}, set: () => {} };
    const gauge = ({ name }: { readonly name: string }) => ({
      inc: (labelsOrValue?: unknown, value?: number) => {
        const by = typeof labelsOrValue === 'number' ? labelsOrValue : (value ?? 1);
        this.#sums.set(name, this.of(name) + by);
      },
      set: () => {},
      addCollect: () => {},
    });
    // The register's types are overloads by labels, which nothing of ours looks at.
    return { gauge, histogram: () => nothing, avgMinMax: () => nothing } as unknown as Register;
  }
}
