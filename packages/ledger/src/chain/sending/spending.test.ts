import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import { zeroAddress } from 'viem';
import { describe, expect, it } from 'vitest';
import { SpendingLimitError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import { type Reservation, Spending } from './spending.ts';

const account: Hex = `0x${'11'.repeat(20)}`;
const token: Hex = `0x${'Ab'.repeat(20)}`;
const dayMs = 86_400_000;

const turns = fc.array(
  fc.record({
    amount: fc.bigInt({ min: 0n, max: 60n }),
    ofToken: fc.boolean(),
    day: fc.integer({ min: 0, max: 3 }),
    kept: fc.bigInt({ min: 0n, max: 60n }),
    isReleased: fc.boolean(),
  }),
  { maxLength: 30 },
);

describe('spending', () => {
  it('never lets more pass than a day’s limit and the total, whatever is reserved and given back', async () => {
    await fc.assert(
      fc.asyncProperty(turns, async (all) => {
        const store = createMemoryTables();
        const limits = [
          { token: zeroAddress, perDay: 100n, total: 150n },
          { token, perDay: 70n, total: 1_000n },
        ];
        const counted = new Map<string, bigint>();
        const add = (key: string, by: bigint) => counted.set(key, (counted.get(key) ?? 0n) + by);
        for (const { amount, ofToken, day, kept, isReleased } of all) {
          const spending = new Spending(limits, account, store); // as after a restart
          const of = ofToken ? token : zeroAddress;
          let reserved: readonly Reservation[];
          try {
            const made = spending.reserve([{ token: of, amount }], day * dayMs + 5);
            await store.commit(made.changes);
            reserved = made.reserved;
          } catch (error) {
            expect(error).toBeInstanceOf(SpendingLimitError);
            continue;
          }
          const spent = isReleased && kept < amount ? kept : amount;
          if (isReleased) await store.commit(spending.release(reserved, [{ token: of, amount: spent }]));
          add(`${of}/${day}`, spent);
          add(of, spent);
          expect(spending.left(of, day * dayMs)).toEqual({
            today: (ofToken ? 70n : 100n) - (counted.get(`${of}/${day}`) ?? 0n),
            total: (ofToken ? 1_000n : 150n) - (counted.get(of) ?? 0n),
          });
        }
        for (const day of [0, 1, 2, 3]) {
          expect(counted.get(`${zeroAddress}/${day}`) ?? 0n).toBeLessThanOrEqual(100n);
          expect(counted.get(`${token}/${day}`) ?? 0n).toBeLessThanOrEqual(70n);
        }
        expect(counted.get(zeroAddress) ?? 0n).toBeLessThanOrEqual(150n);
      }),
    );
  });

  it('counts once what a transaction cost that was sent again with higher fees', async () => {
    const store = createMemoryTables();
    const spending = new Spending([{ token: zeroAddress, perDay: 200n, total: 1_000n }], account, store);
    const first = spending.reserve([{ token: zeroAddress, amount: 100n }], 5);
    await store.commit(first.changes);
    const more = spending.reserve([{ token: zeroAddress, amount: 50n }], dayMs + 5);
    await store.commit(more.changes);
    const reserved = [...first.reserved, ...more.reserved];
    await store.commit(spending.release(reserved, [{ token: zeroAddress, amount: 110n }]));
    expect(spending.left(zeroAddress, dayMs)).toEqual({ today: 190n, total: 890n });
    expect(spending.left(zeroAddress, 0)?.today).toBe(100n);
    await store.commit(spending.release(reserved.slice(0, 1), []));
    expect(spending.left(zeroAddress, 0)?.today).toBe(200n);
  });

  it('lets everything pass without limits, and nothing of a token that no limit names', () => {
    const free = new Spending([], account, createMemoryTables());
    expect(free.reserve([{ token, amount: 10n ** 30n }], 0).changes).toEqual([]);
    expect(free.left(token, 0)).toBe(null);
    const bound = new Spending([{ token: zeroAddress, perDay: 1n, total: 1n }], account, createMemoryTables());
    expect(() => bound.reserve([{ token, amount: 1n }], 0)).toThrow(SpendingLimitError);
  });

  it('takes no more limits than it may, and none twice', () => {
    const limit = (index: number) => ({
      token: `0x${index.toString(16).padStart(40, '0')}` as const,
      perDay: 1n,
      total: 1n,
    });
    const many = Array.from({ length: chainLimits.limitedTokensMax + 1 }, (_, index) => limit(index));
    expect(() => new Spending(many, account, createMemoryTables())).toThrow(RangeError);
    expect(() => new Spending([limit(1), limit(1)], account, createMemoryTables())).toThrow(RangeError);
  });
});
