import type { ResearchView } from '@pulsemesh/node/api';
import type { Payer } from '../components/research/ask-form.tsx';

/** Who can pay for an office: its own account, and the wallets that are bound to it. */
export function payersOf({ signer, accounts }: Pick<ResearchView, 'signer' | 'accounts'>): readonly Payer[] {
  const own = signer === null ? [] : [{ account: signer.account, kind: 'office' } as const];
  const bound = accounts.filter((account) => account !== signer?.account);
  return [...own, ...bound.map((account) => ({ account, kind: 'wallet' }) as const)];
}
