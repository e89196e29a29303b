import { describe, expect, it } from 'vitest';
import { LruMap } from './lru-map.ts';

describe('LruMap', () => {
  it('forgets the entry asked for longest ago when full', () => {
    const map = new LruMap<string, number>(2);
    const made: string[] = [];
    const ask = (key: string) =>
      map.getOrCreate(key, () => {
        made.push(key);
        return made.length;
      });
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) ask(key);
    expect(made).toEqual(['a', 'b', 'c', 'b']);
    expect(map.size).toBe(2);
  });
});
