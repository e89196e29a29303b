import assert from 'node:assert/strict';
import { createSeededRandom, type Random } from '@pulsemesh/base';
import { StoreClosedError, StoreFullError, StoreLimitError } from './errors.ts';
import type { TableChange, TableEntry, TableRange, TableStore } from './table.ts';
import { tableLimits } from './table-limits.ts';

/** The two functions of a test runner that a contract suite uses. */
export interface ContractRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

/** What a contract suite tests. */
export interface StoreUnderTest<Store> {
  readonly name: string;
  /** A new, empty store. The suite disposes it. */
  open(): Promise<Store>;
  /** The store last opened, once it was disposed, with all it held; absent where nothing outlives the object. */
  reopen?(): Promise<Store>;
  /** A new store with room for less than a MiB. */
  openSmall(): Promise<Store>;
}

/** What every {@link TableStore} does. */
export function runTableStoreContract(runner: ContractRunner, subject: StoreUnderTest<TableStore>): void {
  const { describe, it } = runner;
  describe(`${subject.name}: the contract of a TableStore`, () => {
    it('holds what was committed, by table and key', async () => {
      await using store = await subject.open();
      await store.commit([put('a', 'key', 'one'), put('b', 'key', 'two')]);
      assert.equal(text(store.get('a', bytes('key'))), 'one');
      assert.equal(text(store.get('b', bytes('key'))), 'two');
      assert.equal(store.get('a', bytes('other')), undefined);
      assert.equal(store.count('a'), 1);
      assert.equal(store.count('never-written'), 0);
    });

    it('applies the changes of a commit in order', async () => {
      await using store = await subject.open();
      await store.commit([
        put('a', 'k', '1'),
        remove('a', 'k'),
        put('a', 'k', '2'),
        put('a', 'l', '3'),
        remove('a', 'l'),
      ]);
      assert.deepEqual(all(store, 'a'), [['k', '2']]);
    });

    it('refuses a commit with one bad change whole', async () => {
      await using store = await subject.open();
      const longKey = new Uint8Array(tableLimits.keyBytesMax + 1);
      const longValue = new Uint8Array(tableLimits.valueBytesMax + 1);
      const bad: TableChange[] = [
        { kind: 'put', table: 'a', key: longKey, value: bytes('') },
        { kind: 'put', table: 'a', key: bytes('k'), value: longValue },
        { kind: 'remove', table: 'a', key: new Uint8Array(0) },
        put('no spaces', 'k', 'v'),
      ];
      for (const change of bad) {
        await assert.rejects(store.commit([put('a', 'first', 'x'), change]), StoreLimitError);
      }
      assert.equal(store.count('a'), 0);
    });

    it('takes keys and values of the greatest length, and empty values', async () => {
      await using store = await subject.open();
      const key = new Uint8Array(tableLimits.keyBytesMax).fill(255);
      const value = new Uint8Array(tableLimits.valueBytesMax).fill(7);
      await store.commit([{ kind: 'put', table: 'a', key, value }, put('a', 'empty', '')]);
      assert.equal(Buffer.compare(store.get('a', key) ?? bytes(''), value), 0);
      assert.equal(store.get('a', bytes('empty'))?.length, 0);
    });

    it('refuses one table more than it can hold', async () => {
      await using store = await subject.open();
      for (let index = 0; index < tableLimits.tablesMax; index += 1) assert.equal(store.count(`t${index}`), 0);
      assert.throws(() => store.count('one-more'), StoreLimitError);
    });

    it('gives ranges in bytewise order, from inclusive, until exclusive, limited, either way', async () => {
      await using store = await subject.open();
      await checkAgainstModel(store, createSeededRandom(7));
    });

    it('shows an iteration that has begun no half of a later commit', async () => {
      await using store = await subject.open();
      await store.commit([put('a', '1', 'x'), put('a', '2', 'x'), put('a', '3', 'x')]);
      const seen: string[] = [];
      for (const { key } of store.range('a')) {
        if (seen.length === 0) await store.commit([remove('a', '2'), remove('a', '3')]);
        seen.push(text(key) ?? '');
      }
      assert.ok(seen.length === 3 || seen.length === 1, `saw ${seen.join()}`);
      assert.equal(store.count('a'), 1);
    });

    it('hands out copies and keeps copies', async () => {
      await using store = await subject.open();
      const value = bytes('value');
      await store.commit([{ kind: 'put', table: 'a', key: bytes('k'), value }]);
      value.fill(0);
      store.get('a', bytes('k'))?.fill(0);
      for (const entry of store.range('a')) entry.value.fill(0);
      assert.deepEqual(all(store, 'a'), [['k', 'value']]);
    });

    it('settles many commits made at once, each whole', async () => {
      await using store = await subject.open();
      const commits = Array.from({ length: 200 }, (_, index) =>
        store.commit([put('a', `x${index}`, 'v'), put('b', `y${index}`, 'v')]),
      );
      await Promise.all(commits);
      assert.equal(store.count('a'), 200);
      assert.equal(store.count('b'), 200);
    });

    it('says that it is full, changes nothing then, reads and removes on, and takes more after that', async () => {
      await using store = await subject.openSmall();
      const value = new Uint8Array(64 * 1024);
      let committed = 0;
      const fill = async () => {
        for (; committed < 64; committed += 1) {
          await store.commit([
            { kind: 'put', table: 'a', key: Uint8Array.of(1, committed), value },
            put('b', 'n', `${committed}`),
          ]);
        }
      };
      await assert.rejects(fill, (error) => error instanceof StoreFullError && error.retryable);
      assert.ok(committed > 0);
      assert.equal(store.count('a'), committed);
      assert.equal(text(store.get('b', bytes('n'))), `${committed - 1}`);
      await store.commit(
        Array.from({ length: committed }, (_, index) => ({ kind: 'remove', table: 'a', key: Uint8Array.of(1, index) })),
      );
      await store.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(2), value }]);
      assert.equal(store.count('a'), 1);
    });

    it('finishes the commits that wait when it is closed, and refuses later ones', async () => {
      const store = await subject.open();
      const waiting = store.commit([put('a', 'k', 'v')]);
      await store[Symbol.asyncDispose]();
      await waiting;
      await store[Symbol.asyncDispose]();
      await assert.rejects(store.commit([put('a', 'l', 'v')]), StoreClosedError);
      assert.throws(() => store.get('a', bytes('k')), StoreClosedError);
      if (subject.reopen === undefined) return;
      await using again = await subject.reopen();
      assert.deepEqual(all(again, 'a'), [['k', 'v']]);
    });
  });
}

