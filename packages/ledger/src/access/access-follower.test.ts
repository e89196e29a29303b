import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { testAuthor } from '@pulsemesh/board/testing';
import { createBox } from '@pulsemesh/crypto';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hex } from '../offer/offer.ts';
import { AccessFollower, type AccessFollowerOptions, followerLimits } from './access-follower.ts';
import { type AccessLog, type NewAccess, openAccessLog } from './access-log.ts';
import type { AccessReceipt } from './access-types.ts';
import { hexOf } from './fields.ts';
import { OrdinalBook, ordinalLimits } from './ordinal-book.ts';

const custodian = testAuthor('custodian');
const reader = testAuthor('reader');
const peer = custodian.peerId;
const account: Hex = `0x${'02'.repeat(20)}`;
const grantId: Hex = `0x${'11'.repeat(32)}`;
const graceMs = 600_000;

function open(store: TableStore = createMemoryTables(), seed = 7): Promise<AccessLog> {
  const random = createSeededRandom(seed);
  const box = createBox(new Uint8Array(32).fill(5), { random });
  const dependencies = { random, logger: silentLogger, meter: silentMeter };
  return openAccessLog({ store, box, author: custodian, origin: 'access.test/1' }, dependencies);
}

function release(changes: Partial<NewAccess> = {}): NewAccess {
  return {
    kind: 'release',
    grantId,
    reader: reader.peerId,
    atMs: 1_000,
    request: null,
    purpose: 'research/rhythm',
    fromSeconds: 0,
    untilSeconds: 0,
    records: 0,
    bytes: 0,
    reason: null,
    ...changes,
  };
}

function followerOf(log: AccessLog, options: Partial<AccessFollowerOptions> = {}): AccessFollower {
  return new AccessFollower({ custodians: [{ peer, account, logKey: log.logKey }], graceMs, ...options });
}

async function receiptsOf(log: AccessLog, count: number): Promise<AccessReceipt[]> {
  const receipts: AccessReceipt[] = [];
  for (let index = 0; index < count; index += 1) receipts.push(await log.append(release()));
  return receipts;
}

const kindsOf = (alarms: readonly { readonly kind: string }[]) => alarms.map(({ kind }) => kind);

describe('a follower of an honest custodian', () => {
  it('raises no alarm, in whatever order and however often it hears of it', async () => {
    await using log = await open();
    const receipts = await receiptsOf(log, 9);
    const root = hexOf(log.checkpoint.root);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(8), { maxLength: 12 }),
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8], { minLength: 9 }),
        fc.nat(9),
        async (twice, order, fetched) => {
          const follower = followerOf(log);
          const alarms = [
            ...follower.takeAnchor({ by: account, root, count: 9 }, 0),
            ...follower.takeLeaves(peer, 0, log.leaves(0, fetched), 0),
            ...[...order, ...twice].flatMap(
              (index) => follower.takeReceipts(peer, [receipts[index] as AccessReceipt], 0).alarms,
            ),
            ...follower.takeLeaves(peer, 0, log.leaves(0, 9), 0),
            ...follower.takeAnchor({ by: peer, root, count: 9 }, 0),
            ...follower.check(10 * graceMs),
          ];
          expect(alarms).toEqual([]);
          expect(follower.wants(peer)).toBeNull();
        },
      ),
      { numRuns: 50 },
    );
  });

  it('gives the accesses, and asks for the leaves it would compare them with', async () => {
    await using log = await open();
    const [receipt] = await receiptsOf(log, 1);
    const follower = followerOf(log);
    const { accesses } = follower.takeReceipts(peer, [receipt as AccessReceipt], 0);
    expect(accesses.map(({ record }) => record.kind)).toEqual(['release']);
    expect(follower.wants(peer)).toEqual({ from: 0, count: 1 });
  });
});

