import { sha256 } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError, type TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { AccessFollower } from '../access/access-follower.ts';
import { hexOf } from '../access/fields.ts';
import { verifyAccessLogs } from '../access/verify-logs.ts';
import { verifyAccessReceipt } from '../access/verify-receipt.ts';
import type { DenialReason, DepositBody, ReadBody } from '../market/messages.ts';
import {
  type CustodianUnderTest,
  CustodyWorld,
  hourSeconds,
  shelfOf,
  subject,
  unloggedIn,
} from '../testing/custody-world.ts';
import { accountOf } from '../testing/some-offer.ts';
import { custodyLimits } from './custody-limits.ts';
import { DenialCounter } from './denial-counter.ts';
import { isHeldBy } from './held.ts';

const daySeconds = 24 * hourSeconds;

function rowsOf(world: CustodyWorld): number {
  return world.buyer.of('records').reduce((sum, { rows }) => sum + rows.length, 0);
}

function deniedOf(world: CustodyWorld): (readonly [string, DenialReason])[] {
  return world.buyer.of('denied').map(({ about, reason }) => [about, reason]);
}

describe('the course of a grant', () => {
  it('is held, paid, released, confirmed, read, and each of it told to the home', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'held');
    const { grantId, offer } = deposit.signed;
    const [held] = world.home.of('held');
    const delivery = hexOf(sha256(deposit.envelope));
    expect(held && isHeldBy(custodian.author.peerId, held, delivery)).toBe(true);
    expect(world.buyer.heard).toEqual([]);

    await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    await world.settle();
    const [key] = world.buyer.of('key');
    expect(key?.envelope).toEqual(deposit.envelope);

    await world.buyer.write(custodian.author.peerId, 'received', { grantId, delivery, signature: '0x01' });
    await world.settle();
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('active');
    expect(world.ledger.final.credit(offer.payee, offer.token)).toBe(7n);

    const read = world.read(deposit);
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(rowsOf(world)).toBe(24);
    const receipt = world.buyer.of('records').at(-1)?.receipt;
    expect(receipt?.record).toMatchObject({ kind: 'read', records: 24, bytes: 24_000, purpose: 'research/rhythm' });

    const follower = new AccessFollower({
      custodians: [{ peer: custodian.author.peerId, account: accountOf(2), logKey: office.logKey }],
    });
    const { accesses, alarms } = follower.takeReceipts(custodian.author.peerId, world.home.receipts(), 0);
    expect(accesses.map(({ record }) => record.kind)).toEqual(['release', 'read']);
    expect(alarms).toEqual([]);
    expect(unloggedIn(custodian)).toEqual([]);
  });

  it('goes on after the offer was deposited twice, or bought before the custodian was there', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    const deposit = await world.grant(custodian, 'held');
    await world.home.write(custodian.author.peerId, 'deposit', deposit);
    await world.settle();
    expect(world.home.of('held')).toHaveLength(2);
    await custodian.office[Symbol.asyncDispose]();
    custodian.life.die();
    await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    await custodian.restart();
    await using _ = custodian.office;
    await world.settle();
    expect(world.buyer.of('key')).toHaveLength(1);
    await world.settle(120_000);
    expect(world.buyer.of('key')).toHaveLength(1);
  });

  it('goes over the ledger where the buyer says nothing: delivered in time, settled after the challenge', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'bought');
    const { grantId, offer } = deposit.signed;
    await world.clock.advance((offer.deliverWithin / 2 - 60) * 1000);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('funded');
    await world.clock.advance(120_000);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('delivered');
    await world.clock.advance((daySeconds + 60) * 1000);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('active');
    expect(world.ledger.final.credit(offer.payee, offer.token)).toBe(7n);
  });

  it('ends at once when consent is withdrawn, and on the ledger if nobody else puts it there', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const { grantId } = deposit.signed;
    await world.home.write(custodian.author.peerId, 'withdrawn', { grantId, signature: '0x01' });
    await world.settle();
    const read = world.read(deposit);
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.buyer.write(custodian.author.peerId, 'claim', { grantId });
    await world.settle();
    expect(deniedOf(world)).toEqual([
      [read.readId, 'revoked'],
      [grantId, 'revoked'],
    ]);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('active');
    await world.clock.advance(custodyLimits.revokeAfterMs);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('revoked');
    expect(world.home.receipts().map(({ record }) => record.kind)).toEqual(['release', 'revoked', 'denied', 'denied']);
  });

  it('ends what waits for the post, too', async () => {
    let isOpen = true;
    const world = new CustodyWorld();
    const custodian = await world.custodian(0, createMemoryTables(), () => isOpen);
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const { grantId } = deposit.signed;
    isOpen = false;
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    await world.home.write(custodian.author.peerId, 'withdrawn', { grantId, signature: '0x01' });
    await world.settle();
    isOpen = true;
    await world.settle(600_000);
    expect(rowsOf(world)).toBe(0);
    expect(world.home.receipts().map(({ record }) => record.kind)).toEqual(['release', 'read', 'revoked']);
  });

  it('is forgotten on request: envelope, records and salts; leaves stay', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    await world.stranger.write(custodian.author.peerId, 'erased', { grantId: deposit.signed.grantId });
    await world.settle();
    expect(office.grants).toBe(1);
    const size = office.log(0, 10).leaves.length;
    await world.home.write(custodian.author.peerId, 'erased', { grantId: deposit.signed.grantId });
    await world.settle();
    expect(office.grants).toBe(0);
    expect(office.log(0, 10).leaves).toHaveLength(size);
    for (const table of ['custody/deposits', 'custody/grants', 'access/rows', 'access/grants', 'custody/requests'])
      expect(custodian.disk.count(table)).toBe(0);
    await world.buyer.write(custodian.author.peerId, 'claim', { grantId: deposit.signed.grantId });
    // A deposit that comes once more, late, does not bring it back, in this life or the next.
    await world.home.write(custodian.author.peerId, 'deposit', deposit);
    await world.settle();
    expect(deniedOf(world)).toEqual([[deposit.signed.grantId, 'unknown-grant']]);
    await office[Symbol.asyncDispose]();
    custodian.life.die();
    await custodian.restart();
    await using again = custodian.office;
    await world.home.write(custodian.author.peerId, 'deposit', deposit);
    await world.settle();
    expect(again.grants).toBe(0);
    await world.clock.advance(deposit.signed.offer.validUntil * 1000 - world.clock.now() + 60_000);
    expect(custodian.disk.count('custody/erased')).toBe(0);
  });

  it('lies on the disk without a word of whose it is or what for', async () => {
    const world = new CustodyWorld({ custodian: { logsOnLedger: true } });
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    custodian.view.setTrouble('away');
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    const names = ['deposits', 'grants', 'requests', 'outbox', 'entries', 'anchors', 'cursor', 'erased'];
    const tables = [...names.map((name) => `custody/${name}`), 'access/rows', 'access/grants', 'access/pending'];
    const onDisk = tables.flatMap((table) =>
      Array.from(custodian.disk.range(table), ({ key, value }) => Buffer.concat([key, value]).toString('latin1')),
    );
    expect(onDisk.length).toBeGreaterThan(6);
    for (const secret of ['research/rhythm', world.buyer.peerId, Buffer.from(subject).toString('latin1')])
      expect(onDisk.join('\n')).not.toContain(secret);
  });
});

