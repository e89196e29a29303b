import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { createTopic } from '../topic.ts';
import { FirstReaders, firstReadersLimits } from './first-readers.ts';

const topic = createTopic('news');

function world() {
  const clock = new VirtualClock();
  const state = { isKnown: false, searches: 0 };
  const readers = new FirstReaders({
    clock,
    isKnown: () => state.isKnown,
    search: () => {
      state.searches += 1;
    },
  });
  return { clock, state, readers };
}

describe('publications that wait for a first reader', () => {
  it('go on at once where one is known', async () => {
    const { state, readers } = world();
    state.isKnown = true;
    expect(await readers.find(topic)).toBe(true);
    expect(state.searches).toBe(0);
  });

  it('go on in the order they came, a late one behind the rest, with one search for all', async () => {
    const { clock, state, readers } = world();
    const order: number[] = [];
    const finds = [0, 1, 2].map((index) => readers.find(topic).then(() => order.push(index)));
    await clock.advance(10);
    state.isKnown = true;
    finds.push(readers.find(topic).then(() => order.push(3)));
    await clock.advance(firstReadersLimits.pollMs);
    finds.push(readers.find(topic).then(() => order.push(4)));
    await Promise.all(finds);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(state.searches).toBe(1);
  });

  it('wait each its own time and no longer', async () => {
    const { clock, readers } = world();
    const answers: string[] = [];
    void readers.find(topic).then((isFound) => answers.push(`first ${isFound}`));
    await clock.advance(firstReadersLimits.waitMs - 100);
    void readers.find(topic).then((isFound) => answers.push(`second ${isFound}`));
    await clock.advance(200);
    expect(answers).toEqual(['first false']);
    await clock.advance(firstReadersLimits.waitMs);
    expect(answers).toEqual(['first false', 'second false']);
  });

  it('are bounded in number, and told when the service stops', async () => {
    const { readers } = world();
    const finds = Array.from({ length: firstReadersLimits.waitingMax }, () => readers.find(topic));
    expect(await readers.find(topic)).toBe(false);
    readers.stop();
    expect(new Set(await Promise.all(finds))).toEqual(new Set([false]));
    expect(await readers.find(topic)).toBe(false);
  });
});
