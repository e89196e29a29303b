import { createPublicClient, createWalletClient, defineChain, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { WalletAnswer } from './injected-wallet.ts';

/** A wallet that signs with a key at hand and talks to one chain. */
export function chainWallet(privateKey: `0x${string}`, chainId: number, url: string): WalletAnswer {
  const account = privateKeyToAccount(privateKey);
  const nativeCurrency = { name: 'units', symbol: 'units', decimals: 18 };
  const chain = defineChain({ id: chainId, name: 'test', nativeCurrency, rpcUrls: { default: { http: [url] } } });
  const client = createWalletClient({ account, chain, transport: http(url) });
  const reader = createPublicClient({ chain, transport: http(url) });
  return async (method, params) => {
    switch (method) {
      case 'eth_requestAccounts':
        return [account.address];
      case 'eth_signTypedData_v4':
        return account.signTypedData(JSON.parse(String(params[1])));
      case 'eth_sendTransaction': {
        const { to, data, value } = params[0] as Record<'to' | 'data' | 'value', `0x${string}`>;
        return client.sendTransaction({ to, data, value: BigInt(value) });
      }
      default:
        // What a wallet passes on to its node, as it is.
        return reader.request({ method, params } as never);
    }
  };
}
