import type { GrantView, Hex, LedgerView, ResearchView } from '@pulsemesh/node/api';
import { useCallback, useMemo, useState } from 'react';
import { AccessTable } from '../components/consent/access-table.tsx';
import { MyAsks } from '../components/research/my-asks.tsx';
import { type PurchaseActions, PurchaseCard } from '../components/research/purchase-card.tsx';
import { type ChosenWallet, WalletPanel } from '../components/research/wallet-panel.tsx';
import { Notice } from '../components/small.tsx';
import { researchOf } from '../consent/consent-api.ts';
import { payersOf } from '../consent/payers.ts';
import { useAccessChecks, useCheckedAudit } from '../consent/use-checks.ts';
import { useTransactions } from '../consent/use-transactions.ts';
import { sendTransaction, signTyped, WalletError } from '../consent/wallet.ts';
import { formatCount } from '../format.ts';
import { useSecond, useTools } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

export interface ResearchPageProps {
  readonly view: ResearchView;
  readonly put: (view: ResearchView) => void;
  readonly ledger: LedgerView | null;
}

/** What was offered and taken up, what was asked, who pays, and what this office read. */
export function ResearchPage({ view, put, ledger }: ResearchPageProps) {
  const { client } = useTools();
  const nowMs = useSecond();
  const [chosen, setChosen] = useState<ChosenWallet | null>(null);
  const { sent, follow } = useTransactions(view.grants);
  const office = useMemo(() => researchOf(client), [client]);
  const hasReceipt = useCallback(async (grantId: Hex) => (await office.receipt(grantId)) !== null, [office]);
  const symbol = ledger?.symbol ?? 'units';
  const decimals = ledger?.decimals ?? 0;
  const refresh = async () => put(await office.view());
  const actions = { ...purchaseActions(office, put, follow), hasReceipt };
  return (
    <>
      <Offers {...{ view, ledger, nowMs, chosen, sent, actions }} />
      <WalletPanel
        view={view}
        symbol={symbol}
        decimals={decimals}
        chosen={chosen}
        onChoose={setChosen}
        actions={{
          binding: office.binding,
          bind: async (account, signature) => put(await office.bind({ account, signature })),
        }}
      />
      <section aria-labelledby="asked-title">
        <h2 id="asked-title">What was asked</h2>
        {view.asks.length === 0 ? (
          <Notice title="Nothing was asked yet.">
            <p>
              <a href={routeHref({ page: 'ask' })}>See what is offered, and ask</a>
            </p>
          </Notice>
        ) : (
          <MyAsks
            asks={view.asks}
            payers={payersOf(view)}
            nowMs={nowMs}
            onAsk={async (request) => {
              await office.ask(request);
              await refresh();
            }}
          />
        )}
      </section>
      <OwnAccesses view={view} nowMs={nowMs} />
    </>
  );
}

function purchaseActions(
  office: ReturnType<typeof researchOf>,
  put: ResearchPageProps['put'],
  follow: ReturnType<typeof useTransactions>['follow'],
): Omit<PurchaseActions, 'hasReceipt'> {
  const refresh = async () => put(await office.view());
  return {
    buyWithWallet: async (grantId, { wallet, account }) => {
      const transaction = await sendTransaction(wallet, account, await office.transaction(grantId));
      follow(grantId, { wallet, account, transaction });
      put(await office.bought(grantId, transaction));
    },
    buy: async (grantId) => {
      await office.buy(grantId);
      await refresh();
    },
    refund: async (grantId) => {
      await office.refund(grantId);
      await refresh();
    },
    dispute: async (grantId, chosen) => {
      if (chosen === null) await office.dispute(grantId);
      else await sendTransaction(chosen.wallet, chosen.account, await office.disputeTransaction(grantId));
      await refresh();
    },
    confirm: async (grantId, { wallet, account }) => {
      const receipt = await office.receipt(grantId);
      if (receipt === null) throw new WalletError('The key has not come yet. This page shows it when it does.');
      put(await office.confirm(grantId, await signTyped(wallet, account, receipt.typedData)));
    },
    save: async (grantId, format) => {
      await office.save(grantId, format);
      await refresh();
    },
  };
}

function Offers(props: {
  readonly view: ResearchView;
  readonly ledger: LedgerView | null;
  readonly nowMs: number;
  readonly chosen: ChosenWallet | null;
  readonly sent: ReturnType<typeof useTransactions>['sent'];
  readonly actions: PurchaseActions;
}) {
  const { view, sent, ...rest } = props;
  const isOpen = ({ phase }: GrantView) => ['offered', 'paid', 'delivered', 'disputed', 'active'].includes(phase);
  const cards = (grants: readonly GrantView[]) => (
    <ul className="task-list">
      {grants.map((grant) => (
        <li key={grant.grantId}>
          <PurchaseCard
            grant={grant}
            ownAccount={view.signer?.account ?? null}
            sent={sent.get(grant.grantId)}
            {...rest}
          />
        </li>
      ))}
    </ul>
  );
  const [open, over] = [view.grants.filter(isOpen), view.grants.filter((grant) => !isOpen(grant))];
  return (
    <section aria-labelledby="offers-title">
      <h2 id="offers-title">Offers and consents ({formatCount(open.length)})</h2>
      {open.length === 0 ? (
        <p className="quiet">None stands. An offer appears here when a patient says yes to a request.</p>
      ) : (
        cards(open)
      )}
      {over.length === 0 ? null : (
        <details className="raw">
          <summary>Over ({formatCount(over.length)})</summary>
          {cards(over)}
        </details>
      )}
    </section>
  );
}

function OwnAccesses({ view, nowMs }: { readonly view: ResearchView; readonly nowMs: number }) {
  const checked = useCheckedAudit();
  const checks = useAccessChecks(view.accesses, checked);
  return (
    <section aria-labelledby="own-title">
      <h2 id="own-title">What this office read</h2>
      {view.accesses.length === 0 ? (
        <p className="quiet">Nothing yet.</p>
      ) : (
        <AccessTable
          accesses={view.accesses}
          checks={checks}
          nowMs={nowMs}
          caption="Reads of this office, newest first"
        />
      )}
    </section>
  );
}
