import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { latencies, regions } from './latency.ts';

describe('latencies', () => {
  const draw = (name: string, from = 0, to = 1) => {
    const latency = latencies[name]?.(createSeededRandom(1));
    return Array.from({ length: 2_000 }, () => latency?.drawMs(from, to) ?? Number.NaN);
  };
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  it('draws within the bounds each one names', () => {
    expect(new Set(draw('constant'))).toEqual(new Set([25]));
    expect(Math.min(...draw('uniform'))).toBeGreaterThanOrEqual(22.5);
    expect(Math.max(...draw('uniform'))).toBeLessThan(27.5);
    const logNormal = draw('lognormal').sort((a, b) => a - b);
    expect(logNormal[1_000]).toBeCloseTo(25, -1);
    expect(logNormal[0]).toBeGreaterThan(0);
    expect(Math.max(...logNormal)).toBeLessThanOrEqual(2_000);
  });

  it('knows how far regions are from each other, the same both ways', () => {
    const [usEast, frankfurt, sydney] = ['us-east', 'frankfurt', 'sydney'].map((name) =>
      regions.indexOf(name as never),
    );
    expect(mean(draw('regions', usEast, frankfurt))).toBeCloseTo((88.6 / 2) * 1.1, 0);
    expect(mean(draw('regions', sydney, frankfurt))).toBeCloseTo(mean(draw('regions', frankfurt, sydney)), 0);
    expect(Math.max(...draw('regions', 3, 3 + regions.length))).toBeLessThanOrEqual(6);
    expect(latencies['regions']?.(createSeededRandom(1)).regionOf?.(regions.length)).toBe('us-east');
  });
});
