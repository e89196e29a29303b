import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { neighbourhoods } from './graph.ts';
import { customarySumGraph } from './settings.ts';

// The table in PROTOCOL.md: PULSEMESH_TABLES=full draws as many graphs as it was made of.
const graphs = process.env['PULSEMESH_TABLES'] === 'full' ? 300 : 40;

/** Of random graphs with random sites gone, the share in which somebody keeps fewer holders than the threshold. */
function failureShare(sites: number, neighbours: number, threshold: number, goneShare: number): number {
  const random = createSeededRandom(sites * neighbours + threshold);
  const members = Array.from({ length: sites }, (_, index) => index);
  let failures = 0;
  for (let drawn = 0; drawn < graphs; drawn += 1) {
    const graph = neighbourhoods(members, neighbours, { runId: random.bytes(32), keysHash: random.bytes(32) });
    const gone = new Set(random.shuffle(members).slice(0, Math.round(sites * goneShare)));
    const left = (place: number) => [place, ...(graph.get(place) ?? [])].filter((one) => !gone.has(one)).length;
    if (members.some((place) => left(place) < threshold)) failures += 1;
  }
  return failures / graphs;
}

describe('of a hundred sites', () => {
  it.each([
    { neighbours: 20, threshold: 14, gone: 0.1, from: 0, to: 0.02 },
    { neighbours: 20, threshold: 14, gone: 0.2, from: 0.25, to: 0.65 },
    { neighbours: 20, threshold: 14, gone: 0.3, from: 0.98, to: 1 },
    { neighbours: 20, threshold: 11, gone: 0.3, from: 0.12, to: 0.52 },
    { neighbours: 30, threshold: 16, gone: 0.3, from: 0, to: 0.18 },
    { neighbours: 40, threshold: 21, gone: 0.3, from: 0, to: 0.08 },
  ])('$neighbours neighbours, $threshold needed, $gone gone: $from to $to of the attempts fail', (row) => {
    const share = failureShare(100, row.neighbours, row.threshold, row.gone);
    expect(share).toBeGreaterThanOrEqual(row.from);
    expect(share).toBeLessThanOrEqual(row.to);
  });

  it('the customary graph fails in few attempts, whatever share was announced', () => {
    for (const goneShareMax of [0.1, 0.3]) {
      const { neighbours, threshold } = customarySumGraph(100, { goneShareMax });
      expect(failureShare(100, neighbours as number, threshold, goneShareMax)).toBeLessThan(0.08);
    }
  });
});
