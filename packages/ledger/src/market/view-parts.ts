import type { GrantStatus } from '../grants/grant-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import { receiptOf } from './kept-messages.ts';
import type { AskBody } from './messages.ts';
import type { AccessView, AmountView, AskTermsView, GrantPhase } from './views.ts';

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

/** What a request asks for, in the units of pages. */
export function askTermsView(ask: AskBody, currency: Currency): AskTermsView {
  return {
    askId: ask.askId,
    organisation: ask.organisation,
    title: ask.title,
    purpose: ask.purpose,
    explanation: ask.explanation,
    vitals: ask.vitals,
    fromMs: ask.fromSeconds * 1000,
    untilMs: ask.untilSeconds * 1000,
    accessForMs: ask.accessForSeconds * 1000,
    price: amountView(ask.price, ask.token, currency),
  };
}

/** An access, as its receipt has it; who reads is known to each side from elsewhere. */
export function accessView(
  row: { readonly receipt: Uint8Array; readonly custodian: string },
  by: Pick<AccessView, 'organisation' | 'anchor'>,
): AccessView {
  const kept = receiptOf(row);
  const { record, index } = kept.receipt;
  return {
    grantId: record.grantId,
    kind: record.kind,
    reader: record.reader,
    organisation: by.organisation,
    custodian: row.custodian,
    atMs: record.atMs,
    purpose: record.purpose,
    fromMs: record.fromSeconds * 1000,
    untilMs: record.untilSeconds * 1000,
    records: record.records,
    bytes: record.bytes,
    reason: record.reason,
    index,
    receipt: kept.base64,
    anchor: by.anchor,
  };
}