describe('a read is denied, logged, and told', () => {
  type Case = (world: CustodyWorld, custodian: CustodianUnderTest) => Promise<readonly [DepositBody, ReadBody]>;
  const active = async (world: CustodyWorld, custodian: CustodianUnderTest, changes: Partial<ReadBody> = {}) => {
    const deposit = await world.grant(custodian, 'active');
    return [deposit, world.read(deposit, changes)] as const;
  };
  const shifted = async (world: CustodyWorld, custodian: CustodianUnderTest, from: number, until: number) => {
    const deposit = await world.grant(custodian, 'active');
    const { fromSeconds, untilSeconds } = deposit;
    const span = { fromSeconds: fromSeconds + from, untilSeconds: untilSeconds + until };
    return [deposit, world.read(deposit, span)] as const;
  };
  const cases: [DenialReason, string, Case][] = [
    [
      'not-paid',
      'of a grant that nobody bought',
      async (world, custodian) => {
        const deposit = await world.grant(custodian, 'held');
        return [deposit, world.read(deposit)];
      },
    ],
    [
      'not-paid',
      'of a grant that is not confirmed',
      async (world, custodian) => {
        const deposit = await world.grant(custodian, 'bought');
        return [deposit, world.read(deposit)];
      },
    ],
    ['outside-grant', 'before the agreed time', (world, custodian) => shifted(world, custodian, -hourSeconds, 0)],
    ['outside-grant', 'after the agreed time', (world, custodian) => shifted(world, custodian, 0, hourSeconds)],
    ['outside-grant', 'of what was not agreed', (world, custodian) => active(world, custodian, { vital: 'alerts' })],
    [
      'not-the-buyer',
      'with a signature that is not the reader’s',
      (world, custodian) => active(world, custodian, { signature: new Uint8Array(64) }),
    ],
    [
      'replayed',
      'of an old request',
      (world, custodian) =>
        active(world, custodian, { atMs: world.clock.now() - custodyLimits.requestAgeMsMax - 60_000 }),
    ],
    [
      'replayed',
      'of a request from the future',
      (world, custodian) =>
        active(world, custodian, { atMs: world.clock.now() + custodyLimits.requestAheadMsMax + 3_600_000 }),
    ],
    [
      'expired',
      'after its time',
      async (world, custodian) => {
        const deposit = await world.grant(custodian, 'active', {}, { accessFor: 15 * 60 });
        await world.clock.advance(16 * 60_000);
        return [deposit, world.read(deposit)];
      },
    ],
    [
      'revoked',
      'after the ledger says revoked',
      async (world, custodian) => {
        const deposit = await world.grant(custodian, 'active');
        const revoke = { step: 'revoke', offer: deposit.signed.offer, signature: '0x01' } as const;
        await world.buyerLedger.perform(revoke);
        return [deposit, world.read(deposit)];
      },
    ],
    [
      'ledger-away',
      'while the ledger is away',
      async (world, custodian) => {
        const found = await active(world, custodian);
        custodian.view.setTrouble('away');
        return found;
      },
    ],
    [
      'ledger-away',
      'while its head is old',
      async (world, custodian) => {
        const found = await active(world, custodian);
        custodian.view.setTrouble('stale');
        return found;
      },
    ],
  ];

  it.each(cases)('%s: %s', async (reason, _, arrange) => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const [deposit, read] = await arrange(world, custodian);
    const before = office.log(0, 100).leaves.length;
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(deniedOf(world)).toEqual([[read.readId, reason]]);
    expect(rowsOf(world)).toBe(0);
    expect(office.log(0, 100).leaves).toHaveLength(before + 1);
    const told = world.home.receipts().at(-1);
    expect(told?.record).toMatchObject({ kind: 'denied', reason, grantId: deposit.signed.grantId, records: 0 });
    const [denied] = world.buyer.of('denied');
    for (const receipt of [told, denied?.receipt])
      if (receipt) expect(() => verifyAccessReceipt(receipt, { logKey: office.logKey })).not.toThrow();
    expect(denied?.receipt === null).toBe(false);
  });

  it('not-the-buyer: of a stranger, who is not told what the grant is for', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const read = world.read(deposit, {}, world.stranger);
    await world.stranger.write(custodian.author.peerId, 'read', read);
    // Somebody else's signed request, as it was seen on its way.
    await world.stranger.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.stranger.write(custodian.author.peerId, 'claim', { grantId: deposit.signed.grantId });
    await world.settle();
    expect(world.stranger.heard.map(({ kind }) => kind)).toEqual(['denied', 'denied', 'denied']);
    expect(world.stranger.of('denied').map(({ reason, receipt }) => [reason, receipt])).toEqual(
      Array.from({ length: 3 }, () => ['not-the-buyer', null]),
    );
    expect(world.home.receipts().filter(({ record }) => record.kind === 'denied')).toHaveLength(3);
  });

  it('unknown-grant: of an id that nobody holds, or of another custodian’s', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const elsewhere = world.deposit(world.offer(), [custodian]);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(elsewhere));
    await world.settle();
    expect(world.buyer.of('denied').map(({ reason, receipt }) => [reason, receipt])).toEqual([['unknown-grant', null]]);
    expect(office.log(0, 10).leaves).toHaveLength(1);
  });

  it('another grant’s request serves nothing of this one', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const mine = await world.grant(custodian, 'held');
    const other = await world.grant(custodian, 'active');
    const read = { ...world.read(other), grantId: mine.signed.grantId };
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(deniedOf(world)).toEqual([[read.readId, 'not-the-buyer']]);
  });

  it('replayed: the same request is answered once; another one under its id is denied', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const read = world.read(deposit);
    for (let time = 0; time < 3; time += 1) await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(rowsOf(world)).toBe(24);
    expect(office.log(0, 10).leaves).toHaveLength(2);
    const under = world.read(deposit, { readId: read.readId, fromSeconds: deposit.fromSeconds + hourSeconds });
    await world.buyer.write(custodian.author.peerId, 'read', under);
    await world.settle();
    expect(deniedOf(world)).toEqual([[read.readId, 'replayed']]);
    await custodian.office[Symbol.asyncDispose]();
    custodian.life.die();
    await custodian.restart();
    await using __ = custodian.office;
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(rowsOf(world)).toBe(24);
  });

  it('not-final: of what a reorganisation may still take away', async () => {
    const world = new CustodyWorld({ ledger: { finalityDepth: 3 } });
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const { grantId } = deposit.signed;
    const read = world.read(deposit);
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.buyer.write(custodian.author.peerId, 'claim', { grantId });
    await world.settle();
    expect(deniedOf(world)).toEqual([
      [read.readId, 'not-final'],
      [grantId, 'not-final'],
    ]);
    world.ledger.reorganise(2);
    await world.settle(60_000);
    expect(world.buyer.of('key')).toEqual([]);
    await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    world.ledger.seal(3);
    await world.settle();
    expect(world.buyer.of('key')).toHaveLength(1);
  });
});

