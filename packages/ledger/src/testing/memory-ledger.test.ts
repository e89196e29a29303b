import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { LedgerRefusedError, LedgerStaleError, LedgerUnreachableError } from '../grants/errors.ts';
import type { LedgerEvent } from '../grants/grant-ledger.ts';
import { MemoryLedger } from './memory-ledger.ts';
import { accountOf, someOffer } from './some-offer.ts';

const buyer = accountOf(1);
const custodian = accountOf(2);
const token = accountOf(0);

function world(finalityDepth = 0) {
  const clock = new VirtualClock();
  const ledger = new MemoryLedger({ finalityDepth }, { clock });
  const signed = someOffer({ buyer, custodian, price: 5n }, { clock, domain: ledger.domain });
  return { clock, ledger, signed };
}

async function eventsOf(ledger: MemoryLedger, count: number): Promise<LedgerEvent[]> {
  const ending = new AbortController();
  const found: LedgerEvent[] = [];
  for await (const event of ledger.events(0n, ending.signal)) {
    found.push(event);
    if (found.length === count) ending.abort();
  }
  return found;
}

describe('a ledger in memory', () => {
  it('runs a grant its course, and pays the patient', async () => {
    const { ledger, signed } = world();
    await ledger.connect(buyer).perform({ step: 'purchase', grants: [signed] });
    const confirm = { offer: signed.offer, delivery: signed.grantId, receipt: '0x01' } as const;
    await ledger.connect(custodian).perform({ step: 'confirm', grants: [confirm] });
    expect(ledger.stateOf(signed.grantId, 'final')).toMatchObject({ status: 'active', isAllowed: true });
    expect(ledger.final.credit(signed.offer.payee, token)).toBe(5n);
    expect(ledger.final.balance(buyer, token)).toBe(-5n);
    expect((await eventsOf(ledger, 2)).map(({ kind }) => kind)).toEqual(['purchased', 'confirmed']);
  });

  it('does a step once, whoever repeats it, and whether its answer was heard or not', async () => {
    const { ledger, signed } = world();
    const view = ledger.connect(buyer);
    view.setTrouble('answers-lost');
    await expect(view.perform({ step: 'purchase', grants: [signed] })).rejects.toBeInstanceOf(LedgerUnreachableError);
    view.setTrouble(null);
    const done = await view.perform({ step: 'purchase', grants: [signed] });
    expect(done.at).toBe(1n);
    expect(ledger.final.balance(buyer, token)).toBe(-5n);
  });

  it('refuses what the contract refuses, and changes nothing then', async () => {
    const { clock, ledger, signed } = world();
    await expect(ledger.connect(custodian).perform({ step: 'purchase', grants: [signed] })).rejects.toBeInstanceOf(
      LedgerRefusedError,
    );
    await ledger.connect(buyer).perform({ step: 'purchase', grants: [signed] });
    const refund = { step: 'refund', offer: signed.offer } as const;
    await expect(ledger.connect(buyer).perform(refund)).rejects.toMatchObject({ reason: 'TooEarly' });
    await clock.advance(signed.offer.deliverWithin * 1000 + 1000);
    await ledger.connect(buyer).perform(refund);
    expect(ledger.final.credit(buyer, token)).toBe(5n);
  });

  it('takes back what is not final, and tells of nothing that it may take back', async () => {
    const { ledger, signed } = world(2);
    await ledger.connect(buyer).perform({ step: 'purchase', grants: [signed] });
    expect(ledger.stateOf(signed.grantId, 'sealed').status).toBe('funded');
    expect(ledger.stateOf(signed.grantId, 'final').status).toBe('none');
    ledger.reorganise(1);
    expect(ledger.stateOf(signed.grantId, 'sealed').status).toBe('none');
    await ledger.connect(buyer).perform({ step: 'purchase', grants: [signed] });
    ledger.seal(2);
    expect(ledger.stateOf(signed.grantId, 'final').status).toBe('funded');
    expect((await eventsOf(ledger, 1)).map(({ kind }) => kind)).toEqual(['purchased']);
  });

  it('can be away, and stale', async () => {
    const { ledger, signed } = world();
    const view = ledger.connect(null);
    view.setTrouble('away');
    await expect(view.status()).rejects.toBeInstanceOf(LedgerUnreachableError);
    view.setTrouble('stale');
    await expect(view.stateOf(signed.grantId, 'final')).rejects.toBeInstanceOf(LedgerStaleError);
  });
});
