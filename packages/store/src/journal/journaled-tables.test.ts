import { randomBytes } from 'node:crypto';
import { appendFile, cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreFailedError, StoreFullError } from '../errors.ts';
import { openLmdbTables } from '../lmdb-tables.ts';
import { createMemoryTables } from '../memory-tables.ts';
import type { TableChange, TableStore } from '../table.ts';
import { runTableStoreContract } from '../table-store-contract.ts';
import { type JournaledTablesOptions, openJournaledTables } from './journaled-tables.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-journal-'));
afterAll(() => rm(base, { recursive: true }));
let directoryCount = 0;
let directory = '';
const newDirectory = () => {
  directoryCount += 1;
  directory = join(base, `${directoryCount}`);
  return directory;
};
const dependencies = { random: createSystemRandom() };
const openAt = (place: string, options: Partial<JournaledTablesOptions> = {}, more = {}) =>
  openJournaledTables(
    { directory: join(place, 'tables'), journalDirectory: join(place, 'journal'), ...options },
    { ...dependencies, ...more },
  );

// Short segments, so that most of it is on its way into the tables, or there.
for (const segmentBytes of [100, 2_000, 8 * 1024 * 1024]) {
  runTableStoreContract(
    { describe, it },
    {
      name: `LMDB behind a journal in segments of ${segmentBytes} bytes`,
      open: () => openAt(newDirectory(), { segmentBytes }),
      reopen: () => openAt(directory, { segmentBytes }),
      openSmall: () => openAt(newDirectory(), { segmentBytes, bytesMax: 512 * 1024 }),
    },
  );
}

const keyOf = (number: number) => Uint8Array.of(number >>> 8, number);
const put = (number: number, text: string): TableChange => ({
  kind: 'put',
  table: 'a',
  key: keyOf(number),
  value: Buffer.from(text),
});
const remove = (number: number): TableChange => ({ kind: 'remove', table: 'a', key: keyOf(number) });
const contentOf = (store: TableStore, range = {}) =>
  [...store.range('a', range)].map(({ key, value }) => `${key[0]}.${key[1]}=${Buffer.from(value)}`);

/** The files as they are now, as a process that is killed leaves them. */
async function copyNow(): Promise<string> {
  const copy = `${directory}-copy`;
  await rm(copy, { recursive: true, force: true });
  await cp(join(directory, 'journal'), join(copy, 'journal'), { recursive: true });
  await cp(join(directory, 'tables'), join(copy, 'tables'), { recursive: true });
  return copy;
}

