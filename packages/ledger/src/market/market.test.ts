import { createSeededRandom } from '@pulsemesh/base';
import { calmMail } from '@pulsemesh/relay/testing';
import { decodeFunctionData } from 'viem';
import { describe, expect, it } from 'vitest';
import { consentLedgerAbi } from '../contract/consent-ledger.ts';
import { offerIdOf } from '../contract/typed-data.ts';
import type { Hex, Offer } from '../offer/offer.ts';
import { MarketWorld } from '../testing/market-world.ts';
import { accountOf } from '../testing/some-offer.ts';
import { decodeMessage } from './message-codec.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('a grant', () => {
  it('runs its course: asked, agreed, paid, delivered, read, and the patient sees all of it', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 24 * 3600 };
    const { records } = await world.again(() => world.research.read(grantId, 'readings', span));
    expect(records.map(({ plaintext }) => text(plaintext))).toEqual(world.recordsOf(subject, 'readings', span));
    await world.until('the access is seen', () => world.home.view(subject).grants[0]?.accesses === 1);
    const view = world.home.view(subject);
    expect(view.grants[0]?.phase).toBe('active');
    expect(view.alarms).toEqual([]);
    expect(view.earnings.amounts[0]).toMatchObject({ units: '100', withdrawable: '100', nonce: '0' });
    await world.until('the notices', () => world.notices.length >= 4);
    expect(world.notices.map(({ kind }) => kind)).toEqual(['asked', 'accepted', 'paid', 'read']);
    expect(world.research.view().accesses.length).toBeGreaterThan(0);
  });
});

describe('money', () => {
  it('is withdrawn by the grant’s own key, to any address, once', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const [earning] = world.home.view(subject).earnings.amounts;
    expect(earning).toMatchObject({ grantId, withdrawable: '100', nonce: '0' });
    const to = accountOf(77);
    const until = Math.floor(world.clock.now() / 1000) + 3600;
    await world.home.withdraw(grantId, to, 100n, 0n, until, '0x01');
    await world.until('the purse', () => world.home.view(subject).earnings.amounts[0]?.withdrawable === '0');
    expect(world.home.view(subject).earnings.amounts[0]?.nonce).toBe('1');
    expect(world.ledger.final.balance(to, accountOf(0))).toBe(100n);
  });

  it('counts once where the ledger takes back what was final, and shows it again', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const until = Math.floor(world.clock.now() / 1000) + 24 * 3600;
    const withdraw = (amount: bigint, nonce: bigint) =>
      world.home.withdraw(grantId, accountOf(77), amount, nonce, until, '0x01');
    const purse = () => world.home.view(subject).earnings.amounts[0];
    await withdraw(40n, 0n);
    await world.until('the first withdrawal', () => purse()?.withdrawable === '60');
    world.ledgerOf('home').goBack(0n);
    world.ledgerOf('research').goBack(0n);
    await withdraw(10n, 1n);
    await world.until('the second withdrawal', () => purse()?.withdrawable === '50');
    expect(purse()?.nonce).toBe('2');
    expect(world.home.view(subject).grants[0]?.phase).toBe('active');
    expect(world.research.view().grants[0]?.phase).toBe('active');
    expect(world.notices.filter(({ kind }) => kind === 'paid')).toHaveLength(1);
  });

  it('is disputed where the ledger shows a key whose envelope never came', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    world.ledgerOf('first').setTrouble('away');
    world.ledgerOf('second').setTrouble('away');
    await world.again(() => world.research.buy([grantId]));
    await deliverNothing(world);
    await world.until('delivered', () => world.research.view().grants[0]?.phase === 'delivered');
    await world.clock.advance(17 * 3600_000);
    expect(world.research.view().grants[0]?.phase).toBe('delivered');
    await world.clock.advance(2 * 3600_000);
    expect(world.research.view().grants[0]?.phase).toBe('disputed');
    expect(world.home.view(subject).grants[0]?.phase).toBe('disputed');
  });

  it('is disputed at once where the researcher says so, and not before there is anything to dispute', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    await expect(world.research.dispute(grantId)).rejects.toMatchObject({ code: 'grant-not-ready' });
    world.ledgerOf('first').setTrouble('away');
    world.ledgerOf('second').setTrouble('away');
    await world.again(() => world.research.buy([grantId]));
    await expect(world.research.disputeTransaction(grantId)).rejects.toMatchObject({ code: 'grant-not-ready' });
    await deliverNothing(world);
    await world.until('delivered', () => world.research.view().grants[0]?.phase === 'delivered');
    const { to, data, value, chainId } = await world.research.disputeTransaction(grantId);
    expect([to, value, chainId]).toEqual([world.domain.verifyingContract, '0x0', world.domain.chainId]);
    const { functionName, args } = decodeFunctionData({ abi: consentLedgerAbi, data });
    expect([functionName, offerIdOf(args?.[0] as Offer, world.domain)]).toEqual(['dispute', grantId]);
    await world.again(() => world.research.dispute(grantId));
    await world.until('disputed', () => world.home.view(subject).grants[0]?.phase === 'disputed');
    await expect(world.research.dispute(grantId)).rejects.toMatchObject({ code: 'grant-not-ready' });
    await expect(world.research.dispute(`0x${'00'.repeat(32)}`)).rejects.toMatchObject({ code: 'not-known' });
  });
});

