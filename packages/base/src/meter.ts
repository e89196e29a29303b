/** Few values per label, never an identity. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  /** Adds `amount` (default 1, never negative). */
  add(amount?: number, labels?: Labels): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
}

export interface Histogram {
  /** Records one observation, in the unit the name ends in. */
  observe(value: number, labels?: Labels): void;
}

/** Makes instruments. Asking twice for the same name gives the same instrument. Names end in a unit. */
export interface Meter {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
  histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): Histogram;
}

/** A meter whose state can be read as Prometheus text (exposition format 0.0.4). */
export interface PrometheusMeter extends Meter {
  text(): Promise<string>;
}

/** A meter that measures nothing. */
export const silentMeter: Meter = {
  counter: () => ({ add: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: () => ({ observe: () => {} }),
};
