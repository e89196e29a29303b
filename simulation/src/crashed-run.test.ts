import { OverlayNode } from '@pulsemesh/overlay/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { main } from './main.ts';

afterEach(() => vi.restoreAllMocks());

it('a run that ends with an error says its seed and how to play it again, and the others are played', async () => {
  const wake = OverlayNode.prototype.wake;
  let wakes = 0;
  vi.spyOn(OverlayNode.prototype, 'wake').mockImplementation(function (this: OverlayNode, nowMs: number) {
    wakes += 1;
    if (wakes === 1_500) throw new RangeError('a fault in the protocol');
    return wake.call(this, nowMs);
  });
  const lines: string[] = [];
  const code = await main(['faults', '--seed', '41', '--runs', '3', '--nodes', '8', '--quiet'], {
    write: (line) => lines.push(line),
  });
  expect(code).toBe(1);
  const said = lines.join('\n');
  expect(said).toMatch(/faults seed \d+: BROKEN/);
  expect(said).toContain('RangeError: a fault in the protocol');
  expect(said).toMatch(/again: npm run simulate -- faults --seed 4[123] --nodes 8/);
  for (const seed of [41, 42, 43]) expect(said).toContain(`faults seed ${seed}:`);
});
