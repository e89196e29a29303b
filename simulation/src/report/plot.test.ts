import { describe, expect, it } from 'vitest';
import { drawPlot } from './plot.ts';

const plot = {
  title: 'Share of Byzantine peers in views',
  x: 'time (s)',
  y: 'share (%)',
  series: [
    { name: 'views', points: Array.from({ length: 30 }, (_, index) => [index * 10, 20 + Math.sin(index)] as const) },
    { name: 'population', points: [[0, 20] as const, [290, 20] as const] },
  ],
};

describe('drawPlot', () => {
  it('names title, axes with units, seed and lines', () => {
    const svg = drawPlot(plot, 'sampling, 1000 nodes, seed 7');
    for (const word of [plot.title, 'time (s)', 'share (%)', 'seed 7', '>views<', '>population<', '>300<']) {
      expect(svg).toContain(word);
    }
  });

  it('stays inside its frame, whatever the values', () => {
    const wild = [[0, 0] as const, [1, 1e9] as const, [2, -5] as const, [3, Number.NaN] as const];
    for (const points of [wild.slice(0, 3), wild.slice(0, 1), []]) {
      const svg = drawPlot({ ...plot, series: [{ name: 'one', points }] }, '');
      for (const [, x = '', y = ''] of svg.matchAll(/cx="([^"]+)" cy="([^"]+)"/g)) {
        expect(Number(x)).toBeGreaterThanOrEqual(72);
        expect(Number(x)).toBeLessThanOrEqual(736);
        expect(Number(y)).toBeGreaterThanOrEqual(84);
        expect(Number(y)).toBeLessThanOrEqual(364);
      }
      expect(svg).not.toContain('NaN');
    }
  });

  it('breaks a long note into two lines, and names moments', () => {
    const note = Array.from({ length: 30 }, (_, index) => `option-${index} ${index}`).join(', ');
    const svg = drawPlot({ ...plot, marks: [{ x: 100, label: 'the attack begins' }] }, note);
    expect(svg).toContain('>option-0 0, ');
    expect(svg).toContain('stroke-dasharray');
    expect(svg).toContain('>the attack begins<');
    for (const [, line = ''] of svg.matchAll(/>(option[^<]*)</g)) expect(line.length).toBeLessThanOrEqual(105);
  });

  it('draws no more points than it must, and escapes what it is given', () => {
    const points = Array.from({ length: 100_000 }, (_, index) => [index, index] as const);
    const svg = drawPlot({ ...plot, title: 'a < b & c', series: [{ name: 'many', points }] }, '');
    expect(svg.length).toBeLessThan(60_000);
    expect(svg).toContain('a &lt; b &amp; c');
  });
});
