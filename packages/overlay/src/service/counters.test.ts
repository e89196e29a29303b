import { createPrometheusMeter } from '@pulsemesh/base';
import { expect, it } from 'vitest';
import { NodeReport } from './counters.ts';

it("adds to a meter what is new of the node's counts, once", async () => {
  const meter = createPrometheusMeter({});
  const report = new NodeReport(meter);
  const counts = { delivered: 3, duplicates: 0, sent: 9, announced: 0, wanted: 0 };
  report.tell({ counts, refusals: new Map([['own', 2]]) });
  report.tell({ counts: { ...counts, sent: 10 }, refusals: new Map([['own', 2]]) });
  const text = await meter.text();
  expect(text).toMatch(/upsycle_ring_events_total\{what="sent"\} 10/);
  expect(text).toMatch(/upsycle_ring_events_total\{what="delivered"\} 3/);
  expect(text).toMatch(/upsycle_refusals_total\{reason="own"\} 2/);
});
