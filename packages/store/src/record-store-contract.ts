import assert from 'node:assert/strict';
import { createSeededRandom, type Random } from '@pulsemesh/base';
import { StoreClosedError, StoreFullError, StoreLimitError } from './errors.ts';
import { type CopyHolder, type RecordKind, type RecordStore, recordKinds, type SealedRecord } from './record.ts';
import { allRecordKinds, recordLimits } from './record-limits.ts';
import type { ContractRunner, StoreUnderTest } from './table-store-contract.ts';

/** What every {@link RecordStore} does. */
export function runRecordStoreContract(runner: ContractRunner, subject: StoreUnderTest<RecordStore>): void {
  runner.describe(`${subject.name}: the contract of a RecordStore`, () => {
    puttingContract(runner, subject);
    askingContract(runner, subject);
    copiesContract(runner, subject);
    lifeContract(runner, subject);
  });
}

const patient = filled(1);
const other = filled(2);
const ward: CopyHolder = { peer: 'ward', epoch: 'e1' };
const cellar: CopyHolder = { peer: 'cellar', epoch: 'e1' };
const everything = { subject: patient, kind: recordKinds.reading, fromSeconds: 0, untilSeconds: 1e9, limit: 10_000 };

function puttingContract({ it }: ContractRunner, subject: StoreUnderTest<RecordStore>): void {
  it('gives back what was put, byte for byte', async () => {
    await using store = await subject.open();
    const records = [
      record({ id: filled(3), sealed: new Uint8Array(0) }),
      record({ id: filled(4), sealed: new Uint8Array(recordLimits.sealedBytesMax).fill(9), revision: 2 ** 31 - 1 }),
    ];
    await store.put(records, null);
    assert.deepEqual(await store.query(everything), records);
  });

  it('keeps one record for each key, that of the highest revision, the first of equals', async () => {
    await using store = await subject.open();
    await store.put([record({ revision: 5, sealed: filled(50) })], null);
    await store.put([record({ revision: 4, sealed: filled(40) })], null);
    await store.put([record({ revision: 5, sealed: filled(51) })], null);
    assert.deepEqual(await sealedBytes(store), [50]);
    await store.put([record({ revision: 6, sealed: filled(60) }), record({ revision: 7, sealed: filled(70) })], null);
    assert.deepEqual(await sealedBytes(store), [70]);
    assert.equal((await store.counts())[recordKinds.reading], 1);
  });

  it('refuses a put with one bad record whole', async () => {
    await using store = await subject.open();
    const bad: Partial<SealedRecord>[] = [
      { subject: new Uint8Array(15) },
      { id: new Uint8Array(17) },
      { kind: 9 as RecordKind },
      { bucketSeconds: -10 },
      { bucketSeconds: 0.5 },
      { revision: -1 },
      { revision: 2 ** 31 },
      { sealed: new Uint8Array(recordLimits.sealedBytesMax + 1) },
    ];
    for (const part of bad) {
      await assert.rejects(store.put([record({ id: filled(9) }), record(part)], null), StoreLimitError);
    }
    const tooMany = Array.from({ length: recordLimits.putRecordsMax + 1 }, () => record({}));
    await assert.rejects(store.put(tooMany, null), StoreLimitError);
    assert.deepEqual(await store.query(everything), []);
  });

  it('settles many puts made at once, each with all its records', async () => {
    await using store = await subject.open();
    const puts = Array.from({ length: 100 }, (_, index) =>
      store.put([record({ bucketSeconds: index * 10 }), record({ bucketSeconds: index * 10, id: filled(8) })], null),
    );
    await Promise.all(puts);
    assert.equal((await store.counts())[recordKinds.reading], 200);
  });
}

