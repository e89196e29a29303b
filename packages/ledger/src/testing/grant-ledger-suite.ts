// biome-ignore lint/correctness/noUndeclaredDependencies: only tests use this
import { describe, expect, it } from 'vitest';
import type { ConsentDomain } from '../contract/typed-data.ts';
import type { GrantLedger, LedgerEvent } from '../grants/grant-ledger.ts';
import { offerOf } from '../offer/draft.ts';
import { grantKeyOf } from '../offer/grant-key.ts';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';
import { accountSigner, type LedgerSigner, signOffer, signReceipt, signRevocation } from '../offer/signing.ts';

/** A ledger of some kind with who uses it, for {@link grantLedgerSuite}. */
export interface GrantLedgerStage extends AsyncDisposable {
  readonly domain: ConsentDomain;
  readonly buyer: { readonly ledger: GrantLedger; readonly signer: LedgerSigner };
  readonly custodian: { readonly ledger: GrantLedger; readonly account: Hex };
  /** Milliseconds since 1970, as the ledger's own time is. */
  now(): Promise<number>;
  /** Lets time pass, by the ledger's clock. */
  pass(seconds: number): Promise<void>;
}

const zero: Hex = `0x${'00'.repeat(20)}`;
const delivery: Hex = `0x${'d1'.repeat(32)}`;
const entry: Hex = `0x${'e1'.repeat(32)}`;
const roots: readonly [Hex, Hex, Hex] = [`0x${'00'.repeat(32)}`, `0x${'a1'.repeat(32)}`, `0x${'a2'.repeat(32)}`];
const daySeconds = 24 * 3600;
let keys = 0;

/** A key that nobody used before. */
function freshSigner(): LedgerSigner {
  keys += 1;
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(0, keys);
  return accountSigner(grantKeyOf(secret));
}

interface Sample {
  readonly signed: SignedOffer;
  readonly patient: LedgerSigner;
}

async function sampleOf(stage: GrantLedgerStage, changes: Partial<Offer> = {}): Promise<Sample> {
  const patient = freshSigner();
  const draft = {
    buyer: stage.buyer.signer.signer,
    custodian: stage.custodian.account,
    arbiter: zero,
    token: zero,
    price: 0n,
    validUntil: Math.floor((await stage.now()) / 1000) + 365 * daySeconds,
    deliverWithin: 2 * daySeconds,
    accessFor: 30 * daySeconds,
    terms: roots[1],
    nonce: patient.signer.padEnd(66, '0') as Hex, // of one
    ...changes,
  };
  return { signed: await signOffer(offerOf(draft, patient.signer), stage.domain, patient), patient };
}

async function confirmationOf(stage: GrantLedgerStage, { grantId, offer }: SignedOffer, by = stage.buyer.signer) {
  return { offer, delivery, receipt: await signReceipt({ offer: grantId, delivery }, stage.domain, by) };
}

async function eventsOf(ledger: GrantLedger, from: bigint, grantId: Hex, count: number): Promise<LedgerEvent[]> {
  const enough = new AbortController();
  const found: LedgerEvent[] = [];
  for await (const event of ledger.events(from, { signal: enough.signal })) {
    if ('grantId' in event && event.grantId === grantId) found.push(event);
    if (found.length === count) enough.abort();
  }
  return found;
}

type Open = () => Promise<GrantLedgerStage>;

/** What every `GrantLedger` does, whatever it stands on; `open` makes a new one, or new parties of one. */
export function grantLedgerSuite(name: string, open: Open): void {
  describe(`grants on ${name}`, () => {
    coursesOf(open);
    refusalsOf(open);
    endsOf(open);
    logsOf(open);
  });
}

function coursesOf(open: Open): void {
  it('run their course: taken up, confirmed by the custodian with the buyer’s receipt, allowed until they end', async () => {
    await using stage = await open();
    const { buyer, custodian } = stage;
    const { signed } = await sampleOf(stage);
    const { grantId } = signed;
    expect(await custodian.ledger.stateOf(grantId, 'final')).toEqual({
      status: 'none',
      deadline: 0,
      isAllowed: false,
    });
    const bought = await buyer.ledger.perform({ step: 'purchase', grants: [signed] });
    expect(await custodian.ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'funded', isAllowed: false });
    const confirm = { step: 'confirm', grants: [await confirmationOf(stage, signed)] } as const;
    const confirmed = await custodian.ledger.perform(confirm);
    const { status, isAllowed, deadline } = await buyer.ledger.stateOf(grantId, 'final');
    expect([status, isAllowed]).toEqual(['active', true]);
    expect(deadline).toBeGreaterThan((await stage.now()) / 1000 + 29 * daySeconds);
    const events = await eventsOf(buyer.ledger, 0n, grantId, 2);
    expect(events.map(({ kind, transaction, at }) => [kind, transaction, at])).toEqual([
      ['purchased', bought.transaction, bought.at],
      ['confirmed', confirmed.transaction, confirmed.at],
    ]);
    const [last] = await eventsOf(custodian.ledger, confirmed.at, grantId, 1);
    expect(last?.kind).toBe('confirmed');
    await stage.pass(31 * daySeconds);
    expect((await buyer.ledger.stateOf(grantId, 'final')).isAllowed).toBe(false);
  });

  it('are taken up once: a step that was done is answered with what did it', async () => {
    await using stage = await open();
    const { buyer, custodian } = stage;
    const { signed } = await sampleOf(stage);
    const purchase = { step: 'purchase', grants: [signed] } as const;
    const bought = await buyer.ledger.perform(purchase);
    expect((await buyer.ledger.perform(purchase)).transaction).toBe(bought.transaction);
    const confirm = { step: 'confirm', grants: [await confirmationOf(stage, signed)] } as const;
    const confirmed = await custodian.ledger.perform(confirm);
    expect((await custodian.ledger.perform(confirm)).transaction).toBe(confirmed.transaction);
    expect((await eventsOf(buyer.ledger, 0n, signed.grantId, 2)).length).toBe(2);
  });
}

