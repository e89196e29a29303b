import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { World, worldStartMs } from '../testing/node-world.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { Outlets, outletLimits } from './outlets.ts';

const [topic, other] = [createTopic('news'), createTopic('sport')];
const route = topic.route(epochAt(worldStartMs, epochMs.ring));
const world = new World(1);
const [one, two, three, four] = Array.from({ length: 4 }, () => world.add().descriptor) as [
  Descriptor,
  Descriptor,
  Descriptor,
  Descriptor,
];
const event = (mark: number, length = 8) => new Uint8Array(length).fill(mark);

function open(connected: readonly Descriptor[] = []) {
  const outlets = new Outlets(createSeededRandom(1), (peer) => connected.some((each) => each.peer === peer));
  for (const each of [topic, other]) outlets.open(each, false, worldStartMs);
  return outlets;
}

const marksOf = (outputs: readonly NodeOutput[]) =>
  outputs.map((output) => (output.kind === 'send' && output.message.kind === 'event' ? output.message.bytes[0] : -1));

describe('topics that are published to only', () => {
  it('go by members that are connected, where there are any', () => {
    const outlets = open([two]);
    outlets.found(topic, [one, two, three, four]);
    for (let mark = 0; mark < 10; mark += 1) {
      const [first] = outlets.publish(topic, event(mark), worldStartMs);
      expect(first?.kind === 'send' && first.to).toBe(two.peer);
    }
  });

  it('give to the next member found what was sent of late to those that are gone', () => {
    const outlets = open();
    outlets.found(topic, [one, two]);
    outlets.publish(topic, event(1), worldStartMs);
    outlets.gone(one.peer);
    expect(outlets.waiting()).toEqual([]);
    expect(outlets.left(three.peer, route, worldStartMs)).toBe(false);
    expect(outlets.left(two.peer, event(9, 16), worldStartMs)).toBe(false);
    expect(outlets.left(two.peer, route, worldStartMs)).toBe(true);
    expect(outlets.hasMembers(topic)).toBe(false);
    expect(outlets.waiting().map((waiting) => waiting.topic.name)).toEqual(['news']);
    outlets.publish(topic, event(2), worldStartMs);
    expect(marksOf(outlets.found(topic, [three]))).toEqual([1, 2]);
    expect(marksOf(outlets.found(topic, [three]))).toEqual([]);
  });

  it('are not filled by one answer, and give what went to the first to one of the next as well', () => {
    const many = Array.from({ length: 12 }, () => world.add().descriptor);
    const outlets = open();
    outlets.publish(topic, event(1), worldStartMs);
    expect(outlets.found(topic, many.slice(0, 6))).toHaveLength(outletLimits.fanOut);
    const sent = outlets.found(topic, [one, two]);
    expect(sent).toMatchObject([{ to: one.peer }]);
    expect(marksOf(sent)).toEqual([1]);
    // Of two answers one each gets the next event, however many the first one named.
    const next = outlets.publish(topic, event(2), worldStartMs).map((output) => output.kind === 'send' && output.to);
    expect(next.some((peer) => peer === one.peer || peer === two.peer)).toBe(true);
    for (let answer = 0; answer < 6; answer += 1) outlets.found(topic, [many[6 + answer] as Descriptor]);
    expect(outlets.found(topic, [three, four])).toEqual([]);
    expect(outlets.descriptorOf(three.peer)).toBe(three);
    expect(outlets.descriptorOf(one.peer)).toBe(one);
    const kept = many.filter(({ peer }) => outlets.descriptorOf(peer) !== undefined);
    expect(kept.length + 4).toBe(outletLimits.membersMax);
  });

  it('forget what nobody came for in time', () => {
    const outlets = open();
    outlets.publish(topic, event(1), worldStartMs);
    outlets.wake(worldStartMs + outletLimits.recentMs);
    expect(outlets.waiting()).toEqual([]);
    expect(outlets.found(topic, [one])).toEqual([]);
  });

  it('keep a bounded number of events and bytes, those that nobody has before those that were sent', () => {
    const outlets = open();
    outlets.found(other, [one]);
    const large = outletLimits.recentBytesMax / 4;
    for (let mark = 0; mark < 8; mark += 1) outlets.publish(other, event(mark, large), worldStartMs);
    for (let mark = 0; mark < 5; mark += 1) outlets.publish(topic, event(mark, large), worldStartMs);
    expect(marksOf(outlets.found(topic, [two]))).toEqual([0, 1, 2, 3]);
    const many = open();
    for (let mark = 0; mark < outletLimits.recentMax + 5; mark += 1) many.publish(topic, event(mark), worldStartMs);
    expect(many.found(topic, [one])).toHaveLength(outletLimits.recentMax);
  });
});
