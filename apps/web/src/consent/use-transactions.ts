import { startTicker } from '@pulsemesh/base/clock';
import type { GrantView, Hex } from '@pulsemesh/node/api';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useTools } from '../state/hooks.ts';
import { lookForTransaction, type TransactionState, type Wallet } from './wallet.ts';

/** A purchase that a wallet sent from this page. */
export interface SentPurchase {
  readonly wallet: Wallet;
  readonly account: Hex;
  readonly transaction: Hex;
  readonly nonce: bigint | null;
  readonly state: TransactionState;
}

/** How often the wallet is asked where a transaction is. */
export const lookEveryMs = 2_000;
/** Purchases that are followed at once. */
const followedMax = 32;

/** Follows purchases until their grant is taken up, or they failed. */
export function useTransactions(grants: readonly GrantView[]) {
  const { clock } = useTools();
  const [sent, setSent] = useState<ReadonlyMap<Hex, SentPurchase>>(new Map());
  const now = useRef({ sent, grants });
  now.current = { sent, grants };
  const isOpen = [...sent.values()].some(({ state }) => state.kind === 'pending' || state.kind === 'unknown');

  const follow = useCallback((grantId: Hex, purchase: Omit<SentPurchase, 'nonce' | 'state'>) => {
    setSent((before) => {
      const next = new Map(before).set(grantId, { ...purchase, nonce: null, state: { kind: 'pending' } });
      const oldest = next.size > followedMax ? next.keys().next().value : undefined;
      if (oldest !== undefined) next.delete(oldest);
      return next;
    });
  }, []);

  useEffect(() => {
    if (!isOpen) return;
    const ticker = startTicker(
      clock,
      lookEveryMs,
      async () => {
        for (const [grantId, purchase] of now.current.sent) {
          const grant = now.current.grants.find((one) => one.grantId === grantId);
          const { kind } = purchase.state;
          if (grant?.phase !== 'offered' || (kind !== 'pending' && kind !== 'unknown')) continue;
          const { state, nonce } = await lookForTransaction(purchase.wallet, purchase);
          setSent((before) => {
            const same = before.get(grantId);
            if (same?.transaction !== purchase.transaction) return before;
            return new Map(before).set(grantId, { ...same, state, nonce });
          });
        }
      },
      // A wallet that does not answer is asked again.
      () => undefined,
    );
    return () => ticker.stop();
  }, [isOpen, clock]);

  return { sent, follow };
}

/** Where a purchase is, in words; the ledger's own word about the grant comes first. */
export function purchaseWords(purchase: SentPurchase | undefined, phase: GrantView['phase']): string | null {
  if (phase !== 'offered') return purchase === undefined ? null : 'The purchase is final.';
  switch (purchase?.state.kind) {
    case undefined:
      return null;
    case 'pending':
      return 'Sent; waits for a block. It can still be sped up or cancelled in the wallet.';
    case 'unknown':
      return 'Sent, and the wallet’s node does not show it now. It may still come: do not pay twice.';
    case 'replaced':
      return 'Another transaction took its place: it was sped up or cancelled in the wallet. If it was cancelled, you can take up the offer again.';
    case 'failed':
      return 'The ledger refused it: nothing but the fee was paid. The offer may be over, withdrawn, or taken up already.';
    case 'sealed':
      return 'In a block. It counts once that block is final.';
  }
}