function refusalsOf(open: Open): void {
  it('are taken up by nobody but the buyer, in time, as they were signed', async () => {
    await using stage = await open();
    const { buyer, custodian } = stage;
    const { signed } = await sampleOf(stage);
    const stranger = custodian.ledger.perform({ step: 'purchase', grants: [signed] });
    await expect(stranger).rejects.toMatchObject({ code: expect.stringMatching(/^(ledger-refused|no-signer)$/) });
    const altered = { ...signed, signature: '0x' } as const;
    await expect(buyer.ledger.perform({ step: 'purchase', grants: [altered] })).rejects.toMatchObject({
      code: 'ledger-refused',
    });
    const validUntil = Math.floor((await stage.now()) / 1000) - 3600;
    const late = await sampleOf(stage, { validUntil });
    await expect(buyer.ledger.perform({ step: 'purchase', grants: [late.signed] })).rejects.toMatchObject({
      code: 'ledger-refused',
    });
    expect((await buyer.ledger.stateOf(signed.grantId, 'final')).status).toBe('none');
  });
}

function endsOf(open: Open): void {
  it('end by the patient’s signature alone: before, while and after they are taken up', async () => {
    await using stage = await open();
    const { buyer, custodian } = stage;
    for (const depth of [0, 1, 2]) {
      const { signed, patient } = await sampleOf(stage);
      const { grantId, offer } = signed;
      const purchase = { step: 'purchase', grants: [signed] } as const;
      const confirm = { step: 'confirm', grants: [await confirmationOf(stage, signed)] } as const;
      if (depth > 0) await buyer.ledger.perform(purchase);
      if (depth > 1) await custodian.ledger.perform(confirm);
      const forged = custodian.ledger.perform({ step: 'revoke', offer, signature: '0x' });
      await expect(forged).rejects.toMatchObject({ code: 'ledger-refused' });
      const signature = await signRevocation(grantId, stage.domain, patient);
      const done = await custodian.ledger.perform({ step: 'revoke', offer, signature });
      expect((await custodian.ledger.perform({ step: 'revoke', offer, signature })).transaction).toBe(done.transaction);
      expect(await buyer.ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'revoked', isAllowed: false });
      if (depth === 0) await expect(buyer.ledger.perform(purchase)).rejects.toMatchObject({ code: 'ledger-refused' });
      if (depth === 1)
        await expect(custodian.ledger.perform(confirm)).rejects.toMatchObject({ code: 'ledger-refused' });
      const ended = (await eventsOf(buyer.ledger, 0n, grantId, depth + 1)).at(-1);
      expect(ended).toMatchObject({ kind: 'ended', status: 'revoked' });
    }
  });

  it('are given back when no key came in time, and not before', async () => {
    await using stage = await open();
    const { buyer } = stage;
    const { signed } = await sampleOf(stage);
    await buyer.ledger.perform({ step: 'purchase', grants: [signed] });
    const refund = { step: 'refund', offer: signed.offer } as const;
    await expect(buyer.ledger.perform(refund)).rejects.toMatchObject({ code: 'ledger-refused' });
    await stage.pass(2 * daySeconds + 60);
    await buyer.ledger.perform(refund);
    expect((await buyer.ledger.stateOf(signed.grantId, 'final')).status).toBe('closed');
    expect((await eventsOf(buyer.ledger, 0n, signed.grantId, 2)).at(-1)).toMatchObject({ status: 'closed' });
  });
}

function logsOf(open: Open): void {
  it('have their accesses and the roots of logs beside them', async () => {
    await using stage = await open();
    const { custodian, buyer } = stage;
    const { signed } = await sampleOf(stage);
    await custodian.ledger.perform({ step: 'log-access', grantId: signed.grantId, entry });
    const [accessed] = await eventsOf(buyer.ledger, 0n, signed.grantId, 1);
    expect(accessed).toMatchObject({ kind: 'accessed', entry });
    const first = { step: 'anchor', previous: roots[0], root: roots[1], count: 3n } as const;
    const done = await custodian.ledger.perform(first);
    expect((await custodian.ledger.perform(first)).transaction).toBe(done.transaction);
    await custodian.ledger.perform({ step: 'anchor', previous: roots[1], root: roots[2], count: 5n });
    const seen: LedgerEvent[] = [];
    const enough = new AbortController();
    for await (const event of buyer.ledger.events(done.at, { signal: enough.signal })) {
      if (event.kind === 'anchored') seen.push(event);
      if (seen.length === 2) enough.abort();
    }
    expect(seen).toMatchObject([
      { custodian: expect.stringMatching(new RegExp(custodian.account, 'i')), root: roots[1], count: 3n },
      { previous: roots[1], root: roots[2], count: 5n },
    ]);
  });
}
