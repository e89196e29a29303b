import { Condition, type Random } from '@pulsemesh/base';
import type { World } from './world.ts';

/** Comings and goings without end: sessions and absences of exponential length. */
export interface ChurnOptions {
  readonly sessionMeanMs: number;
  readonly absenceMeanMs: number;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Share of goings in which the machine vanishes from the network; otherwise its process is killed. */
  readonly vanishShare: number;
  /** Share of comings in which what the node knew is still there. */
  readonly memoryShare: number;
}

/** Brings a machine up again, with what it remembered or without. */
export type BringUp = (place: number, hasMemory: boolean) => void;

/** Sets comings and goings for the given places. Nobody new goes after `untilMs`; who is away comes again. */
export function startChurn(
  world: World,
  places: readonly number[],
  options: ChurnOptions,
  bringUp: BringUp,
  random: Random,
): void {
  const exponential = (meanMs: number) => -meanMs * Math.log(1 - random.float());
  const goLater = (index: number, nowMs: number) => {
    const atMs = nowMs + exponential(options.sessionMeanMs);
    if (atMs > options.untilMs) return;
    world.at(atMs, () => {
      const place = world.places[index];
      if (place === undefined || !place.isUp) return;
      world.stop(place, random.float() < options.vanishShare ? 'vanished' : 'killed');
      const backMs = atMs + exponential(options.absenceMeanMs);
      world.at(backMs, () => {
        bringUp(index, random.float() < options.memoryShare);
        goLater(index, backMs);
      });
    });
  };
  for (const index of places) goLater(index, options.fromMs);
}

/** A line of a churn trace. */
export interface TraceLine {
  readonly atMs: number;
  readonly place: number;
  readonly isUp: boolean;
}

/** Limits of a trace file. */
export const traceLimits = { linesMax: 1_000_000, bytesMax: 64 * 1024 * 1024, placesMax: 1_000_000 } as const;

/** A trace that cannot be played. */
export class ChurnTraceError extends Condition {
  override readonly name = 'ChurnTraceError';

  constructor(line: number, why: string) {
    super('churn-trace', `line ${line} of the churn trace ${why}`, { facts: { line } });
  }
}

/**
 * Reads a trace: a line is `SECONDS NODE up|down`, separated by spaces, commas or tabs, in the order of time; `#` begins
 * a remark. Nodes are numbered from 0. Session traces of measurement studies become this with one `awk`.
 * @throws {ChurnTraceError} for anything else.
 */
export function parseChurnTrace(text: string): readonly TraceLine[] {
  if (text.length > traceLimits.bytesMax) throw new ChurnTraceError(0, 'is past the largest file');
  const lines: TraceLine[] = [];
  let lastMs = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const [seconds, node, state, rest] = line.split(/[\s,]+/);
    const atMs = 1_000 * Number(seconds);
    const place = Number(node);
    if (rest !== undefined || (state !== 'up' && state !== 'down'))
      throw new ChurnTraceError(index + 1, 'is malformed');
    if (!(atMs >= lastMs)) throw new ChurnTraceError(index + 1, 'has a time before the one above, or none');
    if (!Number.isInteger(place) || place < 0 || place >= traceLimits.placesMax) {
      throw new ChurnTraceError(index + 1, 'names no node');
    }
    if (lines.length === traceLimits.linesMax) throw new ChurnTraceError(index + 1, 'is one too many');
    lastMs = atMs;
    lines.push({ atMs, place, isUp: state === 'up' });
  }
  return lines;
}

/** Sets the comings and goings of a trace, beginning at `fromMs`; nodes that the world has not are left out. */
export function playChurnTrace(world: World, trace: readonly TraceLine[], fromMs: number, bringUp: BringUp): void {
  for (const { atMs, place: index, isUp } of trace) {
    const place = world.places[index];
    if (place === undefined) continue;
    world.at(fromMs + atMs, () => {
      if (isUp && !place.isUp) bringUp(index, true);
      else if (!isUp) world.stop(place, 'killed');
    });
  }
}
