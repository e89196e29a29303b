import { sha256 } from '@pulsemesh/crypto';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { AccessFollower } from '../access/access-follower.ts';
import { hexOf } from '../access/fields.ts';
import { verifyAccessReceipt } from '../access/verify-receipt.ts';
import { CustodyWorld, hourSeconds, subject, unloggedIn } from '../testing/custody-world.ts';
import { accountOf } from '../testing/some-offer.ts';
import { custodyLimits } from './custody-limits.ts';
import { isHeldBy } from './held.ts';

const daySeconds = 24 * hourSeconds;

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
    expect(world.rowsServed).toBe(24);
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
    expect(world.deniedReads).toEqual([
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
    expect(world.rowsServed).toBe(0);
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
    expect(world.deniedReads).toEqual([[deposit.signed.grantId, 'unknown-grant']]);
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
    expect(world.deniedReads).toEqual([[deposit.signed.grantId, 'not-paid']]);
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
