import type { Random } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { roughMail } from '@pulsemesh/relay/testing';
import { describe, expect, it } from 'vitest';
import type { AccessRecord } from '../access/access-types.ts';
import { hexOf } from '../access/fields.ts';
import { verifyAccessLogs } from '../access/verify-logs.ts';
import type { DepositBody } from '../market/messages.ts';
import { type CustodianUnderTest, CustodyWorld, hourSeconds, unloggedIn } from '../testing/custody-world.ts';
import { accountOf } from '../testing/some-offer.ts';

type Act = (
  world: CustodyWorld,
  custodian: CustodianUnderTest,
  deposit: DepositBody,
  random: Random,
) => Promise<unknown>;

/** What people and machines do, in any order, lawful or not. A step that the ledger refuses is one that did not happen. */
const acts: readonly Act[] = [
  (world, { author }, deposit) => world.home.write(author.peerId, 'deposit', deposit),
  (world, _, { signed }) => world.buyerLedger.perform({ step: 'purchase', grants: [signed] }),
  (world, _, { signed }) => {
    const grant = { offer: signed.offer, delivery: signed.grantId, receipt: '0x' } as const;
    return world.buyerLedger.perform({ step: 'confirm', grants: [grant] });
  },
  (world, { author }, deposit) => {
    const body = { delivery: hexOf(sha256(deposit.envelope)), signature: '0x01' } as const;
    return world.buyer.write(author.peerId, 'received', { grantId: deposit.signed.grantId, ...body });
  },
  (world, { author }, { signed }) => world.buyer.write(author.peerId, 'claim', { grantId: signed.grantId }),
  (world, { author }, { signed }) => world.stranger.write(author.peerId, 'claim', { grantId: signed.grantId }),
  (world, { author }, deposit) => world.buyer.write(author.peerId, 'read', world.read(deposit)),
  (world, { author }, deposit) => world.buyer.write(author.peerId, 'read', world.read(deposit)),
  (world, { author }, deposit) => world.stranger.write(author.peerId, 'read', world.read(deposit)),
  (world, { author }, deposit) => {
    const fromSeconds = deposit.fromSeconds - hourSeconds;
    return world.buyer.write(author.peerId, 'read', world.read(deposit, { fromSeconds }));
  },
  async (world, { author }, { signed }, random) => {
    if (random.float() < 0.3)
      await world.home.write(author.peerId, 'withdrawn', { grantId: signed.grantId, signature: '0x01' });
  },
  async (world, _, { signed }, random) => {
    const revoke = { step: 'revoke', offer: signed.offer, signature: '0x01' } as const;
    if (random.float() < 0.2) await world.buyerLedger.perform(revoke);
  },
  (world, _, { signed }) => world.buyerLedger.perform({ step: 'refund', offer: signed.offer }),
  async (_, { view }, __, random) => view.setTrouble(random.float() < 0.6 ? null : 'answers-lost'),
  async (_, { view }, __, random) => view.setTrouble(random.float() < 0.6 ? null : 'away'),
  (world, _, __, random) => world.clock.advance(random.integer(5) * 1_800_000),
];

/** Why a record of something given away should not be there, by what ledger and home had said until then; null: it should. */
function wrongWith(world: CustodyWorld, record: AccessRecord, before: readonly AccessRecord[]): string | null {
  if (record.kind !== 'read' && record.kind !== 'release') return null;
  if (before.some(({ kind, grantId }) => kind === 'revoked' && grantId === record.grantId)) return 'after withdrawal';
  const events = world.ledger.final.events.filter(
    (event) => 'grantId' in event && event.grantId === record.grantId && event.timeMs < record.atMs,
  );
  const kinds = events.map(({ kind }) => kind);
  if (!kinds.includes('purchased')) return `${record.kind} before it was paid`;
  // The ledger was asked a moment before.
  if (events.some(({ kind, timeMs }) => kind === 'ended' && timeMs < record.atMs - 1_000)) return 'after its end';
  const confirmed = events.find(({ kind }) => kind === 'confirmed');
  if (record.kind === 'release') return null;
  if (confirmed === undefined || !('deadline' in confirmed)) return 'read before it was confirmed';
  return record.atMs > (confirmed.deadline + 1) * 1000 ? 'read after its time' : null;
}

async function runChaos(seed: number): Promise<readonly AccessRecord[]> {
  const world = new CustodyWorld({ seed, weather: roughMail });
  const { random } = world;
  const custodian = await world.custodian();
  const deposits = [3n, 0n, 9n].map((price) =>
    world.deposit(world.offer({ price, accessFor: 6 * hourSeconds, deliverWithin: 8 * hourSeconds }), [custodian]),
  );
  for (let step = 0; step < 80; step += 1) {
    const [act, deposit] = [acts[random.integer(acts.length)], deposits[random.integer(deposits.length)]];
    if (act !== undefined && deposit !== undefined) await act(world, custodian, deposit, random).catch(() => {});
    await world.clock.advance(random.integer(5_000));
    if (random.float() >= 0.08) continue;
    custodian.life.die();
    await custodian.restart();
  }
  custodian.view.setTrouble(null);
  await world.settle(400_000);

  const { office, author } = custodian;
  await office.anchor();
  expect(unloggedIn(custodian)).toEqual([]);
  const records = world.home.receipts().map(({ record }) => record);
  for (const [index, record] of records.entries()) expect(wrongWith(world, record, records.slice(0, index))).toBeNull();
  const { checkpoint, leaves } = office.log(0, 4_096);
  const log = { custodian: author.peerId, account: accountOf(2), logKey: office.logKey, checkpoint, leaves };
  const ledger = world.ledger.final.events.flatMap((event) => (event.kind === 'anchored' ? [event] : []));
  const board = world.board.entries('anchor').map((entry) => ({ author: entry.author, ...entry.body }));
  const report = verifyAccessLogs({ logs: [log], ledger, board });
  expect(report).toMatchObject({ findings: [], logs: [{ anchored: leaves.length }] });
  // No key without pay, and no pay without key or refund: who paid and was not refunded has the key, or it waits on the ledger.
  for (const { signed } of deposits) {
    const { status } = world.ledger.stateOf(signed.grantId, 'final');
    const isKeyed = records.some(({ kind, grantId }) => kind === 'release' && grantId === signed.grantId);
    if (isKeyed) expect(status).not.toBe('none');
  }
  await office[Symbol.asyncDispose]();
  return records;
}

describe('a custodian among lawful and unlawful people, a bad post, a bad ledger, and crashes', () => {
  it('gives nothing away that is not paid, agreed and logged before', async () => {
    const seeds = process.env['PULSEMESH_CRASHES'] === 'full' ? 60 : 4;
    const kinds = new Set<string>();
    for (let seed = 1; seed <= seeds; seed += 1) for (const { kind } of await runChaos(seed)) kinds.add(kind);
    expect(kinds).toEqual(new Set(['release', 'read', 'denied', 'revoked']));
  });
});
