import type { GrantStatus } from '../grants/grant-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import type { AmountView, GrantPhase } from './views.ts';

/** Money as people see it. */
export interface Currency {
  /** Of the ledger's own coin. */
  readonly symbol: string;
  readonly decimals: number;
  /** Tokens that this place knows; others are shown in whole units. */
  readonly tokens?: ReadonlyMap<Hex, { readonly symbol: string; readonly decimals: number }>;
}

const ownCoin = /^0x0{40}$/;

/** An amount with what it is in. */
export function amountView(units: bigint, token: Hex, currency: Currency): AmountView {
  const of = ownCoin.test(token) ? currency : currency.tokens?.get(token);
  return { units: units.toString(), token, symbol: of?.symbol ?? 'units', decimals: of?.decimals ?? 0 };
}

interface Phased {
  readonly status: GrantStatus;
  readonly deadline: number;
  readonly validUntil: number;
  readonly isRefunded: boolean;
  readonly revocation: Hex | null;
}

/** In the words of people; what the ledger says, and what its clock makes of it. */
export function phaseOf(grant: Phased, nowMs: number): GrantPhase {
  if (grant.revocation !== null) return 'revoked';
  const nowSeconds = Math.floor(nowMs / 1000);
  switch (grant.status) {
    case 'none':
      return nowSeconds > grant.validUntil ? 'expired' : 'offered';
    case 'funded':
      return 'paid';
    case 'active':
      return nowSeconds > grant.deadline ? 'expired' : 'active';
    case 'closed':
      return grant.isRefunded ? 'refunded' : 'closed';
    default:
      return grant.status;
  }
}

export function deadlineMsOf(grant: Pick<Phased, 'deadline' | 'validUntil'>, phase: GrantPhase): number | null {
  if (phase === 'offered') return grant.validUntil * 1000;
  return grant.deadline === 0 || phase === 'revoked' ? null : grant.deadline * 1000;
}
