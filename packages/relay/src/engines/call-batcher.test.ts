import { describe, expect, it } from 'vitest';
import { CallBatcher } from './call-batcher.ts';

describe('calls in batches', () => {
  it('run one batch at a time, in order; those behind one that fails fail with it', async () => {
    const runs: (readonly number[])[] = [];
    const going: PromiseWithResolvers<void>[] = [];
    const batcher = new CallBatcher<number, number>({
      run: async (items) => {
        runs.push(items);
        const turn = Promise.withResolvers<void>();
        going.push(turn);
        await turn.promise;
        return items;
      },
      itemsMax: 2,
      bytesMax: 100,
      sizeOf: () => 1,
    });
    const first = batcher.call([1]);
    await expect.poll(() => runs).toEqual([[1]]);
    const behind = [batcher.call([2, 3]), batcher.call([4])];
    going[0]?.reject(new Error('away'));
    for (const call of [first, ...behind]) await expect(call).rejects.toThrow('away');
    expect(batcher.waitingBytes).toBe(0);
    const again = batcher.call([1]);
    await expect.poll(() => runs).toEqual([[1], [1]]);
    going[1]?.resolve();
    expect(await again).toEqual([1]);
  });
});