describe('tables behind a journal', () => {
  it('say what tables in memory say, whatever is still in the journal', async () => {
    for (const seed of [1, 2, 3]) {
      const random = createSeededRandom(seed);
      const model = createMemoryTables();
      await using store = await openAt(newDirectory(), { segmentBytes: 300 });
      for (let step = 0; step < 150; step += 1) {
        const changes = Array.from({ length: 1 + random.integer(5) }, () => {
          const number = random.integer(40) * 50;
          return random.integer(3) === 0 ? remove(number) : put(number, `${step}`.repeat(1 + random.integer(10)));
        });
        await Promise.all([model.commit(changes), store.commit(changes)]);
        const from = random.integer(2_000);
        const range = { from: keyOf(from), until: keyOf(from + random.integer(1_000)), limit: random.integer(8) };
        expect(contentOf(store, range)).toEqual(contentOf(model, range));
        expect(contentOf(store, { ...range, isReverse: true })).toEqual(
          contentOf(model, { ...range, isReverse: true }),
        );
        expect(store.count('a')).toBe(model.count('a'));
        const number = random.integer(40) * 50;
        const text = (found: Uint8Array | undefined) => found && Buffer.from(found).toString();
        expect(text(store.get('a', keyOf(number)))).toEqual(text(model.get('a', keyOf(number))));
      }
      expect(contentOf(store)).toEqual(contentOf(model));
    }
  });

  it('have after a crash at any time all that was acknowledged, in whole commits', async () => {
    const random = createSeededRandom(4);
    await using store = await openAt(newDirectory(), { segmentBytes: 400 });
    for (let step = 1; step <= 60; step += 1) {
      await store.commit([put(1, `${step}`), put(100 + random.integer(50), 'x'.repeat(random.integer(60)))]);
      if (random.integer(6) !== 0) continue;
      const expected = contentOf(store);
      const under = store.commit([put(1, `${step}`), put(2, 'under way')]);
      await using again = await openAt(await copyNow());
      expect(contentOf(again).filter((entry) => entry !== '0.2=under way')).toEqual(
        expected.filter((entry) => entry !== '0.2=under way'),
      );
      await under;
      await store.commit([remove(2)]);
    }
  });

  it('take a record that was cut off for none, at every length, and write over it', async () => {
    const place = newDirectory();
    const store = await openAt(place);
    await store.commit([put(1, 'one')]);
    await store.commit([put(2, 'two')]);
    const copy = await copyNow();
    await store[Symbol.asyncDispose]();
    const file = join(copy, 'journal', '1'); // the first segment is number 1
    const handle = await open(file);
    const bytes = Buffer.alloc(200);
    await handle.read(bytes, 0, 200, 0);
    await handle.close();
    const firstBytes = 44 + bytes.readUInt32BE(4);
    const secondBytes = 44 + bytes.readUInt32BE(firstBytes + 4);
    for (const cut of [1, 20, 43, 44, 50, secondBytes - 1]) {
      const next = `${copy}-${cut}`;
      await cp(copy, next, { recursive: true });
      await writeFile(join(next, 'journal', '1'), bytes.subarray(0, firstBytes + cut));
      await using again = await openAt(next);
      expect(contentOf(again)).toEqual(['0.1=one']);
      await again.commit([put(3, 'three')]);
      expect(contentOf(again)).toEqual(['0.1=one', '0.3=three']);
    }
  });

  it('are refused where a record in the middle of the journal is gone', async () => {
    const place = newDirectory();
    let freeBytes = 2_000;
    const options = { segmentBytes: 100, reserveBytes: 1_000 };
    const store = await openAt(place, options, { freeBytes: async () => freeBytes });
    freeBytes = 1_000; // enough to put, and for the tables
    await store.commit([put(1, 'x'.repeat(200))]);
    freeBytes = 400; // not enough for the tables
    await store.commit([remove(9)]); // the segment is turned here
    await store.commit([remove(9)]);
    const copy = await copyNow();
    freeBytes = 2_000;
    await store[Symbol.asyncDispose]();
    await using whole = await openAt(copy);
    expect(whole.count('a')).toBe(1);
    const damaged = await open(join(copy, 'journal', '1'), 'r+');
    await damaged.write(Uint8Array.of(0xff), 0, 1, 60);
    await damaged.close();
    const again = `${copy}-damaged`;
    await cp(join(directory, 'tables'), join(again, 'unused'), { recursive: true });
    await cp(join(copy, 'journal'), join(again, 'journal'), { recursive: true });
    await expect(openAt(again)).rejects.toThrow(StoreFailedError);
  });

  it('are refused where an acknowledged record is damaged that others follow, and opened where it is the last', async () => {
    const place = newDirectory();
    const store = await openAt(place);
    for (const number of [1, 2, 3]) await store.commit([put(number, 'x'.repeat(100))]);
    const copy = await copyNow();
    await store[Symbol.asyncDispose]();
    const bytes = 44 + (await readFile(join(copy, 'journal', '1'))).readUInt32BE(4); // each record is as long
    for (const [at, isLast] of [
      [4, false], // the length in the first head
      [60, false],
      [bytes + 60, false],
      [2 * bytes + 60, true],
    ] as const) {
      const damaged = `${copy}-${at}`;
      await cp(copy, damaged, { recursive: true });
      const file = await open(join(damaged, 'journal', '1'), 'r+');
      await file.write(Uint8Array.of(0xff), 0, 1, at);
      await file.close();
      if (!isLast) await expect(openAt(damaged)).rejects.toThrow(StoreFailedError);
      else {
        await using again = await openAt(damaged);
        expect(contentOf(again).length).toBe(2);
      }
    }
  });

  it('are opened where the first write of a turn was torn, whichever part of it is on the disk', async () => {
    const place = newDirectory();
    for (let turn = 0; turn < 3; turn += 1) {
      await using store = await openAt(place);
      for (let step = 0; step < 5; step += 1) await store.commit([put(step, `${turn}`.repeat(300))]);
    }
    const file = join(place, 'journal', '0'); // the next turn's, whose last one is in the tables
    const whole = await readFile(file);
    for (const [from, until] of [
      [0, 44],
      [44, 200],
      [100, 400],
    ] as const) {
      await writeFile(file, Buffer.concat([whole.subarray(0, from), randomBytes(until - from), whole.subarray(until)]));
      await using store = await openAt(place);
      expect(contentOf(store).length).toBe(5);
    }
  });

  it('are refused where their journal is gone, or one of its files', async () => {
    const place = newDirectory();
    for (let turn = 0; turn < 2; turn += 1) {
      await using store = await openAt(place);
      await store.commit([put(turn, 'x')]);
    }
    for (const gone of ['journal', 'journal/0', 'journal/1']) {
      const copy = `${place}-without-${gone.replace('/', '-')}`;
      await cp(place, copy, { recursive: true });
      await rm(join(copy, gone), { recursive: true });
      await expect(openAt(copy)).rejects.toThrow(StoreFailedError);
    }
  });

  it('pass over what an earlier turn of a file left behind the end of a segment', async () => {
    const place = newDirectory();
    for (let round = 0; round < 4; round += 1) {
      await using store = await openAt(place);
      for (let step = 0; step < 5 - round; step += 1) await store.commit([put(step, `${round}`)]);
    }
    await appendFile(join(place, 'journal', '0'), Buffer.from('PMJ1 and more'));
    await using store = await openAt(place);
    expect(contentOf(store)).toEqual(['0.0=3', '0.1=3', '0.2=2', '0.3=1', '0.4=0']);
  });

  it('take over tables that had no journal, and leave ones that need none', async () => {
    const place = newDirectory();
    {
      await using plain = await openLmdbTables({ directory: join(place, 'tables') });
      await plain.commit([put(1, 'before')]);
    }
    {
      await using store = await openAt(place);
      await store.commit([put(2, 'after')]);
    }
    await using plain = await openLmdbTables({ directory: join(place, 'tables') });
    expect(contentOf(plain)).toEqual(['0.1=before', '0.2=after']);
  });

  it('are opened on a disk that is full, after a crash too: all is read, and removed, and nothing put', async () => {
    let freeBytes = 1e9;
    const more = { freeBytes: async () => freeBytes };
    const store = await openAt(newDirectory(), {}, more);
    await store.commit([put(1, 'one'), put(2, 'two')]);
    const crashed = await copyNow();
    await store[Symbol.asyncDispose]();
    freeBytes = 0;
    {
      await using clean = await openAt(directory, {}, more);
      expect(contentOf(clean)).toEqual(['0.1=one', '0.2=two']);
    }
    directory = crashed;
    const full = await openAt(crashed, {}, more);
    await full.commit([remove(1)]);
    await expect(full.commit([put(3, 'three')])).rejects.toThrow(StoreFullError);
    expect(contentOf(full)).toEqual(['0.2=two']);
    const again = await copyNow();
    await full[Symbol.asyncDispose]();
    freeBytes = 1e9;
    await using after = await openAt(again, {}, more);
    expect(contentOf(after)).toEqual(['0.2=two']);
    await after.commit([put(3, 'three')]);
    expect(contentOf(after)).toEqual(['0.2=two', '0.3=three']);
  });

  it('keep what was acknowledged while the tables have no room, refuse more in the end, and go on after', async () => {
    let freeBytes = 1_000;
    const options = { segmentBytes: 200, reserveBytes: 1_000 };
    await using store = await openAt(newDirectory(), options, {
      // The tables find none of it, the journal all.
      freeBytes: async (asked: string) => (asked.endsWith('journal') ? 1_000 : freeBytes),
    });
    freeBytes = 0;
    let kept = 0;
    const fill = async () => {
      for (; kept < 100; kept += 1) await store.commit([put(kept, 'x'.repeat(50))]);
    };
    await expect(fill()).rejects.toThrow(StoreFullError);
    expect(kept).toBeGreaterThan(5);
    expect(store.count('a')).toBe(kept);
    await expect(store.commit([remove(1)])).rejects.toThrow(StoreFullError);
    freeBytes = 1_000;
    await store.commit([remove(1)]).catch(() => {}); // the one that finds room again may be refused
    await fill();
    expect(kept).toBe(100);
  });
});