describe('a second custodian', () => {
  async function pair(price: bigint) {
    const world = new CustodyWorld();
    const [first, second] = [await world.custodian(0), await world.custodian(1)];
    const deposit = world.deposit(world.offer({ price }), [first, second]);
    for (const { author } of [first, second]) await world.home.write(author.peerId, 'deposit', deposit);
    await world.settle();
    await first.office[Symbol.asyncDispose]();
    first.life.die();
    await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    await world.buyer.write(second.author.peerId, 'claim', { grantId: deposit.signed.grantId });
    await world.settle();
    return { world, second, deposit };
  }

  it('hands over no key that it could not see paid', async () => {
    const { world, second, deposit } = await pair(7n);
    await using _ = second.office;
    expect(deniedOf(world)).toEqual([[deposit.signed.grantId, 'not-paid']]);
  });

  it('hands over what costs nothing, and confirms in the place of the first', async () => {
    const { world, second, deposit } = await pair(0n);
    await using _ = second.office;
    const { grantId } = deposit.signed;
    const [key] = world.buyer.of('key');
    const delivery = hexOf(sha256(deposit.envelope));
    expect(key?.grantId).toBe(grantId);
    await world.buyer.write(second.author.peerId, 'received', { grantId, delivery, signature: '0x01' });
    await world.settle();
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('funded');
    await world.clock.advance(custodyLimits.takeoverMs);
    expect(world.ledger.stateOf(grantId, 'final').status).toBe('active');
  });
});