function askingContract({ it }: ContractRunner, subject: StoreUnderTest<RecordStore>): void {
  it('finds by subject, kind and time, oldest or newest first, up to a limit', async () => {
    await using store = await subject.open();
    const times = [30, 10, 20, 40];
    await store.put(
      times.map((bucketSeconds) => record({ bucketSeconds })),
      null,
    );
    await store.put([record({ subject: other }), record({ kind: recordKinds.window })], null);
    const ask = async (part: object) =>
      (await store.query({ ...everything, ...part })).map((found) => found.bucketSeconds);
    assert.deepEqual(await ask({}), [10, 20, 30, 40]);
    assert.deepEqual(await ask({ fromSeconds: 20, untilSeconds: 40 }), [20, 30]);
    assert.deepEqual(await ask({ isReverse: true, limit: 2 }), [40, 30]);
    assert.deepEqual(await ask({ limit: 1 }), [10]);
    assert.deepEqual(await ask({ fromSeconds: 40, untilSeconds: 10 }), []);
    assert.deepEqual(await ask({ subject: filled(77) }), []);
    for (const limit of [0, 1.5, recordLimits.resultRecordsMax + 1]) {
      await assert.rejects(store.query({ ...everything, limit }), StoreLimitError);
    }
  });

  it('gives equal digests for equal sets, whatever order they came in, and others for others', async () => {
    const random = createSeededRandom(3);
    const ids = Array.from({ length: 20 }, () => random.bytes(16));
    const asked = [{ subject: patient, kind: recordKinds.reading, bucketSeconds: 10 }];
    const digestOf = async (chosen: readonly Uint8Array[]) => {
      await using store = await subject.open();
      for (const id of chosen)
        await store.put([record({ id, bucketSeconds: 10 }), record({ id, bucketSeconds: 20 })], null);
      return (await store.digests(asked))[0];
    };
    const whole = await digestOf(ids);
    assert.equal(whole?.count, 20);
    assert.deepEqual(await digestOf(random.shuffle(ids)), whole);
    assert.notDeepEqual(await digestOf(ids.slice(1)), whole);
    assert.deepEqual(await digestOf([]), { count: 0, idsXor: new Uint8Array(16) });
  });

  it('answers digests in the order they were asked', async () => {
    await using store = await subject.open();
    await store.put(
      [record({ bucketSeconds: 10 }), record({ bucketSeconds: 20 }), record({ bucketSeconds: 20, id: filled(8) })],
      null,
    );
    const asked = [20, 0, 10].map((bucketSeconds) => ({ subject: patient, kind: recordKinds.reading, bucketSeconds }));
    assert.deepEqual(
      (await store.digests(asked)).map(({ count }) => count),
      [2, 0, 1],
    );
    await assert.rejects(store.digests([{ ...asked[0], subject: new Uint8Array(3) } as never]), StoreLimitError);
  });

  it('scans everything once, in key order, page by page', async () => {
    await using store = await subject.open();
    const random = createSeededRandom(11);
    const records = Array.from({ length: 250 }, () => randomRecord(random));
    await store.put(records, null);
    for (const limit of [1, 7, 250, 1000]) {
      const found: SealedRecord[] = [];
      let after: Uint8Array | null = null;
      do {
        const page: Awaited<ReturnType<RecordStore['scan']>> = await store.scan(after, limit);
        assert.ok(page.records.length <= limit);
        found.push(...page.records);
        after = page.next;
      } while (after !== null);
      assert.deepEqual(found, [...records].sort(byKey));
    }
    await assert.rejects(store.scan(new Uint8Array(3), 1), StoreLimitError);
  });

  it('refuses an answer heavier than it gives, and scans it in lighter pages', async () => {
    await using store = await subject.open();
    const sealed = new Uint8Array(recordLimits.sealedBytesMax);
    const pageRecords = recordLimits.resultBytesMax / sealed.length;
    const records = Array.from({ length: pageRecords }, (_, index) => record({ bucketSeconds: index, sealed }));
    await store.put(records, null);
    await store.put([record({ bucketSeconds: 1e6 })], null);
    await assert.rejects(store.query(everything), StoreLimitError);
    assert.equal((await store.query({ ...everything, limit: pageRecords })).length, pageRecords);
    const first = await store.scan(null, 10_000);
    assert.equal(first.records.length, pageRecords);
    const second = await store.scan(first.next, 10_000);
    assert.equal(second.records.length, 1);
    assert.equal(second.next, null);
  });

  it('knows its subjects and counts', async () => {
    await using store = await subject.open();
    assert.deepEqual(await store.subjects(), []);
    await store.put([record({ subject: other }), record({}), record({ kind: recordKinds.alert })], ward);
    assert.deepEqual(await store.subjects(), [patient, other]);
    const { reading, window, prediction, alert } = recordKinds;
    assert.deepEqual(await store.counts(), { [reading]: 2, [window]: 0, [prediction]: 0, [alert]: 1 });
  });
}

