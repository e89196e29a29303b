import {
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  pad,
  toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentLedgerAbi } from '../contract/consent-ledger.ts';
import { deployments } from '../contract/deploy.ts';
import { type Anvil, startAnvil } from '../testing/anvil.ts';
import {
  bank,
  chainOf,
  systemDependencies,
  temporaryDirectory,
  testChainId,
  testOptions,
} from './chain-world.testing.ts';
import { signOffer, someOffer } from './purchase-load.ts';
import { type EmbeddedChain, startEmbeddedChain } from './start-embedded-chain.ts';

// The same calls of the same contract on both chains: gas, logs, state and refusals are the same to the unit.

const directory = temporaryDirectory();
const buyer = privateKeyToAccount(keccak256(toHex('conformance buyer')));
let anvil: Anvil;
let chain: EmbeddedChain;
let urls: readonly [string, string];

beforeAll(async () => {
  anvil = await startAnvil({ chainId: testChainId, args: ['--base-fee', '0', '--gas-price', '0'] });
  chain = await startEmbeddedChain(testOptions(directory.path), systemDependencies);
  urls = [chain.url ?? '', anvil.url];
}, 120_000);

afterAll(async () => {
  await anvil[Symbol.asyncDispose]();
  await chain[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

/** Everything both chains have to agree on: no times, no block numbers. */
async function runThrough(url: string) {
  const shared = { chain: chainOf(url), transport: http(url, { timeout: 60_000 }), pollingInterval: 20 };
  const reader = createPublicClient(shared);
  const wallet = createWalletClient(shared);
  const seen: unknown[] = [];
  const send = async (account: typeof bank, transaction: { to?: Hex; data?: Hex; value?: bigint }, gas: bigint) => {
    const fees = { maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };
    const hash = await wallet.sendTransaction({ account, ...transaction, gas, ...fees });
    const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
    const { timestamp } = await reader.getBlock({ blockHash: receipt.blockHash });
    // The grant's deadline hangs on the block's time, which is each chain's own.
    const deadline = pad(toHex(timestamp + 86_400n)).slice(2);
    const logs = receipt.logs.map(({ address, topics, data }) => ({
      address,
      topics,
      data: data.replace(deadline, 'D'),
    }));
    seen.push({
      hash,
      status: receipt.status,
      gasUsed: receipt.gasUsed,
      contract: receipt.contractAddress ?? null,
      type: receipt.type,
      logs,
    });
    seen.push(receipt.logsBloom);
    return receipt;
  };
  const answerOf = async (method: string, params: unknown[]) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { result, error } = (await response.json()) as { result?: unknown; error?: { code: number; data?: unknown } };
    seen.push(error === undefined ? result : { code: error.code, data: error.data });
  };
  const contracts: Hex[] = [];
  for (const { data, gas } of deployments) {
    const { contractAddress } = await send(bank, { data }, gas);
    contracts.push(contractAddress ?? '0x');
  }
  const [ledger] = contracts as [Hex];
  await send(bank, { to: buyer.address, value: 10n ** 18n }, 21_000n);
  await exerciseLedger(ledger, send, answerOf);
  return seen;
}

type Send = (
  account: typeof bank,
  transaction: { to?: Hex; data?: Hex; value?: bigint },
  gas: bigint,
) => Promise<unknown>;

async function exerciseLedger(to: Hex, send: Send, answerOf: (method: string, params: unknown[]) => Promise<void>) {
  const offer = someOffer(buyer.address, 'conformance');
  const signature = await signOffer(offer, testChainId, to, 'conformance');
  const encode = (functionName: string, args: unknown[]) =>
    encodeFunctionData({ abi: consentLedgerAbi, functionName, args } as unknown as Parameters<
      typeof encodeFunctionData
    >[0]); // names vary
  const purchase = encode('purchase', [offer, signature]);
  const read = (data: Hex, from: Hex = buyer.address, value = '0x0') =>
    answerOf('eth_call', [{ from, to, data, value }, 'latest']);
  await read(encode('offerId', [offer]));
  await read(purchase); // pays nothing
  await read(purchase, bank.address, toHex(offer.price)); // is another
  await send(buyer, { to, data: purchase, value: offer.price }, 200_000n);
  await send(buyer, { to, data: purchase, value: offer.price }, 200_000n); // once only
  await send(buyer, { to, data: purchase, value: offer.price }, 40_000n); // out of gas
  await send(bank, { to, data: encode('anchor', [pad('0x1'), pad('0x2'), 7n]) }, 100_000n);
  await send(buyer, { to, data: encode('revokeBySignature', [offer, '0x1234']) }, 200_000n);
  await read(encode('creditOf', [offer.token, offer.payee]));
  await read('0x12345678');
  await answerOf('eth_getBalance', [buyer.address, 'latest']);
  await answerOf('eth_getTransactionCount', [buyer.address, 'latest']);
  await answerOf('eth_getStorageAt', [to, '0x0', 'latest']);
  await answerOf('eth_getCode', [to, 'latest']);
}

describe('beside anvil', () => {
  it('costs, writes and refuses the same', { timeout: 120_000 }, async () => {
    const ours = await runThrough(urls[0]);
    const theirs = await runThrough(urls[1]);
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(25);
  });

  it('has the P-256 precompile (EIP-7951)', async () => {
    // Vector of EIP-7951's repository: a signature that holds, then the same over another hash.
    const signed =
      'bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023' +
      '2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18' +
      '4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76' +
      '2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838' +
      'c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e';
    for (const url of urls) {
      const reader = createPublicClient({ transport: http(url) });
      const to = pad('0x100', { size: 20 });
      expect((await reader.call({ to, data: `0x${signed}` })).data).toBe(pad('0x1'));
      expect((await reader.call({ to, data: `0x00${signed.slice(2)}` })).data).toBeUndefined();
    }
  });
});
