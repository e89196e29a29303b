import { createSeededRandom } from '@pulsemesh/base';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { parseChurnTrace, playChurnTrace, startChurn } from './churn.ts';
import { constantLatency } from './latency.ts';
import type { SimulatedNode } from './node.ts';
import { World } from './world.ts';

const idle: SimulatedNode = {
  dueAtMs: Number.POSITIVE_INFINITY,
  start: () => [],
  wake: () => [],
  receive: () => [],
  connected: () => [],
  disconnected: () => [],
  unreachable: () => [],
  wantedLinks: () => [],
};

function open(count: number) {
  const world = new World({ latency: constantLatency(1), linksMax: 4 }, { random: createSeededRandom(1) });
  const log: [string, number, number][] = [];
  world.observe({
    cameUp: (node, atMs) => log.push(['up', node, atMs]),
    wentDown: (node, atMs) => log.push(['down', node, atMs]),
  });
  for (let index = 0; index < count; index += 1) {
    world.start(world.add({ peer: peerIdOfEd25519(new Uint8Array(32).fill(index + 1)), node: idle }), []);
  }
  const memories: boolean[] = [];
  const bringUp = (index: number, hasMemory: boolean) => {
    memories.push(hasMemory);
    const place = world.places[index];
    if (place !== undefined) world.start(place, []);
  };
  return { world, log, memories, bringUp };
}

describe('churn', () => {
  it('has sessions and absences of the lengths asked for, and everybody back at the end', () => {
    const { world, log, memories, bringUp } = open(50);
    const options = { sessionMeanMs: 60_000, absenceMeanMs: 20_000, fromMs: 0, untilMs: 3_600_000 };
    const indexes = world.places.map(({ index }) => index);
    startChurn(world, indexes, { ...options, vanishShare: 0.3, memoryShare: 0.5 }, bringUp, createSeededRandom(2));
    world.runUntil(7_200_000);
    const downs = log.filter(([what]) => what === 'down');
    expect(downs.length / ((50 * 3_600_000) / 80_000)).toBeCloseTo(1, 1);
    expect(world.places.every((place) => place.isUp)).toBe(true);
    expect(downs.every(([, , atMs]) => atMs <= 3_600_000)).toBe(true);
    expect(memories.filter(Boolean).length / memories.length).toBeCloseTo(0.5, 1);
  });

  it('plays a trace', () => {
    const { world, log, bringUp } = open(3);
    const trace = parseChurnTrace('# seconds node state\n1 0 down\n2.5,2,down # gone\n\n3\t0\tup\n4 9 down\n');
    playChurnTrace(world, trace, 10_000, bringUp);
    world.runUntil(60_000);
    expect(log.slice(3)).toEqual([
      ['down', 0, 11_000],
      ['down', 2, 12_500],
      ['up', 0, 13_000],
    ]);
  });

  it.each([
    ['a word too many', '1 0 up now'],
    ['a state that is none', '1 0 away'],
    ['a time that is none', 'x 0 up'],
    ['a time that goes back', '2 0 down\n1 0 up'],
    ['a node that is none', '1 -1 up'],
    ['a node past the limit', '1 1000000 up'],
  ])('refuses %s, naming the line', (_what, text) => {
    expect(() => parseChurnTrace(text)).toThrow(/line \d of the churn trace/);
  });
});
