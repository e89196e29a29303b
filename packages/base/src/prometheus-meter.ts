import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from 'prom-client';
import type { Labels, PrometheusMeter } from './meter.ts';

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
