import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SeenKind, SeenReadings } from './ingest-seen.ts';

const hashes: Record<string, Uint8Array> = { a: new Uint8Array(8).fill(1), b: new Uint8Array(8).fill(2) };

async function addAll(seen: SeenReadings, tables: ReturnType<typeof createMemoryTables>, numbers: readonly number[]) {
  const batch = seen.begin(0);
  const isNew = numbers.map((number) => batch.add(hashes['a'] as Uint8Array, 'a', 'seq', number));
  await tables.commit(batch.changes());
  return isNew;
}

describe('SeenReadings', () => {
  it('agrees with a set, over batches and block borders', async () => {
    const number = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 65_530, max: 65_545 }),
      fc.integer({ min: 2 ** 53 - 20, max: 2 ** 53 - 1 }),
    );
    const addition = fc.record({
      wearer: fc.constantFrom('a', 'b'),
      kind: fc.constantFrom<SeenKind>('seq', 'time'),
      number,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(addition, { maxLength: 30 }), { maxLength: 6 }), async (batches) => {
        const tables = createMemoryTables();
        const seen = new SeenReadings(tables);
        const model = new Set<string>();
        for (const additions of batches) {
          const batch = seen.begin(0);
          for (const { wearer, kind, number } of additions) {
            const name = `${wearer}${kind}${number}`;
            expect(batch.add(hashes[wearer] as Uint8Array, wearer, kind, number)).toBe(!model.has(name));
            model.add(name);
          }
          await tables.commit(batch.changes());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('forgets what a batch that was not committed had added', async () => {
    const tables = createMemoryTables();
    const seen = new SeenReadings(tables);
    seen.begin(0).add(hashes['a'] as Uint8Array, 'a', 'seq', 7);
    expect(await addAll(seen, tables, [7])).toEqual([true]);
  });

  it('never takes more than 8 KiB for 65,536 numbers, however scattered', async () => {
    const tables = createMemoryTables();
    const seen = new SeenReadings(tables);
    const even = Array.from({ length: 32_768 }, (_, index) => index * 2);
    expect(await addAll(seen, tables, even)).not.toContain(false);
    const sizes = [...tables.range('ingest.seen')].map(({ key, value }) => [key.length, value.length]);
    expect(sizes).toEqual([[16, 8_197]]);
    expect(await addAll(seen, tables, even.slice(0, 100))).not.toContain(true);
    expect(await addAll(seen, tables, [1, 3, 65_535])).not.toContain(false);
  });

  it('holds a counting device in a few bytes', async () => {
    const tables = createMemoryTables();
    await addAll(
      new SeenReadings(tables),
      tables,
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    expect([...tables.range('ingest.seen')].map(({ value }) => value.length)).toEqual([9]);
  });

  it('removes rows not touched within the horizon, going round page by page', async () => {
    const tables = createMemoryTables();
    const seen = new SeenReadings(tables);
    for (const [index, nowSeconds] of [100, 200, 300, 400].entries()) {
      const batch = seen.begin(nowSeconds);
      batch.add(Uint8Array.of(index, 0, 0, 0, 0, 0, 0, 0), String(index), 'seq', 1);
      await tables.commit(batch.changes());
    }
    for (let page = 0; page < 3; page += 1) await tables.commit(seen.prune(450, 200, 2));
    expect(seen.rowCount).toBe(2);
    for (let page = 0; page < 3; page += 1) await tables.commit(seen.prune(700, 200, 2));
    expect(seen.rowCount).toBe(0);
  });
});