describe('a ledger in trouble', () => {
  it('delays a release, and loses it not', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'held');
    await world.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    custodian.view.setTrouble('stale');
    await world.settle(300_000);
    expect(world.buyer.of('key')).toEqual([]);
    custodian.view.setTrouble(null);
    await world.settle();
    expect(world.buyer.of('key')).toHaveLength(1);
  });

  it('that tells of many others is not read from its beginning at each start', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    for (let index = 0; index < 300; index += 1) {
      const entry = hexOf(sha256(Uint8Array.of(index >> 8, index & 0xff)));
      await world.buyerLedger.perform({ step: 'log-access', grantId: entry, entry });
    }
    await world.settle(5_000);
    await custodian.office[Symbol.asyncDispose]();
    expect(custodian.disk.count('custody/cursor')).toBe(1);
  });

  it('whose answers are lost is asked again, and nothing happens twice', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposits = [await world.grant(custodian, 'bought'), await world.grant(custodian, 'bought')];
    custodian.view.setTrouble('answers-lost');
    for (const { signed, envelope } of deposits) {
      const delivery = hexOf(sha256(envelope));
      await world.buyer.write(custodian.author.peerId, 'received', {
        grantId: signed.grantId,
        delivery,
        signature: '0x01',
      });
    }
    await world.settle(60_000);
    custodian.view.setTrouble(null);
    await world.settle(60_000);
    for (const { signed } of deposits) expect(world.ledger.stateOf(signed.grantId, 'final').status).toBe('active');
    expect(world.ledger.final.events.filter(({ kind }) => kind === 'confirmed')).toHaveLength(2);
  });

  it('confirms together what comes together, and one bad receipt keeps no other waiting', async () => {
    const world = new CustodyWorld({
      ledger: { checks: { isReceiptSigned: (_offer, _grantId, _delivery, receipt) => receipt === '0x01' } },
    });
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposits = [];
    for (let index = 0; index < 3; index += 1) deposits.push(await world.grant(custodian, 'bought'));
    for (const [index, { signed, envelope }] of deposits.entries()) {
      const delivery = hexOf(sha256(envelope));
      const signature = index === 1 ? '0x66' : '0x01';
      await world.buyer.write(custodian.author.peerId, 'received', { grantId: signed.grantId, delivery, signature });
    }
    await world.settle();
    const statuses = deposits.map(({ signed }) => world.ledger.stateOf(signed.grantId, 'final').status);
    expect(statuses).toEqual(['active', 'funded', 'active']);
    await world.clock.advance(custodyLimits.stepAgainMs * 20);
    const tries = world.ledger.performed.filter(({ step }) => step.step === 'confirm').length;
    expect(tries).toBeLessThanOrEqual(custodyLimits.stepTriesMax + 4);
  });
});

