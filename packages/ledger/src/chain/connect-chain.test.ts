import { zeroAddress } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withdrawalDigestOf } from '../contract/index.ts';
import { LedgerRefusedError, LedgerWrongError, NoSignerError } from '../grants/errors.ts';
import type { LedgerEvent } from '../grants/grant-ledger.ts';
import { anvilChain, ChainWorld, word } from './chain-world.testing.ts';
import type { ChainLedger } from './connect-chain.ts';
import { embeddedTestChain } from './embedded-chain.testing.ts';

async function eventsOf(ledger: ChainLedger, from: bigint, isLast: (event: LedgerEvent) => boolean) {
  const enough = new AbortController();
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events(from, { signal: enough.signal })) {
    events.push(event);
    if (isLast(event)) enough.abort();
  }
  return events;
}

describe.each([
  ['anvil', anvilChain],
  ['the embedded chain', embeddedTestChain],
] as const)('the ledger on %s', (_name, startChain) => {
  let world: ChainWorld;
  let buyer: ChainLedger;
  let custodian: ChainLedger;

  beforeAll(async () => {
    world = await ChainWorld.start(await startChain());
    buyer = await world.connect();
    custodian = await world.connect({ signer: world.custodian });
  }, 120_000);
  afterAll(() => world[Symbol.asyncDispose]());

  describe('a grant on it', () => {
    it('is bought, confirmed by the custodian and paid out of the purse', async () => {
      const signed = await world.offer();
      const { grantId, offer } = signed;
      expect(await buyer.stateOf(grantId, 'final')).toEqual({ status: 'none', deadline: 0, isAllowed: false });
      const bought = await buyer.perform({ step: 'purchase', grants: [signed] });
      expect((await buyer.stateOf(grantId, 'sealed')).status).toBe('funded');
      const receipt = await world.receipt(grantId, word(5));
      const confirmed = await custodian.perform({ step: 'confirm', grants: [{ offer, delivery: word(5), receipt }] });
      expect(confirmed.at).toBeGreaterThan(bought.at);
      expect(await custodian.stateOf(grantId, 'final')).toMatchObject({ status: 'active', isAllowed: true });
      expect(await custodian.creditOf(offer.payee, zeroAddress)).toBe(1_000n);
      const nonce = await custodian.withdrawalNonceOf(offer.payee, zeroAddress);
      const withdrawal = {
        signer: offer.patient,
        token: zeroAddress,
        to: word(9).slice(0, 42) as `0x${string}`,
        amount: 1_000n,
        nonce,
        until: 4_000_000_000,
      };
      const signature = await world.patientOf(grantId).signDigest(withdrawalDigestOf(withdrawal, world.domain));
      const paid = await custodian.perform({ step: 'withdraw', ...withdrawal, signature });
      expect(await custodian.creditOf(offer.payee, zeroAddress)).toBe(0n);
      const events = await eventsOf(custodian, bought.at, ({ kind }) => kind === 'withdrawn');
      expect(events.map(({ kind, transaction }) => [kind, transaction])).toEqual([
        ['purchased', bought.transaction],
        ['confirmed', confirmed.transaction],
        ['withdrawn', paid.transaction],
      ]);
    });

    it('answers a step that was done with what did it, also to a process that remembers nothing', async () => {
      const signed = await world.offer();
      const step = { step: 'purchase', grants: [signed] } as const;
      const done = await buyer.perform(step);
      expect(await buyer.perform(step)).toEqual(done);
      const other = await world.connect();
      expect(await other.perform(step)).toEqual(done);
      const signature = await world.revocation(signed.grantId);
      const revoked = await custodian.perform({ step: 'revoke', offer: signed.offer, signature });
      expect(await other.perform({ step: 'revoke', offer: signed.offer, signature })).toEqual(revoked);
      expect(await other.perform(step)).toEqual(done);
      const anchor = { step: 'anchor', previous: word(0), root: word(3), count: 7n } as const;
      const anchored = await custodian.perform(anchor);
      expect(await (await world.connect({ signer: world.custodian })).perform(anchor)).toEqual(anchored);
    });

    it('does the same step once when it is asked for many times at once', async () => {
      const signed = await world.offer();
      const answers = await Promise.all([1, 2, 3, 4].map(() => buyer.perform({ step: 'purchase', grants: [signed] })));
      expect(new Set(answers.map(({ transaction }) => transaction)).size).toBe(1);
    });

    it('buys a batch, without those that are bought already', async () => {
      const grants = await Promise.all([1, 2, 3, 4].map(() => world.offer()));
      await buyer.perform({ step: 'purchase', grants: grants.slice(0, 1) });
      await buyer.perform({ step: 'purchase', grants });
      for (const { grantId } of grants) expect((await buyer.stateOf(grantId, 'final')).status).toBe('funded');
    });

    it('says in plain words why the contract refuses, and sends nothing', async () => {
      const signed = await world.offer();
      const nonce = await world.chain.ask('eth_getTransactionCount', [world.custodian.address, 'latest']);
      const error = await custodian.perform({ step: 'purchase', grants: [signed] }).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(LedgerRefusedError);
      expect(error).toMatchObject({ reason: 'NotBuyer', message: expect.stringContaining('another buyer') });
      await expect(buyer.perform({ step: 'refund', offer: signed.offer })).rejects.toMatchObject({
        reason: 'WrongStatus',
        facts: { status: 'none' },
      });
      expect(await world.chain.ask('eth_getTransactionCount', [world.custodian.address, 'latest'])).toBe(nonce);
      await expect(buyer.perform({ step: 'purchase', grants: [] })).rejects.toMatchObject({ reason: 'nothing-to-do' });
    });

    it('names a grant as the contract does', async () => {
      const { offer, grantId } = await world.offer();
      expect(await buyer.offerId(offer)).toBe(grantId);
    });
  });

  describe('where it is another', () => {
    it('is refused at start: chain id, no contract, other code', async () => {
      await expect(world.connect({ chainId: 1 })).rejects.toMatchObject({
        code: 'ledger-wrong',
        facts: { fault: 'chain-id' },
      });
      await expect(world.connect({ contract: world.buyer.address })).rejects.toMatchObject({
        facts: { fault: 'no-code' },
      });
      await expect(world.connect({ contract: world.deployed.p256Verifier })).rejects.toBeInstanceOf(LedgerWrongError);
    });

    it('cannot be written to without a signer', async () => {
      const reader = await world.connect({ signer: null });
      await expect(reader.perform({ step: 'purchase', grants: [await world.offer()] })).rejects.toBeInstanceOf(
        NoSignerError,
      );
      expect(await reader.status()).toMatchObject({ chainId: world.chain.chainId, kind: world.chain.kind });
      expect((await reader.status()).sealers).toHaveLength(world.chain.kind === 'embedded' ? 1 : 0);
    });
  });
});
