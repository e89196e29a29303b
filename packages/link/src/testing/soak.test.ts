import { describe, expect, it } from 'vitest';
import { countNumbers, endNumber, numbered } from './soak.ts';

function count(numbers: readonly number[], sent: number) {
  const messages = [...numbers.map((number) => numbered(number, 64)), numbered(endNumber, 64, sent)];
  return countNumbers({ receive: async () => messages.shift() ?? null }, () => {});
}

describe('the count of a soak', () => {
  it.each([
    ['all in order', [0, 1, 2, 3], { received: 4, lost: 0, doubled: 0, displaced: 0 }],
    ['one lost in the middle', [0, 1, 3], { received: 3, lost: 1, doubled: 0, displaced: 1 }],
    ['the last one lost', [0, 1, 2], { received: 3, lost: 1, doubled: 0, displaced: 0 }],
    ['one doubled', [0, 1, 1, 2, 3], { received: 5, lost: 0, doubled: 1, displaced: 0 }],
    ['two changed places', [0, 2, 1, 3], { received: 4, lost: 1, doubled: 1, displaced: 1 }],
  ])('shows %s', async (_what, numbers, expected) => {
    expect(await count(numbers, 4)).toEqual(expected);
  });

  it('does not end before its end', async () => {
    await expect(countNumbers({ receive: async () => null }, () => {})).rejects.toThrow('before its end');
  });
});
