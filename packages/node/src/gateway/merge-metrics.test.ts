import { createPrometheusMeter } from '@pulsemesh/base';
import { expect, it } from 'vitest';
import { mergeMetrics } from './merge-metrics.ts';

it('gives each metric its help once and keeps the samples of all peers beneath it', async () => {
  const texts = [];
  for (const instance of ['storage-1', 'storage-2']) {
    const meter = createPrometheusMeter({ role: 'storage', instance });
    meter.counter('records_put_total', 'Records').add(3);
    meter.histogram('put_seconds', 'Time', [1, 2]).observe(1.5);
    texts.push(await meter.text());
  }
  const merged = mergeMetrics(texts);
  expect(merged.match(/# HELP records_put_total/g)).toHaveLength(1);
  expect(merged.match(/# TYPE put_seconds histogram/g)).toHaveLength(1);
  expect(merged.match(/^records_put_total\{[^}]*instance="storage-[12]"[^}]*\} 3$/gm)).toHaveLength(2);
  expect(merged.match(/^put_seconds_count\{/gm)).toHaveLength(2);
});

it('leaves out what a broken peer says instead of breaking the page', () => {
  const text =
    '# HELP a_total A\n# TYPE a_total counter\na_total{x="1"} 1\n<script>\nother_total 2\na_total nonsense\n';
  expect(mergeMetrics([text])).toBe('# HELP a_total A\n# TYPE a_total counter\na_total{x="1"} 1\n');
});
