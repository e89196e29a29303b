import { createSeededRandom } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { roughMail } from '@pulsemesh/relay/testing';
import type { FatePlan } from '@pulsemesh/store/testing';
import { describe, expect, it } from 'vitest';
import { AccessFollower } from '../access/access-follower.ts';
import { hexOf } from '../access/fields.ts';
import { verifyAccessLogs } from '../access/verify-logs.ts';
import { CustodyWorld, hourSeconds, unloggedIn } from '../testing/custody-world.ts';
import type { OfficePoint } from '../testing/mortal.ts';
import { accountOf } from '../testing/some-offer.ts';

/** A life ends at its point `at`, before or after what happens there. */
const dyingAt =
  (at: number, side: 'before' | 'after'): FatePlan<OfficePoint> =>
  (number) =>
    number === at ? side : null;

interface Course {
  readonly seed: number;
  readonly isRough: boolean;
  /** Where life number n, from 0, ends; past the last plan nothing crashes. */
  readonly plans: readonly FatePlan<OfficePoint>[];
}

/**
 * A grant runs its course, with a read and a withdrawal, while the custodian dies as planned and is started again. Returns how many points
 * the first life came to, and how many lives there were.
 */
async function runCourse({ seed, isRough, plans }: Course): Promise<{ points: number; lives: number }> {
  const world = new CustodyWorld({
    seed,
    ...(isRough ? { weather: roughMail } : {}),
    custodian: { anchorEveryMs: 60_000 },
  });
  const custodian = await world.custodian();
  await custodian.office[Symbol.asyncDispose]();
  custodian.life.die();
  let lives = 0;
  const live = async () => {
    const plan = plans[lives] ?? (() => null);
    lives += 1;
    // A crash may fall into the opening, of which nothing is heard then.
    const opened = custodian.restart(plan).then(() => true);
    for (let tries = 0; tries < 50 && !(await Promise.race([opened, tick()])); tries += 1) await world.clock.advance(0);
  };
  await live();
  const first = custodian.life;
  const settle = async () => {
    for (let round = 0; round < 6; round += 1) {
      await world.settle(30_000);
      if (!custodian.life.isAlive) await live();
    }
  };

  const deposit = world.deposit(world.offer(), [custodian]);
  const { grantId, offer } = deposit.signed;
  const delivery = hexOf(sha256(deposit.envelope));
  await world.home.write(custodian.author.peerId, 'deposit', deposit);
  await settle();
  await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
  await settle();
  await world.buyer.write(custodian.author.peerId, 'received', { grantId, delivery, signature: '0x01' });
  await settle();
  await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
  await world.buyer.write(
    custodian.author.peerId,
    'read',
    world.read(deposit, { untilSeconds: deposit.untilSeconds + hourSeconds }),
  );
  await settle();
  await world.home.write(custodian.author.peerId, 'withdrawn', { grantId, signature: '0x01' });
  await settle();
  await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
  await settle();
  await settle();

  expect(world.home.of('held').length).toBeGreaterThanOrEqual(1);
  expect(world.buyer.of('key').length).toBeGreaterThanOrEqual(1);
  expect(world.ledger.final.credit(offer.payee, offer.token)).toBe(7n);
  const rows = new Set(world.buyer.of('records').flatMap(({ rows: page }) => page.map((row) => row[1])));
  expect(rows.size).toBe(24);
  expect(world.buyer.of('denied').map(({ reason }) => reason)).toEqual(
    expect.arrayContaining(['outside-grant', 'revoked']),
  );
  expect(unloggedIn(custodian)).toEqual([]);

  const { office, author } = custodian;
  const follower = new AccessFollower({
    custodians: [{ peer: author.peerId, account: accountOf(2), logKey: office.logKey }],
    anchorWithinMs: 600_000,
  });
  const { accesses, alarms } = follower.takeReceipts(author.peerId, world.home.receipts(), 0);
  expect(accesses.map(({ record }) => [record.kind, record.reason]).sort()).toEqual(
    [
      ['release', null],
      ['read', null],
      ['denied', 'outside-grant'],
      ['revoked', null],
      ['denied', 'revoked'],
    ].sort(),
  );
  const { checkpoint, leaves } = office.log(0, 1_000);
  const ledger = world.ledger.final.events.flatMap((event) => (event.kind === 'anchored' ? [event] : []));
  const board = world.board.entries('anchor').map((entry) => ({ author: entry.author, ...entry.body }));
  expect(follower.takeLeaves(author.peerId, 0, leaves, 0)).toEqual([]);
  for (const { root, count } of ledger) follower.takeAnchor({ by: accountOf(2), root, count: Number(count) }, 0);
  expect(follower.check(300_000).map(({ kind }) => kind)).toEqual([]);
  expect(alarms.map(({ kind }) => kind)).toEqual(['denied-read', 'denied-read']);
  const log = { custodian: author.peerId, account: accountOf(2), logKey: office.logKey, checkpoint, leaves };
  expect(verifyAccessLogs({ logs: [log], ledger, board })).toEqual({
    findings: [],
    logs: [{ custodian: author.peerId, leaves: 5, anchored: 5 }],
  });
  await custodian.office[Symbol.asyncDispose]();
  return { points: first.points, lives };
}

function tick(): Promise<false> {
  return new Promise((resolve) => setImmediate(() => resolve(false)));
}

const isFull = process.env['PULSEMESH_CRASHES'] === 'full';

describe('a custodian that dies', () => {
  it('at any point of its work, before or after it, loses nothing and serves nothing unlogged', async () => {
    const { points } = await runCourse({ seed: 1, isRough: false, plans: [] });
    expect(points).toBeGreaterThan(30);
    for (let at = 0; at < points; at += isFull ? 1 : 3) {
      for (const side of ['before', 'after'] as const)
        expect((await runCourse({ seed: 1, isRough: false, plans: [dyingAt(at, side)] })).lives).toBe(2);
    }
  });

  it('again and again, in foul weather, too', async () => {
    const lives: number[] = [];
    for (let seed = 2; seed < (isFull ? 60 : 8); seed += 1) {
      const random = createSeededRandom(seed);
      const plans = Array.from({ length: 8 }, () =>
        dyingAt(random.integer(14), random.float() < 0.5 ? 'before' : 'after'),
      );
      lives.push((await runCourse({ seed, isRough: true, plans })).lives);
    }
    expect(lives.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(2 * lives.length);
  });
});