describe('a disk without room', () => {
  it('serves nothing and answers nothing until there is some', async () => {
    const inner = createMemoryTables();
    let isFull = false;
    const disk: TableStore = {
      get: (table, key) => inner.get(table, key),
      range: (table, range) => inner.range(table, range),
      count: (table) => inner.count(table),
      commit: async (changes) => {
        if (isFull && changes.some(({ kind }) => kind === 'put')) throw new StoreFullError('the test says so');
        await inner.commit(changes);
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
    const world = new CustodyWorld();
    const custodian = await world.custodian(0, disk);
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const before = custodian.sent.length;
    isFull = true;
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.buyer.write(custodian.author.peerId, 'claim', { grantId: deposit.signed.grantId });
    await world.settle(60_000);
    expect(custodian.sent).toHaveLength(before);
    isFull = false;
    await world.settle(60_000);
    expect(rowsOf(world)).toBe(24);
    expect(unloggedIn(custodian)).toEqual([]);
  });
});

describe('anchors', () => {
  it('follow each other on ledger and board, and bear the log out', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    for (let index = 0; index < 3; index += 1) {
      await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
      await world.clock.advance(5 * 60_000);
    }
    const { checkpoint, leaves } = office.log(0, 100);
    const evidence = {
      logs: [{ custodian: custodian.author.peerId, account: accountOf(2), logKey: office.logKey, checkpoint, leaves }],
      ledger: world.ledger.final.events.flatMap((event) => (event.kind === 'anchored' ? [event] : [])),
      board: world.board.entries('anchor').map(({ author, body }) => ({ author, root: body.root, count: body.count })),
    };
    expect(evidence.ledger.length).toBeGreaterThanOrEqual(3);
    expect(evidence.board).toHaveLength(evidence.ledger.length);
    const { findings, logs } = verifyAccessLogs(evidence);
    expect(findings).toEqual([]);
    expect(logs).toMatchObject([{ leaves: 4, anchored: 4 }]);
  });

  it('are caught up where ledger or board were away, and made early where much happens', async () => {
    const world = new CustodyWorld({ custodian: { anchorCountMax: 2 } });
    const custodian = await world.custodian();
    await using office = custodian.office;
    custodian.view.setTrouble('away');
    const deposit = await world.grant(custodian, 'held');
    for (let index = 0; index < 2; index += 1)
      await world.buyer.write(custodian.author.peerId, 'claim', { grantId: deposit.signed.grantId });
    await world.settle();
    const anchors = () => world.ledger.final.events.filter(({ kind }) => kind === 'anchored').length;
    expect([anchors(), world.board.entries('anchor').length]).toEqual([0, 1]);
    await expect(office.anchor()).rejects.toMatchObject({ retryable: true });
    custodian.view.setTrouble(null);
    await office.anchor();
    await office.anchor();
    expect([anchors(), world.board.entries('anchor').length]).toEqual([1, 1]);
  });
});

describe('limits', () => {
  it('an answer ends where it is long enough, and says so; what follows is asked for by the next', async () => {
    const id = (at: number) => {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setUint32(0, at);
      return bytes;
    };
    const shelf = shelfOf((at) =>
      at % 60 === 0
        ? [{ subject, kind: 2, bucketSeconds: at, id: id(at), revision: 1, sealed: new Uint8Array(8_400) }]
        : [],
    );
    const world = new CustodyWorld({ shelf });
    const custodian = await world.custodian();
    await using _ = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const seen = new Set<number>();
    for (let from = deposit.fromSeconds; from < deposit.untilSeconds; ) {
      await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit, { fromSeconds: from }));
      await world.settle();
      const pages = world.buyer.of('records');
      const last = pages.at(-1)?.receipt?.record;
      expect(last?.bytes).toBeLessThanOrEqual(2 * custodyLimits.readBytesMax);
      expect(last?.untilSeconds).toBeGreaterThan(from);
      from = last?.untilSeconds ?? deposit.untilSeconds;
    }
    const pages = world.buyer.of('records');
    for (const { rows } of pages) {
      for (const [, bucketSeconds] of rows) seen.add(bucketSeconds);
      expect(rows.reduce((sum, row) => sum + row[4].length, 0)).toBeLessThanOrEqual(custodyLimits.pageBytesMax);
    }
    expect(seen.size).toBe(daySeconds / 60);
    expect(world.home.receipts().length).toBeGreaterThan(2);
    expect(unloggedIn(custodian)).toEqual([]);
  });

  it('quotas of a grant and of a sender hold', async () => {
    const world = new CustodyWorld({
      custodian: { quotas: { readsPerHourMax: 3, deniedPerHourMax: 2, grantsPerHomeMax: 1 } },
    });
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    for (let index = 0; index < 6; index += 1)
      await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(rowsOf(world)).toBe(2 * 24);
    expect(deniedOf(world).map(([, reason]) => reason)).toEqual(['quota', 'quota']);
    expect(office.log(0, 100).leaves).toHaveLength(5);
    await world.grant(custodian, 'held');
    expect(office.grants).toBe(1);
    await world.clock.advance(3_600_000);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(rowsOf(world)).toBe(3 * 24);
  });

  it('what is held, waits and is remembered is bounded', async () => {
    const limits = { grantsMax: 2, envelopeBytesMax: 250, outboxMax: 3, requestsMax: 2, erasedMax: 1 };
    const world = new CustodyWorld({ custodian: { limits } });
    let isOpen = true;
    const custodian = await world.custodian(0, createMemoryTables(), () => isOpen);
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    await world.grant(custodian, 'held', { envelope: new Uint8Array(151) });
    expect(office.grants).toBe(1);
    const second = await world.grant(custodian, 'held');
    await world.grant(custodian, 'held', { envelope: new Uint8Array(1) });
    expect(office.grants).toBe(2);
    isOpen = false;
    for (let index = 0; index < 4; index += 1) {
      await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
      await world.settle(3_000);
    }
    const size = office.log(0, 100).leaves.length;
    isOpen = true;
    await world.settle(600_000);
    expect(size).toBe(3);
    for (let index = 0; index < 2; index += 1)
      await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(deniedOf(world).map(([, reason]) => reason)).toEqual(['quota', 'quota']);
    expect(custodian.disk.count('custody/requests')).toBe(2);
    const [first] = world.home.of('held');
    await world.home.write(custodian.author.peerId, 'erased', { grantId: second.signed.grantId });
    await world.grant(custodian, 'held');
    expect([office.grants, first?.grantId]).toEqual([1, deposit.signed.grantId]);
    const served = rowsOf(world);
    await world.clock.advance(custodyLimits.requestAgeMsMax + 60_000);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(rowsOf(world)).toBe(served + 24);
    expect(unloggedIn(custodian)).toEqual([]);
  });

  it('what is long over is forgotten', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'held');
    await world.clock.advance(deposit.signed.offer.validUntil * 1000 - world.clock.now());
    await world.settle();
    expect(office.grants).toBe(1);
    await world.clock.advance(custodyLimits.keepUnboughtMs);
    await world.settle();
    expect(office.grants).toBe(0);
  });

  it('deposits of strangers, for others, unsigned, or of another offer are not taken', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const { peerId } = custodian.author;
    const deposit = world.deposit(world.offer(), [custodian]);
    await world.stranger.write(peerId, 'deposit', deposit);
    const elsewhere = [world.home.peerId, world.buyer.peerId];
    await world.home.write(peerId, 'deposit', { ...deposit, custodians: elsewhere });
    await world.home.write(peerId, 'deposit', { ...deposit, signed: { ...deposit.signed, signature: '0x' } });
    await world.home.write(peerId, 'deposit', { ...deposit, buyer: { ...deposit.buyer, account: accountOf(77) } });
    await world.home.write(peerId, 'deposit', world.deposit(world.offer({ validUntil: 5 }), [custodian]));
    await world.settle();
    expect(office.grants).toBe(0);
    expect(world.home.heard).toEqual([]);
    await world.home.write(peerId, 'deposit', deposit);
    await world.home.write(peerId, 'deposit', { ...deposit, envelope: new Uint8Array(9) });
    await world.settle();
    expect(world.home.of('held')).toHaveLength(1);
  });

  it('messages of nobody, or to others, change nothing', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const { grantId } = deposit.signed;
    const size = office.log(0, 100).leaves.length;
    await world.stranger.write(custodian.author.peerId, 'withdrawn', { grantId, signature: '0x01' });
    await world.stranger.write(custodian.author.peerId, 'received', { grantId, delivery: grantId, signature: '0x01' });
    await world.buyer.write(custodian.author.peerId, 'received', { grantId, delivery: grantId, signature: '0x01' });
    await world.buyer.write(custodian.author.peerId, 'held', { grantId, signature: new Uint8Array(64) });
    const raw = world.mail.end(world.stranger.peerId, createMemoryTables());
    raw.send(custodian.author.peerId, new Uint8Array(40).fill(0xff)).catch(() => {});
    await world.settle();
    expect(office.log(0, 100).leaves).toHaveLength(size);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(rowsOf(world)).toBe(24);
  });
});

