import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from 'prom-client';

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

/** A meter over prom-client with a registry of its own. `labels` are put on every sample. */
export function createPrometheusMeter(labels: Labels = {}): PrometheusMeter {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const made = new Map<string, unknown>();
  const once = <T>(name: string, create: () => T): T => {
    if (!made.has(name)) made.set(name, create());
    return made.get(name) as T; // the same name is only ever made by the same method
  };
  const common = (name: string, help: string, labelNames: readonly string[] = []) => ({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  return {
    counter: (name, help, labelNames) =>
      once(name, () => {
        const inner = new PromCounter(common(name, help, labelNames));
        return { add: (amount = 1, values = {}) => inner.inc(values, amount) };
      }),
    gauge: (name, help, labelNames) =>
      once(name, () => {
        const inner = new PromGauge(common(name, help, labelNames));
        return { set: (value, values = {}) => inner.set(values, value) };
      }),
    histogram: (name, help, buckets, labelNames) =>
      once(name, () => {
        const inner = new PromHistogram({ ...common(name, help, labelNames), buckets: [...buckets] });
        return { observe: (value, values = {}) => inner.observe(values, value) };
      }),
    text: () => registry.metrics(),
  };
}

/** A meter that measures nothing. */
export const silentMeter: Meter = {
  counter: () => ({ add: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: () => ({ observe: () => {} }),
};
