import type { Hex } from '../offer/offer.ts';
import type { AmountView } from './views.ts';

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