/** A custodian puts a key on the ledger that opens nothing. */
async function deliverNothing(world: MarketWorld): Promise<void> {
  const bought = world.ledger.performed.find(({ step }) => step.step === 'purchase')?.step;
  const offer = bought?.step === 'purchase' ? bought.grants[0]?.offer : undefined;
  const custodian = world.ledger.connect(accountOf(11));
  await custodian.perform({ step: 'deliver', offer: offer as Offer, wrapped: '0x00' });
}

describe('without a chain', () => {
  it('the same course is run on the public board, and no money moves', async () => {
    await using world = await MarketWorld.open({ isOnBoard: true });
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    await world.research.ask(world.question({ price: 0n }));
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    const grantId = await world.accept(subject, world.home.view(subject).asks[0]?.askId as string);
    await world.until('the offer', () => world.research.view().grants.length === 1);
    await world.again(() => world.research.buy([grantId]));
    await world.until('the grant stands', () => world.research.view().grants[0]?.phase === 'active');
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 24 * 3600 };
    const { records } = await world.again(() => world.research.read(grantId, 'readings', span));
    expect(records.map(({ plaintext }) => text(plaintext))).toEqual(world.recordsOf(subject, 'readings', span));
    await world.until('the access', () => world.home.view(subject).grants[0]?.accesses === 1);
    await world.until('its anchor', () => world.home.view(subject).accesses.every(({ anchor }) => anchor !== null));
    await world.revoke(subject, grantId);
    await world.until('the board', () => world.board.entries('grant').at(-1)?.body.step === 'revoke');
    await expect(world.again(() => world.research.read(grantId, 'readings', span))).rejects.toMatchObject({
      code: 'access-denied',
    });
    expect(world.home.view(subject).alarms.filter(({ kind }) => kind !== 'denied-read')).toEqual([]);
    expect(world.home.standingGrants('research/rhythm')).toMatchObject([
      { patient: subject, withdrawnMs: expect.any(Number) },
    ]);
  });
});

describe('deaths', () => {
  const seeds = process.env['PULSEMESH_TABLES'] === 'full' ? 200 : 12;

  /** Runs a grant's course while everybody dies now and then, in bad weather. */
  async function run(seed: number): Promise<number> {
    const chance = createSeededRandom(seed);
    const plan = () => {
      const fate = chance.float();
      return fate < 0.02 ? 'before' : fate < 0.04 ? 'after' : null;
    };
    const weather = { ...calmMail, delayMs: 400, lossRate: 0.1, duplicateRate: 0.1 };
    await using world = await MarketWorld.open({ seed, plan, weather });
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const question = world.question();
    await world.again(() => world.research.ask(question));
    await world.until('the request', () => world.home.view(subject).asks.length >= 1);
    const askId = world.home.view(subject).asks[0]?.askId as string;
    const grantId = await world.accept(subject, askId).catch((error: unknown) => {
      // The yes was kept, and its answer died with the process.
      if ((error as { code?: string }).code !== 'ask-gone') throw error;
      return world.home.view(subject).grants[0]?.grantId as Hex;
    });
    await world.until('the offer', () => world.research.view().grants.length === 1);
    await world
      .again(() => world.research.buy([grantId]))
      .catch((error: unknown) => {
        if ((error as { code?: string }).code !== 'offer-gone') throw error;
      });
    await world.until('the end', () => world.ledger.final.grant(grantId).status !== 'funded', 30 * 3600_000);
    const { token } = question;
    expect(-world.ledger.final.balance(world.signer.signer, token)).toBe(100n);
    expect(world.ledger.final.grant(grantId).status).toBe('active');
    await world.until('the key', () => world.research.view().grants[0]?.phase === 'active');
    const span = { fromSeconds: question.fromSeconds, untilSeconds: question.untilSeconds };
    const { records } = await world.again(() => world.research.read(grantId, 'readings', span));
    expect(records.map(({ plaintext }) => text(plaintext))).toEqual(world.recordsOf(subject, 'readings', span));
    const purchase =
      world.ledger.final.events.find(({ kind }) => kind === 'purchased')?.timeMs ?? Number.POSITIVE_INFINITY;
    const keys = world.post.sent.filter(({ bytes }) => decodeMessage(bytes).kind === 'key');
    expect(keys.every(({ atMs }) => atMs >= purchase)).toBe(true);
    return world.deaths;
  }

  it(
    `at any commit, with a post that loses and repeats: no key without pay, no pay without a key (${seeds} seeds)`,
    async () => {
      let deaths = 0;
      for (let seed = 1; seed <= seeds; seed += 1) {
        try {
          deaths += await run(seed);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
      expect(deaths).toBeGreaterThan(seeds);
    },
    seeds * 10_000,
  );
});
