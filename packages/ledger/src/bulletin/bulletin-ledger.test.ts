import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryBoard, type TestAuthor, testAuthor } from '@pulsemesh/board/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindingDigestOf, createBinding } from '../offer/binding.ts';
import { offerOf } from '../offer/draft.ts';
import { grantKeyOf } from '../offer/grant-key.ts';
import type { Hex, Offer } from '../offer/offer.ts';
import { accountSigner, type LedgerSigner, signOffer, signReceipt, signRevocation } from '../offer/signing.ts';
import { bulletinDomain } from './bulletin-account.ts';
import { openBulletinLedger } from './bulletin-ledger.ts';
import { grantEntry, readGrantEntry } from './grant-entry.ts';

const zero: Hex = `0x${'00'.repeat(20)}`;
const delivery: Hex = `0x${'d1'.repeat(32)}`;
const signerOf = (byte: number) => accountSigner(grantKeyOf(new Uint8Array(32).fill(byte)));
const [buyer, patient, thief] = [signerOf(1), signerOf(2), signerOf(3)];
const [research, stranger] = [testAuthor('research'), testAuthor('stranger')];
const daySeconds = 24 * 3600;

function world() {
  const clock = new VirtualClock();
  const board = createMemoryBoard({}, { clock });
  const dependencies = { clock, logger: silentLogger };
  const open = (author: TestAuthor, signer: LedgerSigner | null) =>
    openBulletinLedger({ board: board.reader(), author, buyer: signer }, dependencies);
  return { clock, board, open, reader: open(stranger, thief) };
}

function sample(clock: VirtualClock, changes: Partial<Offer> = {}) {
  const draft = {
    buyer: buyer.signer,
    custodian: zero,
    arbiter: zero,
    token: zero,
    price: 0n,
    validUntil: Math.floor(clock.now() / 1000) + 3 * daySeconds,
    deliverWithin: daySeconds,
    accessFor: 30 * daySeconds,
    terms: delivery,
    nonce: delivery,
    ...changes,
  };
  return signOffer(offerOf(draft, patient.signer), bulletinDomain, patient);
}

async function bindingOf(clock: VirtualClock, author: TestAuthor, signer: LedgerSigner) {
  const statement = {
    peer: author.peerId,
    account: buyer.signer,
    issuedMs: clock.now(),
    expiresMs: clock.now() + 3_600_000,
  };
  return createBinding(statement, await signer.sign(bindingDigestOf(statement)), author);
}

describe('on the board, strangers', () => {
  it('cannot take a grant up: neither with their own key, nor under the buyer’s name', async () => {
    const { clock, board, reader } = world();
    const { offer, grantId, signature } = await sample(clock);
    for (const [author, signer] of [
      [stranger, thief],
      [research, thief],
    ] as const) {
      const entry = { step: 'purchase', offer, signature, buyer: await bindingOf(clock, author, signer) } as const;
      await board.publish('grant', grantEntry(grantId, entry), author);
    }
    const stolen = { step: 'purchase', offer, signature, buyer: await bindingOf(clock, research, buyer) } as const;
    await board.publish('grant', grantEntry(grantId, stolen), stranger);
    expect((await reader.stateOf(grantId, 'final')).status).toBe('none');
    await board.publish('grant', grantEntry(grantId, stolen), research);
    await clock.advance(2_000);
    expect((await reader.stateOf(grantId, 'final')).status).toBe('funded');
  });

  it('cannot confirm, give back or revoke', async () => {
    const { clock, board, open, reader } = world();
    const signed = await sample(clock);
    const { offer, grantId } = signed;
    await open(research, buyer).perform({ step: 'purchase', grants: [signed] });
    const receipt = await signReceipt({ offer: grantId, delivery }, bulletinDomain, thief);
    await board.publish('grant', grantEntry(grantId, { step: 'confirm', offer, delivery, receipt }), stranger);
    const revocation = await signRevocation(grantId, bulletinDomain, thief);
    await board.publish('grant', grantEntry(grantId, { step: 'revoke', offer, signature: revocation }), stranger);
    await clock.advance(2 * daySeconds * 1000);
    await board.publish('grant', grantEntry(grantId, { step: 'refund', offer }), stranger);
    await clock.advance(2_000);
    expect((await reader.stateOf(grantId, 'final')).status).toBe('funded');
  });

  it('cannot make a window longer by writing another time', async () => {
    const { clock, open, reader } = world();
    const signed = await sample(clock);
    const { offer, grantId } = signed;
    const ledger = open(research, buyer);
    await ledger.perform({ step: 'purchase', grants: [signed] });
    const boughtSeconds = clock.now() / 1000;
    await clock.advance(20 * daySeconds * 1000);
    const receipt = await signReceipt({ offer: grantId, delivery }, bulletinDomain, buyer);
    await ledger.perform({ step: 'confirm', grants: [{ offer, delivery, receipt }] });
    await clock.advance(2_000);
    const { deadline } = await reader.stateOf(grantId, 'final');
    expect(deadline).toBeLessThanOrEqual(boughtSeconds + offer.deliverWithin + offer.accessFor);
  });
});

describe('a ledger on the board', () => {
  it('moves no money and settles nothing', async () => {
    const { clock, open } = world();
    const ledger = open(research, buyer);
    const dear = await sample(clock, { price: 1n });
    await expect(ledger.perform({ step: 'purchase', grants: [dear] })).rejects.toMatchObject({
      reason: 'PriceOnBoard',
    });
    await expect(ledger.perform({ step: 'settle', offer: dear.offer })).rejects.toMatchObject({
      reason: 'not-on-a-board',
    });
    expect(await ledger.creditOf(zero, zero)).toBe(0n);
    expect(await ledger.status()).toMatchObject({ kind: 'board', chainId: 0, contract: null });
  });

  it('says nothing when the board is away', async () => {
    const { clock, board } = world();
    const mine = board.reader();
    const dependencies = { clock, logger: silentLogger };
    await using ledger = openBulletinLedger({ board: mine, author: research, buyer }, dependencies);
    const { grantId } = await sample(clock);
    await ledger.stateOf(grantId, 'final');
    mine.setUnreachable(true);
    await clock.advance(2_000);
    await expect(ledger.stateOf(grantId, 'final')).rejects.toMatchObject({ code: 'ledger-unreachable' });
  });

  it('passes over entries of any other form', () => {
    const body = fc.record({
      step: fc.constantFrom('purchase', 'confirm', 'refund', 'revoke', 'access' as const),
      offer: fc.uint8Array({ maxLength: 300 }),
      proof: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(body, (fields) => {
        const read = readGrantEntry({ body: { grant: 'ab'.repeat(32), ...fields } });
        expect(read).toBeNull();
      }),
    );
  });
});
