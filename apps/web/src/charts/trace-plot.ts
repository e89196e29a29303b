import uPlot from 'uplot';
import { formatClock, formatClockSeconds } from '../format.ts';
import type { SampleBuffer } from '../state/sample-buffer.ts';

/** A pause longer than this is a gap in the line: nothing is drawn where nothing was measured. */
export const gapSeconds = 5;
/** The rate's scale when nothing is outside it: the same on all cards, so that they compare at a glance. */
export const bpmScale = { low: 40, high: 120 } as const;

export interface TraceOptions {
  readonly spanSeconds: number;
  readonly heightPx: number;
  /** 'quiet': no numbers, for cards; 'full': both axes. */
  readonly axes: 'quiet' | 'full';
}

interface TraceColours {
  readonly line: string;
  readonly fill: string;
  readonly grid: string;
  readonly text: string;
}

/** A drawn heart rate; the owner calls `destroy`. */
export interface TracePlot {
  /** Draws the newest `spanSeconds` of the buffer. */
  draw(): void;
  resize(widthPx: number): void;
  destroy(): void;
}

/** Draws into `host`, whose CSS gives the colours (`--trace`, `--trace-fill`, `--grid`, `--muted`). */
export function createTracePlot(host: HTMLElement, buffer: SampleBuffer, options: TraceOptions): TracePlot {
  const colours = readColours(host);
  const plot = new uPlot(plotOptions(options, colours, Math.max(host.clientWidth, 120)), [[], []], host);
  return {
    draw() {
      const newest = buffer.newestSeconds;
      if (newest === null) return;
      const fromSeconds = newest - options.spanSeconds;
      // One reading before the edge, so that the line enters from outside.
      const { tSeconds, bpm } = buffer.since(fromSeconds - gapSeconds);
      plot.batch(() => {
        plot.setData([tSeconds, bpm], false);
        plot.setScale('x', { min: fromSeconds, max: newest });
        plot.setScale('y', rateRange(bpm));
      });
    },
    resize: (widthPx) => plot.setSize({ width: Math.max(widthPx, 120), height: options.heightPx }),
    destroy: () => plot.destroy(),
  };
}

/** The common scale, widened in steps of 20 by what lies outside, so that it rarely moves. */
export function rateRange(bpm: ArrayLike<number>): { readonly min: number; readonly max: number } {
  let min: number = bpmScale.low;
  let max: number = bpmScale.high;
  for (let index = 0; index < bpm.length; index += 1) {
    const value = bpm[index] as number;
    if (value < min) min = Math.max(0, Math.floor(value / 20) * 20);
    if (value > max) max = Math.min(400, Math.ceil(value / 20) * 20);
  }
  return { min, max };
}

/** Canvas tuples [from, to] where two neighbours lie further apart than {@link gapSeconds}. */
function findGaps(plot: uPlot, _series: number, from: number, to: number): uPlot.Series.Gaps {
  const times = plot.data[0];
  const gaps: uPlot.Series.Gaps = [];
  for (let index = from + 1; index <= to; index += 1) {
    const before = times[index - 1] as number;
    const after = times[index] as number;
    if (after - before > gapSeconds) {
      gaps.push([Math.round(plot.valToPos(before, 'x', true)), Math.round(plot.valToPos(after, 'x', true))]);
    }
  }
  return gaps;
}

function plotOptions(options: TraceOptions, colours: TraceColours, widthPx: number): uPlot.Options {
  const isFull = options.axes === 'full';
  const axis: uPlot.Axis = {
    stroke: colours.text,
    font: '12px system-ui, sans-serif',
    grid: { stroke: colours.grid, width: 1 },
    ticks: { show: false },
  };
  const clock = options.spanSeconds > 600 ? formatClock : formatClockSeconds;
  return {
    width: widthPx,
    height: options.heightPx,
    padding: isFull ? [8, 8, 0, 0] : [6, 2, 6, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    axes: [
      {
        ...axis,
        show: isFull,
        size: 28,
        space: 90,
        values: (_plot, ticks) => ticks.map((t) => clock(t * 1000)),
      },
      {
        ...axis,
        size: isFull ? 42 : 28,
        gap: 4,
        splits: (_plot, _index, min, max) => rateSplits(min, max, isFull),
      },
    ],
    series: [
      {},
      {
        stroke: colours.line,
        fill: colours.fill,
        width: isFull ? 1.5 : 1.75,
        points: { show: false },
        gaps: findGaps,
      },
    ],
  };
}

/** Lines at 60 and 100 on cards; each 20 (40 on a wide scale) on the large trace. */
function rateSplits(min: number, max: number, isFull: boolean): number[] {
  if (!isFull) return [60, 100];
  const step = max - min > 160 ? 40 : 20;
  const splits: number[] = [];
  for (let at = Math.ceil(min / step) * step; at <= max; at += step) splits.push(at);
  return splits;
}

/** Resolves the colours: a canvas does not understand `var()` or `light-dark()`. */
function readColours(host: HTMLElement): TraceColours {
  const probe = document.createElement('span');
  host.append(probe);
  const resolve = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    line: resolve('--trace'),
    fill: resolve('--trace-fill'),
    grid: resolve('--grid'),
    text: resolve('--muted'),
  };
  probe.remove();
  return colours;
}
