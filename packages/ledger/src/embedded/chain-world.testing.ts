import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { type Chain, createPublicClient, createWalletClient, custom, defineChain } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { deployments } from '../contract/deploy.ts';
import type { Hex } from '../offer/offer.ts';
import type { EmbeddedChain, EmbeddedChainOptions } from './start-embedded-chain.ts';

/** An account with all the coin there is: the first of anvil's, so that both chains know it. */
export const bankKey: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
export const bank = privateKeyToAccount(bankKey);
export const testChainId = 15_151;
export const systemDependencies = {
  clock: createSystemClock({ unref: true }),
  logger: silentLogger,
  meter: silentMeter,
};

/** A directory that goes with its holder. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'pulsemesh-chain-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function testOptions(directory: string, changes: Partial<EmbeddedChainOptions> = {}): EmbeddedChainOptions {
  return {
    directory,
    chainId: testChainId,
    sealer: { seed: new Uint8Array(32).fill(9) },
    genesis: { treasury: bank.address },
    reserveBytes: 0,
    ...changes,
  };
}

/** The network as viem knows it. */
export function chainOf(url = 'http://127.0.0.1:1'): Chain {
  return defineChain({
    id: testChainId,
    name: 'test',
    nativeCurrency: { name: 'unit', symbol: 'U', decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  });
}

/** viem's clients over a chain's own calls, without HTTP. */
export function clientsOf(chain: Pick<EmbeddedChain, 'request'>) {
  const transport = custom(
    { request: (call) => chain.request(call as { method: string; params?: unknown }) },
    { retryCount: 0 },
  );
  const shared = { chain: chainOf(), transport, pollingInterval: 10 };
  return { reader: createPublicClient(shared), wallet: createWalletClient({ ...shared, account: bank }) };
}

/** Deploys the consent contract from the bank's account. */
export async function deployLedger({ reader, wallet }: ReturnType<typeof clientsOf>): Promise<Hex> {
  const [ledger] = deployments;
  if (ledger === undefined) throw new Error('nothing to deploy');
  const hash = await wallet.sendTransaction({ data: ledger.data });
  const { contractAddress } = await reader.waitForTransactionReceipt({ hash });
  if (!contractAddress) throw new Error('not deployed');
  return contractAddress;
}
