import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { StreamSampler, sampleStream } from './stream-sampler.ts';

/** What comes out of a stream in which the first tenth of the ids come nine times as often as they should. */
function sampleBiased(setting: { ids: number; capacity: number; length: number }) {
  const random = createSeededRandom(5);
  const sampler = new StreamSampler({ capacity: setting.capacity, rows: 10, columns: 50 }, { random });
  const frequent = setting.ids / 10;
  const stream = Array.from({ length: setting.length }, () =>
    String(random.float() < 0.5 ? random.integer(frequent) : frequent + random.integer(setting.ids - frequent)),
  );
  const out = [...sampleStream(stream, sampler)];
  const settled = out.slice(setting.length / 5);
  const share = settled.filter((id) => Number(id) < frequent).length / settled.length;
  return { share, different: new Set(out).size };
}

describe('the stream sampler', () => {
  it('lets every id of a biased stream out, with fewer ids than cells of the sketch', () => {
    const { share, different } = sampleBiased({ ids: 100, capacity: 20, length: 60_000 });
    expect(different).toBe(100);
    expect(share).toBeGreaterThan(0.06);
    expect(share).toBeLessThan(0.14);
  });

  it('does so for a handful of ids, too', () => {
    const { share, different } = sampleBiased({ ids: 30, capacity: 8, length: 30_000 });
    expect(different).toBe(30);
    expect(share).toBeLessThan(0.14);
  });

  it('holds no more ids than it has room for, each once', () => {
    const sampler = new StreamSampler({ capacity: 5, rows: 4, columns: 20 }, { random: createSeededRandom(2) });
    for (let time = 0; time < 500; time += 1) sampler.add(String(time % 40));
    expect(sampler.ids).toHaveLength(5);
    expect(new Set(sampler.ids).size).toBe(5);
  });

  it('needs an id before it can give one', () => {
    const sampler = new StreamSampler({ capacity: 1, rows: 1, columns: 1 }, { random: createSeededRandom(2) });
    expect(() => sampler.sample()).toThrow('nothing was added yet');
    expect(sampler.add('a')).toBe('a');
  });
});