async function checkAgainstModel(store: TableStore, random: Random): Promise<void> {
  const model = new Map<string, TableEntry>();
  const randomKey = () => random.bytes(1 + random.integer(3)).map((byte) => byte & 0x83);
  for (let round = 0; round < 60; round += 1) {
    const changes: TableChange[] = [];
    for (let count = random.integer(8); count >= 0; count -= 1) {
      const key = randomKey();
      const isPut = random.float() < 0.7;
      const value = random.bytes(4);
      changes.push(isPut ? { kind: 'put', table: 'a', key, value } : { kind: 'remove', table: 'a', key });
      if (isPut) model.set(hex(key), { key, value });
      else model.delete(hex(key));
    }
    await store.commit(changes);
    const sorted = [...model.values()].sort((a, b) => Buffer.compare(a.key, b.key));
    assert.equal(store.count('a'), sorted.length);
    for (const range of [{}, { isReverse: true }, randomRange(random, randomKey), randomRange(random, randomKey)]) {
      const found = [...store.range('a', range)].map(({ key, value }) => `${hex(key)}=${hex(value)}`);
      const expected = modelRange(sorted, range).map(({ key, value }) => `${hex(key)}=${hex(value)}`);
      assert.deepEqual(found, expected);
    }
  }
}

function randomRange(random: Random, randomKey: () => Uint8Array): TableRange {
  return {
    ...(random.float() < 0.6 ? { from: randomKey() } : {}),
    ...(random.float() < 0.6 ? { until: randomKey() } : {}),
    ...(random.float() < 0.5 ? { limit: random.integer(6) } : {}),
    isReverse: random.float() < 0.5,
  };
}

function modelRange(sorted: readonly TableEntry[], range: TableRange): TableEntry[] {
  const { from, until, limit, isReverse } = range;
  const inside = sorted.filter(
    ({ key }) =>
      (from === undefined || Buffer.compare(key, from) >= 0) && (until === undefined || Buffer.compare(key, until) < 0),
  );
  return (isReverse ? inside.reverse() : inside).slice(0, limit);
}

function put(table: string, key: string, value: string): TableChange {
  return { kind: 'put', table, key: bytes(key), value: bytes(value) };
}

function remove(table: string, key: string): TableChange {
  return { kind: 'remove', table, key: bytes(key) };
}

function all(store: TableStore, table: string): [string | undefined, string | undefined][] {
  return [...store.range(table)].map(({ key, value }) => [text(key), text(value)]);
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}