describe('beside the course', () => {
  it('an emergency is written down and told before anything is read', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const reader = world.stranger.peerId;
    const receiving = office.emergency({ reader, subject, reason: 'unconscious, no relatives' });
    await world.settle();
    const receipt = await receiving;
    expect(verifyAccessReceipt(receipt, office).record).toMatchObject({ kind: 'emergency', reader, records: 0 });
    expect(world.home.receipts()).toMatchObject([{ record: { kind: 'emergency' } }]);
    const deposit = await world.grant(custodian, 'held');
    const known = office.emergency({ reader, subject, reason: 'still unconscious' });
    await world.settle();
    expect((await known).record.grantId).toBe(deposit.signed.grantId);
    expect(world.home.receipts().at(-1)?.record).toMatchObject({ kind: 'emergency', reason: 'still unconscious' });
    await expect(office.emergency({ reader, subject, reason: 'two\nlines' })).rejects.toMatchObject({
      code: 'emergency-reason',
    });
  });

  it('each access goes on the ledger by itself where that is wanted', async () => {
    const world = new CustodyWorld({ custodian: { logsOnLedger: true } });
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle(60_000);
    const entries = world.ledger.final.events.flatMap((event) => (event.kind === 'accessed' ? [event.entry] : []));
    expect(new Set(entries)).toEqual(new Set(office.log(0, 10).leaves.map(hexOf)));
    expect(entries).toHaveLength(2);
  });
});

describe('denials', () => {
  it('are counted for a bounded number of senders, each for an hour', () => {
    const counter = new DenialCounter(2);
    const sender = (number: number) => `sender ${number}` as PeerId; // nobody parses it here
    expect([1, 2, 3].map(() => counter.take(sender(0), 0))).toEqual([true, true, false]);
    for (let number = 1; number < custodyLimits.strangersMax; number += 1)
      expect(counter.take(sender(number), 1)).toBe(true);
    expect(counter.take(sender(-1), 2)).toBe(false);
    expect(counter.take(sender(0), 3_600_000)).toBe(true);
    expect(counter.take(sender(-1), 3_600_001)).toBe(true);
  });
});
