import type { Hex, ResearchView } from '@pulsemesh/node/api';
import { useEffect, useState } from 'react';
import { formatAmount } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { accountOf, findWallets, signTyped, type Wallet } from '../../consent/wallet.ts';
import { shortId } from '../../format.ts';
import { ActButton, Problem } from '../consent/parts.tsx';

/** A wallet of this browser with the account that it showed. */
export interface ChosenWallet {
  readonly wallet: Wallet;
  readonly account: Hex;
}

export interface WalletActions {
  readonly binding: (account: Hex) => Promise<{ readonly typedData: string }>;
  readonly bind: (account: Hex, signature: Hex) => Promise<void>;
}

/** Who pays: the office's own account, and wallets of this browser, each bound to the office by a signature first. */
export function WalletPanel(props: {
  readonly view: ResearchView;
  readonly symbol: string;
  readonly decimals: number;
  readonly chosen: ChosenWallet | null;
  readonly onChoose: (chosen: ChosenWallet) => void;
  readonly actions: WalletActions;
}) {
  const { view, symbol, decimals, chosen, onChoose, actions } = props;
  const wallets = useWallets();
  const act = useAct();
  const isBound = chosen !== null && view.accounts.includes(chosen.account);
  return (
    <section className="panel" aria-labelledby="wallet-title">
      <h2 id="wallet-title">Who pays</h2>
      <p>
        {view.signer === null
          ? 'The office has no account of its own: a wallet pays.'
          : `The office’s own account ${shortId(view.signer.account)} may still spend ${formatAmount(view.signer.leftToSpend, { symbol, decimals })}.`}
      </p>
      {chosen !== null ? (
        <p>
          Wallet <bdi>{chosen.wallet.name}</bdi> with account{' '}
          <span className="id" title={chosen.account}>
            {shortId(chosen.account)}
          </span>
          : {isBound ? 'bound to this office' : 'not bound to this office yet'}.
        </p>
      ) : wallets.length === 0 ? (
        <p className="hint">No wallet of this browser has announced itself (EIP-6963).</p>
      ) : null}
      <div className="wallet-list">
        {wallets.map((wallet) =>
          chosen?.wallet.uuid === wallet.uuid ? null : (
            <ActButton
              key={wallet.uuid}
              act={act}
              name={wallet.uuid}
              busyText="Waiting for the wallet…"
              isQuiet
              onPress={async () => onChoose({ wallet, account: await accountOf(wallet) })}
            >
              Use <bdi>{wallet.name}</bdi> <span className="quiet-id">{wallet.rdns}</span>
            </ActButton>
          ),
        )}
        {chosen === null || isBound ? null : (
          <ActButton
            act={act}
            name="bind"
            busyText="Waiting for the wallet…"
            onPress={async () => {
              const { typedData } = await actions.binding(chosen.account);
              await actions.bind(chosen.account, await signTyped(chosen.wallet, chosen.account, typedData));
            }}
          >
            Bind this account to the office
          </ActButton>
        )}
      </div>
      {chosen === null || isBound ? null : (
        <p className="hint">
          Binding costs nothing: the wallet signs that it pays for this office, and the office signs that it belongs to
          it. Patients are shown both.
        </p>
      )}
      <Problem text={act.problem} />
    </section>
  );
}

function useWallets(): readonly Wallet[] {
  const [wallets, setWallets] = useState<readonly Wallet[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    findWallets(window, setWallets, abort.signal);
    return () => abort.abort();
  }, []);
  return wallets;
}