describe('a follower finds', () => {
  it('an access that was left out, once it stays out', async () => {
    await using log = await open();
    const [first, , third] = await receiptsOf(log, 3);
    const follower = followerOf(log);
    follower.takeReceipts(peer, [first, third] as AccessReceipt[], 1_000);
    expect(follower.check(1_000 + graceMs - 1)).toEqual([]);
    expect(follower.check(1_000 + graceMs)).toMatchObject([{ kind: 'unlogged-read', grantId, custodian: peer }]);
    expect(follower.check(1_000 + 2 * graceMs)).toEqual([]);
  });

  it('two logs of one length, and a log that goes on from another', async () => {
    await using here = await open();
    await using elsewhere = await open(createMemoryTables(), 8);
    const [mine] = await receiptsOf(here, 1);
    await receiptsOf(elsewhere, 1);
    const follower = followerOf(here);
    follower.takeReceipts(peer, [mine as AccessReceipt], 0);
    expect(kindsOf(follower.takeHead(peer, elsewhere.checkpoint.note, 0))).toEqual(['split-log']);

    const other = followerOf(here);
    other.takeReceipts(peer, [mine as AccessReceipt], 0);
    await receiptsOf(elsewhere, 2);
    expect(other.takeHead(peer, elsewhere.checkpoint.note, 0)).toEqual([]);
    expect(kindsOf(other.takeLeaves(peer, 0, elsewhere.leaves(0, 3), 0))).toEqual(['split-log']);
  });

  it('a root on ledger or board that is not of what was shown', async () => {
    await using log = await open();
    const receipts = await receiptsOf(log, 2);
    const follower = followerOf(log);
    follower.takeReceipts(peer, receipts, 0);
    const root = hexOf(new Uint8Array(32));
    expect(kindsOf(follower.takeAnchor({ by: account, root, count: 2 }, 0))).toEqual(['split-log']);
    expect(follower.takeAnchor({ by: `0x${'03'.repeat(20)}`, root, count: 1 }, 0)).toEqual([]);
  });

  it('leaves that are counted there and never shown, and heads that are never anchored', async () => {
    await using log = await open();
    const receipts = await receiptsOf(log, 2);
    const follower = followerOf(log, { anchorWithinMs: 3 * graceMs });
    follower.takeReceipts(peer, receipts, 0);
    expect(follower.check(3 * graceMs)).toEqual([]);
    expect(kindsOf(follower.check(3 * graceMs + 1))).toEqual(['anchor-missing']);
    follower.takeAnchor({ by: peer, root: hexOf(log.checkpoint.root), count: 5 }, 0);
    expect(kindsOf(follower.check(graceMs + 1))).toEqual(['broken-log']);
  });

  it('receipts that do not verify, denied reads, and reads without a grant', async () => {
    await using log = await open();
    const [receipt] = await receiptsOf(log, 1);
    const denied = await log.append(release({ kind: 'denied', reason: 'not-the-buyer' }));
    const waiting = await log.append(release({ kind: 'denied', reason: 'ledger-away' }));
    const follower = followerOf(log, { isStanding: () => false });
    const broken = { ...(receipt as AccessReceipt), index: 7 };
    expect(kindsOf(follower.takeReceipts(peer, [broken], 0).alarms)).toEqual(['broken-log']);
    expect(kindsOf(follower.takeReceipts(peer, [receipt as AccessReceipt], 0).alarms)).toEqual(['unlogged-read']);
    expect(kindsOf(follower.takeReceipts(peer, [denied, waiting], 0).alarms)).toEqual(['denied-read']);
    expect(follower.takeReceipts(peer, [denied], 0).alarms).toEqual([]);
    expect(kindsOf(follower.takeHead(peer, new Uint8Array(5), 0))).toEqual(['broken-log']);
  });

  it('nothing in what strangers say', async () => {
    await using log = await open();
    const receipts = await receiptsOf(log, 1);
    const follower = followerOf(log);
    expect(follower.takeReceipts(reader.peerId, receipts, 0)).toEqual({ accesses: [], alarms: [] });
    expect(follower.takeHead(reader.peerId, log.checkpoint.note, 0)).toEqual([]);
    expect(follower.takeLeaves(reader.peerId, 0, [new Uint8Array(32)], 0)).toEqual([]);
  });
});

describe('limits of a follower', () => {
  it('heads that wait are bounded', async () => {
    await using log = await open();
    const follower = followerOf(log);
    const root = hexOf(new Uint8Array(32));
    for (let count = 1; count <= followerLimits.headsMax + 10; count += 1)
      follower.takeAnchor({ by: peer, root, count }, 0);
    expect(follower.wants(peer)).toEqual({ from: 0, count: followerLimits.headsMax });
  });

  it('gaps and leaves of a grant are bounded', () => {
    const book = new OrdinalBook();
    expect(book.take(grantId, 1_000_000, `0x01`, 5)).toBe(true);
    expect(book.overdue(5)).toEqual([grantId]);
    for (let ordinal = 0; ordinal < ordinalLimits.missingMax; ordinal += 1) book.take(grantId, ordinal, '0x02', 6);
    expect(book.overdue(6)).toEqual([]);
    expect(book.take(grantId, ordinalLimits.missingMax - 1, '0x03', 6)).toBe(false);
  });
});
