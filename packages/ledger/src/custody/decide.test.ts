import { expect, it } from 'vitest';
import type { GrantStatus } from '../grants/grant-ledger.ts';
import { type LedgerFacts, whyNotReleased } from './decide.ts';
import type { HeldGrant } from './grant-row.ts';

const nowMs = 1_000_000;
// Of a grant, all that is looked at.
const grant = {
  terms: { signed: { offer: { price: 7n, deliverWithin: 86_400 } } },
  place: 0,
  row: { withdrawal: null },
} as unknown as HeldGrant;

function facts(final: GrantStatus, sealed: GrantStatus): LedgerFacts {
  return { kind: 'known', final: { status: final, deadline: nowMs / 1000 + 86_400, isAllowed: true }, sealed };
}

it('hands no key to whom the newest block gives, or may give, its money back', () => {
  expect(whyNotReleased(grant, facts('delivered', 'delivered'), nowMs)).toBeNull();
  expect(whyNotReleased(grant, facts('delivered', 'disputed'), nowMs)).toBe('not-paid');
  expect(whyNotReleased(grant, facts('funded', 'disputed'), nowMs)).toBe('not-paid');
  expect(whyNotReleased(grant, facts('funded', 'closed'), nowMs)).toBe('expired');
  expect(whyNotReleased(grant, facts('active', 'revoked'), nowMs)).toBe('revoked');
});
