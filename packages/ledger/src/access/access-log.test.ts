import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { testAuthor } from '@pulsemesh/board/testing';
import { createBox } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError, type TableStore } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Hex } from '../offer/offer.ts';
import { type AccessLog, type NewAccess, openAccessLog } from './access-log.ts';
import type { AccessReceipt } from './access-types.ts';
import { encodeReadRequest, signReadRequest } from './read-request.ts';
import { accessLeaf } from './record-codec.ts';
import { verifyAccessReceipt } from './verify-receipt.ts';

const custodian = testAuthor('custodian');
const reader = testAuthor('reader');
const grantId: Hex = `0x${'11'.repeat(32)}`;
const otherGrant: Hex = `0x${'22'.repeat(32)}`;

function open(store: TableStore): Promise<AccessLog> {
  const random = createSeededRandom(7);
  const box = createBox(new Uint8Array(32).fill(5), { random });
  const dependencies = { random, logger: silentLogger, meter: silentMeter };
  return openAccessLog({ store, box, author: custodian, origin: 'access.test/1' }, dependencies);
}

function someRead(changes: Partial<NewAccess> = {}): NewAccess {
  const asked = {
    grantId,
    readId: '0a'.repeat(16),
    vital: 'windows',
    fromSeconds: 0,
    untilSeconds: 7200,
    atMs: 5,
  } as const;
  return {
    kind: 'read',
    grantId,
    reader: reader.peerId,
    atMs: 1_000,
    request: encodeReadRequest(signReadRequest(asked, reader)),
    purpose: 'research/rhythm',
    fromSeconds: 0,
    untilSeconds: 3600,
    records: 3,
    bytes: 900,
    reason: null,
    ...changes,
  };
}

