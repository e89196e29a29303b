import type { ComponentLogger, Metrics } from '@libp2p/interface';
import type { LogFields, Logger, Meter } from '@pulsemesh/base';

/** Our logger over libp2p's: lines of `DEBUG=upsycle*`, the fields behind the message. */
export function loggerOver(component: ComponentLogger, fields: LogFields = {}): Logger {
  const log = component.forComponent('upsycle');
  const text = (more: LogFields = {}) => {
    const all = Object.entries({ ...fields, ...more });
    return all.map(([key, value]) => `${key}=${String(value)}`).join(' ');
  };
  return {
    error: (message, more) => log.error('%s %s', message, text(more)),
    warn: (message, more) => log.error('%s %s', message, text(more)),
    info: (message, more) => log('%s %s', message, text(more)),
    debug: (message, more) => log.trace('%s %s', message, text(more)),
    child: (more) => loggerOver(component, { ...fields, ...more }),
  };
}

/** Our meter over libp2p's metrics. One label at most is used here, and libp2p's groups have one. */
export function meterOver(metrics: Metrics): Meter {
  return {
    counter(name, help, labelNames = []) {
      const [label] = labelNames;
      if (label === undefined) {
        const counter = metrics.registerCounter(name, { help });
        return { add: (amount = 1) => counter.increment(amount) };
      }
      const group = metrics.registerCounterGroup(name, { help, label });
      return { add: (amount = 1, labels = {}) => group.increment({ [labels[label] ?? '']: amount }) };
    },
    gauge(name, help) {
      const gauge = metrics.registerMetric(name, { help });
      return { set: (value) => gauge.update(value) };
    },
    histogram(name, help, buckets) {
      const histogram = metrics.registerHistogram(name, { help, buckets: [...buckets] });
      return { observe: (value) => histogram.observe(value) };
    },
  };
}
