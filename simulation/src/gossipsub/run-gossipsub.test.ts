import { createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { Workload } from '../workload/workload.ts';
import { runGossipsub } from './run-gossipsub.ts';

const workload: Workload = {
  nodes: 8,
  topics: 1,
  topicsPerNode: 1,
  publishers: 3,
  messagesPerSecond: 20,
  payloadBytes: 200,
  warmUpSeconds: 1.2,
  publishSeconds: 0.5,
  coolDownSeconds: 0.5,
  linksMax: 7,
};
const promise = { withinMs: 5_000, ratioMin: 0.9, settledMs: 0 };

describe('runGossipsub', () => {
  it('plays a workload over real gossipsub', async () => {
    const options = { seed: 1, variant: 'best', promise } as const;
    const { delivery, figures } = await runGossipsub(workload, options, { clock: createSystemClock() });
    expect(delivery).toMatchObject({ messages: 10, expected: 70, ratio: 1, violations: [] });
    expect(figures.copiesPerDelivery).toBeGreaterThan(1);
    expect(figures.bytesPerUsefulByte).toBeGreaterThan(1);
    expect(figures.linksMax).toBeLessThanOrEqual(7);
  });

  it('has sybils that take part and carry nothing', async () => {
    const attacked: Workload = {
      ...workload,
      nodes: 4,
      linksMax: 3,
      attack: { kind: 'silent', sybils: 4, atSeconds: 0 },
    };
    const options = { seed: 1, variant: 'best', promise } as const;
    const { delivery, figures } = await runGossipsub(attacked, options, { clock: createSystemClock() });
    expect(delivery.expected).toBe(30);
    expect(figures.linksMax).toBeGreaterThan(3); // the sybils' connections come on top
  });
});
