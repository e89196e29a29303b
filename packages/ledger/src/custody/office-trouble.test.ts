import { sha256 } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { hexOf } from '../access/fields.ts';
import { verifyAccessLogs } from '../access/verify-logs.ts';
import type { DenialReason } from '../market/messages.ts';
import { CustodyWorld, hourSeconds, unloggedIn } from '../testing/custody-world.ts';
import { accountOf } from '../testing/some-offer.ts';
import { custodyLimits } from './custody-limits.ts';

const _daySeconds = 24 * hourSeconds;

function _deniedOf(world: CustodyWorld): (readonly [string, DenialReason])[] {
  return world.buyer.of('denied').map(({ about, reason }) => [about, reason]);
}

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
    expect(world.rowsServed).toBe(24);
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