describe('an access log', () => {
  it('answers with what anybody can check who has its key', async () => {
    await using log = await open(createMemoryTables());
    const receipt = await log.append(someRead());
    const verified = verifyAccessReceipt(receipt, { logKey: log.logKey });
    expect(verified.record).toMatchObject({ kind: 'read', ordinal: 0, reader: reader.peerId });
    expect(verified.custodian).toBe(custodian.peerId);
    expect(verified.checkpoint.size).toBe(1);
    expect(log.receiptOf(0)).toEqual(receipt);
  });

  it('counts the records of each grant', async () => {
    await using log = await open(createMemoryTables());
    const denied = someRead({ kind: 'denied', grantId: otherGrant, request: null, reason: 'unknown-grant' });
    const receipts = await Promise.all([log.append(someRead()), log.append(denied), log.append(someRead())]);
    expect(receipts.map(({ record }) => record.ordinal)).toEqual([0, 0, 1]);
  });

  it('writes down together what comes together, and one that fails takes no number from the others', async () => {
    const inner = createMemoryTables();
    let commits = 0;
    const store: TableStore = {
      get: (table, key) => inner.get(table, key),
      range: (table, range) => inner.range(table, range),
      count: (table) => inner.count(table),
      commit: (changes) => {
        commits += 1;
        return inner.commit(changes);
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
    await using log = await open(store);
    const failing = log.note([someRead()], () => {
      throw new RangeError('no room for what depends on it');
    });
    const receipts = await Promise.all([
      ...Array.from({ length: 50 }, () => log.append(someRead())),
      expect(failing).rejects.toBeInstanceOf(RangeError),
    ]);
    const ordinals = receipts.slice(0, 50).map((receipt) => receipt?.record.ordinal);
    expect(ordinals).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(commits).toBeLessThan(10);
  });

  it('shows nothing but hashes', async () => {
    const store = createMemoryTables();
    await using log = await open(store);
    const receipt = await log.append(someRead({ reason: 'some-reason-in-clear' }));
    expect(log.leaves(0, 10)).toEqual([accessLeaf(receipt.record, receipt.salt)]);
    const tables = ['access/rows', 'access/grants', 'access/counts', 'access/pending', 'board/leaves', 'board/head'];
    const onDisk = tables.flatMap((table) =>
      Array.from(store.range(table), ({ value }) => Buffer.from(value).toString('latin1')),
    );
    expect(onDisk.join('')).not.toMatch(/reason-in-clear|research|12D3/);
  });

  it('logs after a crash what was noted before it', async () => {
    const store = createMemoryTables();
    const first = await open(store);
    const [leaf] = await first.note([someRead()], () => []);
    expect(first.checkpoint.size).toBe(0);
    await first[Symbol.asyncDispose]();
    await using second = await open(store);
    expect(second.leaves(0, 10)).toEqual([leaf]);
    const receipt = await second.append(someRead());
    expect(receipt.record.ordinal).toBe(1);
    await second.logged(leaf as Uint8Array);
    expect(second.checkpoint.size).toBe(2);
  });

  it('forgets a grant and keeps its leaves', async () => {
    const store = createMemoryTables();
    await using log = await open(store);
    const receipt = await log.append(someRead());
    await log.append(someRead({ grantId: otherGrant, kind: 'denied', request: null }));
    await log.erase(grantId);
    expect(log.receiptOf(0)).toBeNull();
    expect(log.leavesOf(grantId)).toEqual([]);
    expect(log.receiptOf(1)?.record.grantId).toBe(otherGrant);
    expect(log.leaves(0, 1)).toEqual([accessLeaf(receipt.record, receipt.salt)]);
    const kept = Array.from(store.range('access/rows'), ({ key }) => toHex(key));
    expect(kept).not.toContain(toHex(accessLeaf(receipt.record, receipt.salt)));
  });

  it('without room notes nothing, and goes on once there is some', async () => {
    const inner = createMemoryTables();
    let isFull = false;
    const store: TableStore = {
      get: (table, key) => inner.get(table, key),
      range: (table, range) => inner.range(table, range),
      count: (table) => inner.count(table),
      commit: async (changes) => {
        if (isFull) throw new StoreFullError('the test says so');
        await inner.commit(changes);
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
    await using log = await open(store);
    isFull = true;
    await expect(log.append(someRead())).rejects.toBeInstanceOf(StoreFullError);
    expect(log.checkpoint.size).toBe(0);
    isFull = false;
    expect((await log.append(someRead())).record.ordinal).toBe(0);
  });
});

describe('a receipt', () => {
  const flipped = (bytes: Uint8Array) => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
  const cases: [string, (receipt: AccessReceipt) => AccessReceipt][] = [
    ['a record that was changed', (receipt) => ({ ...receipt, record: { ...receipt.record, bytes: 1 } })],
    ['another salt', (receipt) => ({ ...receipt, salt: flipped(receipt.salt) })],
    ['another place', (receipt) => ({ ...receipt, index: receipt.index + 1 })],
    ['a shorter path', (receipt) => ({ ...receipt, path: receipt.path.slice(1) })],
    ['a head that was changed', (receipt) => ({ ...receipt, checkpoint: flipped(receipt.checkpoint) })],
    ['another signature', (receipt) => ({ ...receipt, signature: flipped(receipt.signature) })],
    ['no request', (receipt) => ({ ...receipt, request: null })],
    ['another request', (receipt) => ({ ...receipt, request: flipped(receipt.request ?? new Uint8Array(1)) })],
  ];

  it.each(cases)('with %s is refused', async (_, change) => {
    await using log = await open(createMemoryTables());
    await log.append(someRead());
    const receipt = await log.append(someRead());
    expect(() => verifyAccessReceipt(change(receipt), { logKey: log.logKey })).toThrow(/refused/);
  });

  it('of a custodian that says more, or another grant, than was asked is refused', async () => {
    await using log = await open(createMemoryTables());
    const wider = await log.append(someRead({ untilSeconds: 7201 }));
    expect(() => verifyAccessReceipt(wider, { logKey: log.logKey })).toThrow('contradiction');
    const another = await log.append(someRead({ grantId: otherGrant }));
    expect(() => verifyAccessReceipt(another, { logKey: log.logKey })).toThrow('contradiction');
    const invented = await log.append(someRead({ request: null }));
    expect(() => verifyAccessReceipt(invented, { logKey: log.logKey })).toThrow('request');
    const someoneElses = await log.append(someRead({ reader: custodian.peerId }));
    expect(() => verifyAccessReceipt(someoneElses, { logKey: log.logKey })).toThrow('request');
  });
});
