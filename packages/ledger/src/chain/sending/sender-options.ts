import type { TableStore } from '@pulsemesh/store';
import type { AccountSigner } from '../accounts/local-signer.ts';
import type { ChainView } from '../reading/chain-view.ts';
import type { ChainDependencies, ProviderPool } from '../rpc/provider-pool.ts';
import type { SpendingLimit } from './spending.ts';

/** How transactions are made and followed. Milliseconds. */
export interface SendingOptions {
  /** Between two looks whether a transaction was sealed; default 1,000. */
  readonly confirmPollMs?: number;
  /** How long a step waits to be sealed before it says so; it is followed on; default 180,000. */
  readonly confirmMsMax?: number;
  /** A transaction whose turn it is and that is not sealed after this long is sent with higher fees; default 60,000. */
  readonly stuckMs?: number;
  /** A transaction that is not sealed is handed to the providers again after this long; default 15,000. */
  readonly resendMs?: number;
  /** Wei for a unit of gas; above it nothing is sent until fees fall; default null: no cap. */
  readonly feePerGasMax?: bigint | null;
  /** Default none: no limits. */
  readonly spendingLimits?: readonly SpendingLimit[];
}

export interface SenderOptions extends Required<SendingOptions> {
  readonly chainId: number;
  readonly signer: AccountSigner;
}

export interface SenderDependencies extends ChainDependencies {
  readonly pool: ProviderPool;
  readonly view: ChainView;
  readonly store: TableStore;
}

/** The defaults of {@link SendingOptions}. */
export function sendingOptions(options: SendingOptions): Required<SendingOptions> {
  return {
    confirmPollMs: options.confirmPollMs ?? 1_000,
    confirmMsMax: options.confirmMsMax ?? 180_000,
    stuckMs: options.stuckMs ?? 60_000,
    resendMs: options.resendMs ?? 15_000,
    feePerGasMax: options.feePerGasMax ?? null,
    spendingLimits: options.spendingLimits ?? [],
  };
}
