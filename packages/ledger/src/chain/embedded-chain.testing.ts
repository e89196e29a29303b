import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedChain } from '../embedded/index.ts';
import type { Hex } from '../offer/offer.ts';
import { testKeyOf } from '../testing/anvil.ts';
import { createLocalSigner } from './accounts/local-signer.ts';
import { type TestChain, testDependencies } from './chain-world.testing.ts';

/** An embedded chain of a test's own, in a directory that goes with it. Nobody needs coins for gas; the treasury gives them for prices. */
export async function embeddedTestChain(): Promise<TestChain> {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-ledger-'));
  const treasury = createLocalSigner(testKeyOf('treasury'));
  const chainId = 15_152;
  const chain = await startEmbeddedChain(
    {
      directory,
      chainId,
      sealer: { seed: new Uint8Array(32).fill(4) },
      genesis: { treasury: treasury.address },
      reserveBytes: 0,
    },
    testDependencies,
  );
  const ask = async (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    chain.request({ method, params });
  return {
    kind: 'embedded',
    url: chain.url ?? '',
    chainId,
    ask,
    async enrich(account: Hex) {
      const nonce = Number(await ask('eth_getTransactionCount', [treasury.address, 'latest']));
      const fees = { maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };
      const transaction = {
        type: 'eip1559',
        chainId,
        nonce,
        to: account,
        value: 10n ** 20n,
        gas: 21_000n,
        ...fees,
      } as const;
      await ask('eth_sendRawTransaction', [await treasury.signTransaction(transaction)]);
    },
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