function copiesContract({ it }: ContractRunner, subject: StoreUnderTest<RecordStore>): void {
  it('owes a second copy until it is told who holds it', async () => {
    await using store = await subject.open();
    await store.put([record({}), record({ bucketSeconds: 20 })], null);
    await store.put([record({ bucketSeconds: 30 })], ward);
    assert.deepEqual(
      (await store.owed(10)).map(({ bucketSeconds }) => bucketSeconds),
      [10, 20],
    );
    assert.equal((await store.owed(1)).length, 1);
    await store.put(await store.owed(10), cellar);
    assert.deepEqual(await store.owed(10), []);
    assert.deepEqual(sortedPeers(await store.copyHolders()), ['cellar', 'ward']);
  });

  it('owes a copy again when the record comes again without a holder', async () => {
    await using store = await subject.open();
    await store.put([record({})], ward);
    await store.put([record({})], null);
    assert.equal((await store.owed(10)).length, 1);
    assert.deepEqual(await store.copyHolders(), []);
    await store.put([record({})], ward);
    assert.deepEqual(await store.owed(10), []);
    await store.put([record({ revision: 1 })], null);
    assert.equal((await store.owed(10)).length, 1);
    assert.deepEqual(await store.copyHolders(), []);
  });

  it('takes who holds a lower revision for no holder of the record', async () => {
    await using store = await subject.open();
    await store.put([record({ revision: 2 })], null);
    await store.put([record({ revision: 1 })], ward);
    assert.equal((await store.owed(10)).length, 1);
    assert.deepEqual(await store.copyHolders(), []);
  });

  it('owes again what a lost holder held, and only that', async () => {
    await using store = await subject.open();
    await store.put([record({}), record({ bucketSeconds: 20 })], ward);
    await store.put([record({ bucketSeconds: 30 })], { ...ward, epoch: 'e2' });
    await store.put([record({ bucketSeconds: 20 })], cellar);
    assert.equal(await store.forgetCopies(ward), 1);
    assert.equal(await store.forgetCopies(ward), 0);
    assert.equal(await store.forgetCopies({ peer: 'nobody', epoch: 'e1' }), 0);
    assert.deepEqual(
      (await store.owed(10)).map(({ bucketSeconds }) => bucketSeconds),
      [10],
    );
    assert.deepEqual(sortedPeers(await store.copyHolders()), ['cellar', 'ward']);
  });
}

function lifeContract({ it }: ContractRunner, subject: StoreUnderTest<RecordStore>): void {
  it('has an epoch of its own', async () => {
    await using one = await subject.open();
    await using two = await subject.open();
    assert.match(one.epoch, /^[0-9a-f]{32}$/);
    assert.notEqual(one.epoch, two.epoch);
  });

  it('says that it is full, changes nothing then, and reads on', async () => {
    await using store = await subject.openSmall();
    let kept = 0;
    const fill = async () => {
      for (; kept < 64; kept += 1) {
        await store.put(
          [
            record({ bucketSeconds: kept, sealed: new Uint8Array(32 * 1024) }),
            record({ id: filled(8), bucketSeconds: kept }),
          ],
          null,
        );
      }
    };
    await assert.rejects(fill, (error) => error instanceof StoreFullError && error.retryable);
    assert.ok(kept > 0);
    assert.equal((await store.query(everything)).length, kept * 2);
    assert.equal((await store.counts())[recordKinds.reading], kept * 2);
  });

  it('finishes the puts that wait when it is closed, and refuses later calls', async () => {
    const store = await subject.open();
    const waiting = store.put([record({})], ward);
    await store[Symbol.asyncDispose]();
    await waiting;
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.put([record({})], null), StoreClosedError);
    await assert.rejects(store.query(everything), StoreClosedError);
    await assert.rejects(store.counts(), StoreClosedError);
    if (subject.reopen === undefined) return;
    await using again = await subject.reopen();
    assert.equal(again.epoch, store.epoch);
    assert.deepEqual(await again.query(everything), [record({})]);
    assert.deepEqual(await again.copyHolders(), [ward]);
  });

  it('keeps its counts over all kinds through replacement and repetition', async () => {
    await using store = await subject.open();
    for (const kind of allRecordKinds)
      await store.put([record({ kind }), record({ kind }), record({ kind, revision: 1 })], ward);
    assert.deepEqual(Object.values(await store.counts()), [1, 1, 1, 1]);
  });
}

function record(part: Partial<SealedRecord>): SealedRecord {
  return {
    subject: patient,
    kind: recordKinds.reading,
    bucketSeconds: 10,
    id: filled(7),
    revision: 0,
    sealed: filled(5),
    ...part,
  };
}

function randomRecord(random: Random): SealedRecord {
  return record({
    subject: filled(random.integer(3)),
    kind: allRecordKinds[random.integer(allRecordKinds.length)] ?? recordKinds.reading,
    bucketSeconds: random.integer(5) * 2 ** 31,
    id: random.bytes(16),
    sealed: random.bytes(random.integer(50)),
  });
}

function byKey(a: SealedRecord, b: SealedRecord): number {
  return (
    Buffer.compare(a.subject, b.subject) ||
    a.kind - b.kind ||
    a.bucketSeconds - b.bucketSeconds ||
    Buffer.compare(a.id, b.id)
  );
}

async function sealedBytes(store: RecordStore): Promise<(number | undefined)[]> {
  return (await store.query(everything)).map(({ sealed }) => sealed[0]);
}

function sortedPeers(holders: readonly CopyHolder[]): string[] {
  return holders.map(({ peer }) => peer).sort();
}

function filled(byte: number): Uint8Array {
  return new Uint8Array(16).fill(byte);
}
