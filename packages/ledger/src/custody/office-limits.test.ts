import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { CustodyWorld, hourSeconds, shelfOf, subject, unloggedIn } from '../testing/custody-world.ts';
import { accountOf } from '../testing/some-offer.ts';
import { custodyLimits } from './custody-limits.ts';

const daySeconds = 24 * hourSeconds;

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
    expect(world.rowsServed).toBe(2 * 24);
    expect(world.deniedReads.map(([, reason]) => reason)).toEqual(['quota', 'quota']);
    expect(office.log(0, 100).leaves).toHaveLength(5);
    await world.grant(custodian, 'held');
    expect(office.grants).toBe(1);
    await world.clock.advance(3_600_000);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(world.rowsServed).toBe(3 * 24);
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
    expect(world.deniedReads.map(([, reason]) => reason)).toEqual(['quota', 'quota']);
    expect(custodian.disk.count('custody/requests')).toBe(2);
    const [first] = world.home.of('held');
    await world.home.write(custodian.author.peerId, 'erased', { grantId: second.signed.grantId });
    await world.grant(custodian, 'held');
    expect([office.grants, first?.grantId]).toEqual([1, deposit.signed.grantId]);
    const served = world.rowsServed;
    await world.clock.advance(custodyLimits.requestAgeMsMax + 60_000);
    await world.buyer.write(custodian.author.peerId, 'read', world.read(deposit));
    await world.settle();
    expect(world.rowsServed).toBe(served + 24);
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
    expect(world.rowsServed).toBe(24);
  });
});
