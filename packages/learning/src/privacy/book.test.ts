import type { TaskBody } from '@pulsemesh/board';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { accountant } from './accountant.ts';
import { openPrivacyBook } from './book.ts';

const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1, noiseMultiplier: 2, unit: 'site' } as const;
const task = { purpose: 'research/rhythm', privacy, sitesMin: 3 } as unknown as TaskBody; // what the book reads of it

function round(number: number, attempt = 1, taskId = 'a'.repeat(64), of: TaskBody = task) {
  return { taskId, task: of, round: number, attempt };
}
const limit = { epsilonMax: 8, sites: 5 };
const open = (tables = createMemoryTables(), purposeEpsilonMax: number | null = null) =>
  openPrivacyBook({ purposeEpsilonMax }, { tables });

describe('a privacy book', () => {
  it('adds up reveals as the accountant does', async () => {
    const book = open();
    for (let count = 1; count <= 4; count += 1) {
      const { isWithin, epsilon } = await book.spend(round(count), limit);
      expect(isWithin).toBe(true);
      expect(epsilon).toBeCloseTo(accountant.epsilonAfter(privacy, count, 5), 12);
    }
  });

  it('never passes the limit, and a refused reveal spends nothing', async () => {
    const book = open();
    let within = 0;
    for (let count = 1; count <= 40; count += 1) if ((await book.spend(round(count), limit)).isWithin) within += 1;
    expect(accountant.epsilonAfter(privacy, within, 5)).toBeLessThanOrEqual(8);
    expect(accountant.epsilonAfter(privacy, within + 1, 5)).toBeGreaterThan(8);
    expect(book.spent()[0]?.reveals).toBe(within);
    expect((await book.spend(round(41), { ...limit, epsilonMax: 0.1 })).isWithin).toBe(false);
  });

  it('answers the same for the same attempt, and counts another attempt of the same round', async () => {
    const book = open();
    const first = await book.spend(round(1), limit);
    expect(await book.spend(round(1), limit)).toEqual(first);
    expect((await book.spend(round(1, 2), limit)).epsilon).toBeGreaterThan(first.epsilon ?? 0);
    expect(book.spent().map(({ reveals }) => reveals)).toEqual([2, 2]);
  });

  it('survives a restart, also with rounds that were asked for at once', async () => {
    const tables = createMemoryTables();
    const book = open(tables);
    await Promise.all([1, 2, 3].map((number) => book.spend(round(number), limit)));
    const again = open(tables);
    expect(again.spent()).toEqual(book.spent());
    expect((await again.spend(round(2), limit)).epsilon).toBeCloseTo(accountant.epsilonAfter(privacy, 2, 5), 12);
  });

  it('put back from an older copy, counts the rounds of a task that it forgot', async () => {
    const { epsilon } = await open().spend(round(5), limit);
    expect(epsilon).toBeCloseTo(accountant.epsilonAfter(privacy, 5, 5), 12);
  });

  it('holds a purpose to its own limit over all its tasks', async () => {
    const book = open(undefined, 4);
    const epsilons: number[] = [];
    for (let number = 0; number < 30; number += 1) {
      await book.spend(round(1, 1, `task ${number}`), limit);
      epsilons.push(book.spent()[0]?.epsilon ?? 0);
    }
    expect(Math.max(...epsilons)).toBeLessThanOrEqual(4);
    expect(book.spent().length).toBeGreaterThan(2);
    const other = { ...task, purpose: 'research/other' };
    expect((await book.spend(round(1, 1, 'other', other), limit)).isWithin).toBe(true);
  });

  it('lets a task without noise through only where the contract sets no limit', async () => {
    const plain = { ...task, privacy: null };
    const book = open();
    expect(await book.spend(round(1, 1, 'plain', plain), limit)).toEqual({ isWithin: false, epsilon: null });
    const unlimited = { ...limit, epsilonMax: null };
    expect(await book.spend(round(1, 1, 'plain', plain), unlimited)).toEqual({ isWithin: true, epsilon: null });
    expect(book.spent()).toEqual([]);
    expect((await open(undefined, 4).spend(round(1, 1, 'plain', plain), unlimited)).isWithin).toBe(false);
  });

  it('refuses to open over what is no book', async () => {
    const tables = createMemoryTables();
    await tables.commit([
      { kind: 'put', table: 'learning-privacy', key: Uint8Array.of(1), value: Uint8Array.of(0xff) },
    ]);
    expect(() => open(tables)).toThrow('cannot be read');
  });
});
