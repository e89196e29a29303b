import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { verifyAccessReceipt } from '../access/verify-receipt.ts';
import type { DenialReason, DepositBody, ReadBody } from '../market/messages.ts';
import { type CustodianUnderTest, CustodyWorld, hourSeconds } from '../testing/custody-world.ts';
import { custodyLimits } from './custody-limits.ts';
import { DenialCounter } from './denial-counter.ts';

const _daySeconds = 24 * hourSeconds;

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
    expect(world.deniedReads).toEqual([[read.readId, reason]]);
    expect(world.rowsServed).toBe(0);
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
    expect(world.deniedReads).toEqual([[read.readId, 'not-the-buyer']]);
  });

  it('replayed: the same request is answered once; another one under its id is denied', async () => {
    const world = new CustodyWorld();
    const custodian = await world.custodian();
    await using office = custodian.office;
    const deposit = await world.grant(custodian, 'active');
    const read = world.read(deposit);
    for (let time = 0; time < 3; time += 1) await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(world.rowsServed).toBe(24);
    expect(office.log(0, 10).leaves).toHaveLength(2);
    const under = world.read(deposit, { readId: read.readId, fromSeconds: deposit.fromSeconds + hourSeconds });
    await world.buyer.write(custodian.author.peerId, 'read', under);
    await world.settle();
    expect(world.deniedReads).toEqual([[read.readId, 'replayed']]);
    await custodian.office[Symbol.asyncDispose]();
    custodian.life.die();
    await custodian.restart();
    await using __ = custodian.office;
    await world.buyer.write(custodian.author.peerId, 'read', read);
    await world.settle();
    expect(world.rowsServed).toBe(24);
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
    expect(world.deniedReads).toEqual([
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
