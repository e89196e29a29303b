import type { WaitOptions } from '@pulsemesh/base';
import { isAddress, keccak256 } from 'viem';
import { LedgerUnreachableError } from '../grants/errors.ts';
import type { Hex } from '../offer/offer.ts';
import type { AccountSigner } from './accounts/local-signer.ts';
import { ChainAsker } from './reading/chain-answers.ts';
import { assertChain } from './reading/chain-view.ts';
import { type ChainDependencies, createProviderPool } from './rpc/provider-pool.ts';
import { ProviderFailure } from './rpc/rpc-errors.ts';
import { refusalOfAnswer } from './sending/drafts.ts';
import { currentFees } from './sending/fees.ts';

export interface SendCoinsOptions {
  /** One address only: a payment that is tried at a second provider may be made twice. */
  readonly url: string;
  readonly chainId: number;
  readonly signer: AccountSigner;
  /** Lower case, or with EIP-55's capitals, which are then checked. */
  readonly to: Hex;
  /** Of the chain's smallest. */
  readonly units: bigint;
}

/**
 * Sends the chain's coin from one account to another, once the provider has shown that it is the chain. Resolves with the transaction
 * when it was taken, which on most chains is before it is sealed. Whoever else uses the account is not looked for.
 * @throws {LedgerWrongError} for another chain; {LedgerRefusedError}; {LedgerUnreachableError}, which names the transaction where it may have been taken all the same; {RangeError} for an address that is none.
 */
export async function sendCoins(
  { url, chainId, signer, to, units }: SendCoinsOptions,
  dependencies: ChainDependencies,
  wait: WaitOptions = {},
): Promise<Hex> {
  if (!isAddress(to)) throw new RangeError('the account to send to is mistyped: its capitals say that it is another');
  const check = (ask: ConstructorParameters<typeof ChainAsker>[0], label: string) =>
    assertChain(new ChainAsker(ask, label), chainId);
  const pool = createProviderPool({ urls: [url], check }, dependencies);
  const use = <T>(action: (asker: ChainAsker) => Promise<T>) =>
    pool.use((ask, label) => action(new ChainAsker(ask, label)), wait);
  let sent: Hex | null = null;
  try {
    const raw = await use(async (asker) => {
      const gas = await asker.estimateGas({ to, data: '0x', from: signer.address, value: units });
      const nonce = await asker.nonceOf(signer.address, 'pending');
      const { isLegacy, feePerGas, tip } = await currentFees(asker);
      const common = { chainId, to, value: units, nonce, gas };
      return signer.signTransaction(
        isLegacy
          ? { ...common, type: 'legacy', gasPrice: feePerGas }
          : { ...common, type: 'eip1559', maxFeePerGas: feePerGas, maxPriorityFeePerGas: tip },
      );
    });
    sent = keccak256(raw);
    await use((asker) => asker.send(raw));
    return sent;
  } catch (error) {
    throw refusalOfAnswer(error) ?? (sent === null ? error : unknownFate(error, sent));
  }
}

/** A provider that broke off may have taken what it was given. */
function unknownFate(error: unknown, transaction: Hex): unknown {
  const isBrokenOff = error instanceof LedgerUnreachableError && error.cause instanceof ProviderFailure;
  if (!isBrokenOff) return error;
  const why = `whether transaction ${transaction} was taken is not known: look for it before sending again`;
  return new LedgerUnreachableError(why, { facts: { transaction }, cause: error });
}
