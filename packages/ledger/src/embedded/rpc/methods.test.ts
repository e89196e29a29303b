import { silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { BaseError, ContractFunctionRevertedError, type Hex, keccak256, pad, toHex, zeroAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentLedgerAbi } from '../../contract/consent-ledger.ts';
import { domainOf, offerIdOf } from '../../contract/typed-data.ts';
import { bank, clientsOf, deployLedger, temporaryDirectory, testChainId, testOptions } from '../chain-world.testing.ts';
import { embeddedLimits } from '../limits.ts';
import { someOffer } from '../purchase-load.ts';
import { startEmbeddedChainHere } from '../start-embedded-chain.ts';

const clock = new VirtualClock();
const directory = temporaryDirectory();
const poor = privateKeyToAccount(keccak256(toHex('poor')));
let chain: Awaited<ReturnType<typeof startEmbeddedChainHere>>;
let clients: ReturnType<typeof clientsOf>;
let ledger: Hex;

beforeAll(async () => {
  chain = await startEmbeddedChainHere(testOptions(directory.path), {
    clock,
    logger: silentLogger,
    meter: silentMeter,
  });
  clients = clientsOf(chain);
  ledger = await deployLedger(clients);
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const call = (method: string, ...params: unknown[]) => chain.request({ method, params });

/** Something else for each test to write. */
let written = 0;
async function anchor(): Promise<Hex> {
  written += 1;
  const args = [pad('0x1'), pad(toHex(written)), 3n] as const;
  return clients.wallet.writeContract({ address: ledger, abi: consentLedgerAbi, functionName: 'anchor', args });
}

describe('through viem', () => {
  it('names the chain and finds the head final', async () => {
    const { reader } = clients;
    expect(await reader.getChainId()).toBe(testChainId);
    const latest = await reader.getBlock();
    for (const blockTag of ['safe', 'finalized'] as const)
      expect((await reader.getBlock({ blockTag })).hash).toBe(latest.hash);
    expect((await reader.getBlock({ blockTag: 'earliest' })).hash).toBe(chain.genesisHash);
    expect((await reader.getBlock({ blockTag: 'pending' })).number).toBe(latest.number + 1n);
    expect(latest).toMatchObject({ baseFeePerGas: 0n, sealer: `0x${chain.sealer}` });
    expect(await reader.getBlock({ blockHash: latest.hash })).toEqual(latest);
  });

  it('costs nothing: who has no coins writes too', async () => {
    const args = [pad('0x1'), pad('0x2'), 3n] as const;
    const write = { account: poor, address: ledger, abi: consentLedgerAbi, functionName: 'anchor', args } as const;
    const receipt = await clients.reader.waitForTransactionReceipt({ hash: await clients.wallet.writeContract(write) });
    expect(receipt).toMatchObject({ status: 'success', effectiveGasPrice: 0n });
    expect(await clients.reader.getBalance({ address: poor.address })).toBe(0n);
    expect(await clients.reader.getTransactionCount({ address: poor.address })).toBe(1);
    expect(await clients.reader.estimateFeesPerGas()).toMatchObject({ maxFeePerGas: 0n });
    expect(await clients.reader.getFeeHistory({ blockCount: 3, rewardPercentiles: [50] })).toMatchObject({
      baseFeePerGas: [0n, 0n, 0n, 0n],
    });
  });

  it('says why a contract refuses, in simulation and in estimation', async () => {
    const offer = someOffer(bank.address, 'refused');
    const wrong = { address: ledger, abi: consentLedgerAbi, functionName: 'refund', args: [offer] } as const;
    const errorOf = async (asked: Promise<unknown>) => {
      const error = await asked.then(
        () => null,
        (thrown: unknown) => thrown,
      );
      const reverted =
        error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
      return reverted instanceof ContractFunctionRevertedError ? reverted.data : null;
    };
    const id = offerIdOf(offer, domainOf(testChainId, ledger));
    const expected = { errorName: 'WrongStatus', args: [id, 0] };
    expect(await errorOf(clients.reader.simulateContract(wrong))).toMatchObject(expected);
    expect(await errorOf(clients.reader.estimateContractGas({ ...wrong, account: bank }))).toMatchObject(expected);
  });

  it('seals what reverts, with status 0', async () => {
    const offer = someOffer(bank.address, 'reverts');
    const write = {
      address: ledger,
      abi: consentLedgerAbi,
      functionName: 'refund',
      args: [offer],
      gas: 200_000n,
    } as const;
    const receipt = await clients.reader.waitForTransactionReceipt({ hash: await clients.wallet.writeContract(write) });
    expect(receipt).toMatchObject({ status: 'reverted', logs: [] });
  });

  it('gives logs by block, address and topic, and watches them', async () => {
    const seen = Promise.withResolvers<unknown>();
    const stop = clients.reader.watchContractEvent({
      address: ledger,
      abi: consentLedgerAbi,
      eventName: 'Anchored',
      pollingInterval: 5,
      onLogs: (logs) => seen.resolve(logs[0]?.args),
      onError: seen.reject,
    });
    const filterOf = { address: ledger, abi: consentLedgerAbi, eventName: 'Anchored' } as const;
    // The watch begins with the block it finds first, whenever that is.
    await repeatUntil(seen.promise, anchor);
    expect(await seen.promise).toMatchObject({ custodian: bank.address, count: 3n });
    stop();
    const { blockNumber, transactionHash } = await clients.reader.waitForTransactionReceipt({ hash: await anchor() });
    const [log, ...others] = await clients.reader.getContractEvents({
      ...filterOf,
      fromBlock: blockNumber,
      toBlock: blockNumber,
    });
    expect(others).toEqual([]);
    expect(log).toMatchObject({ transactionHash, logIndex: 0, args: { custodian: bank.address } });
    const byTopic = { ...filterOf, fromBlock: 0n, args: { custodian: poor.address } } as const;
    expect((await clients.reader.getContractEvents(byTopic)).length).toBe(1);
    expect(await clients.reader.getLogs({ address: zeroAddress, fromBlock: 0n })).toEqual([]);
  });

  it('gives a transaction as it was signed', async () => {
    const hash = await anchor();
    expect(await clients.reader.getTransaction({ hash })).toMatchObject({
      hash,
      from: bank.address.toLowerCase(),
      type: 'eip1559',
      to: ledger,
    });
    expect(await call('eth_getTransactionByHash', pad('0x5'))).toBeNull();
    expect(await call('eth_getTransactionReceipt', pad('0x5'))).toBeNull();
  });

  it('reads balance, code and storage of the head', async () => {
    expect((await clients.reader.getCode({ address: ledger }))?.length).toBeGreaterThan(20_000);
    expect(await clients.reader.getCode({ address: poor.address })).toBeUndefined();
    expect(await clients.reader.getStorageAt({ address: ledger, slot: '0x0' })).toBe(pad('0x0'));
    expect(await clients.reader.getBalance({ address: bank.address })).toBe(10n ** 27n);
  });
});

async function repeatUntil(done: Promise<unknown>, action: () => Promise<unknown>): Promise<void> {
  let isDone = false;
  void done.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await action();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('time', () => {
  it('goes on without transactions, so that deadlines pass', async () => {
    const before = await clients.reader.getBlock();
    await clock.advance(61_000);
    await expect.poll(async () => (await clients.reader.getBlock()).number).toBe(before.number + 1n);
    const after = await clients.reader.getBlock();
    expect(after.timestamp - before.timestamp).toBeGreaterThanOrEqual(60n);
    expect(after.transactions).toEqual([]);
  });
});

describe('sending', () => {
  const sign = (nonce: number, changes = {}) =>
    bank.signTransaction({ chainId: testChainId, nonce, to: poor.address, gas: 21_000n, maxFeePerGas: 0n, ...changes });
  const nextNonce = () => clients.reader.getTransactionCount({ address: bank.address });

  it('answers the same transaction again with the same hash', async () => {
    const raw = await sign(await nextNonce());
    const hash = await call('eth_sendRawTransaction', raw);
    const { number } = await clients.reader.getBlock();
    expect(await call('eth_sendRawTransaction', raw)).toBe(hash);
    expect((await clients.reader.getBlock()).number).toBe(number);
  });

  it('puts what comes out of order in order, many in one block', async () => {
    const first = await nextNonce();
    const raws = await Promise.all([2, 0, 1].map((offset) => sign(first + offset)));
    const hashes = await Promise.all(raws.map((raw) => call('eth_sendRawTransaction', raw)));
    expect(await nextNonce()).toBe(first + 3);
    const receipts = await Promise.all(
      hashes.map((hash) => clients.reader.getTransactionReceipt({ hash: hash as Hex })),
    );
    expect(new Set(receipts.map(({ blockNumber }) => blockNumber)).size).toBe(1);
    expect(receipts.map(({ transactionIndex }) => transactionIndex)).toEqual([2, 0, 1]);
    expect(receipts[0]?.cumulativeGasUsed).toBe(63_000n);
  });

  it('refuses a gap that nobody fills, and a nonce that was used', async () => {
    const nonce = await nextNonce();
    const waiting = call('eth_sendRawTransaction', await sign(nonce + 1));
    const refused = expect(waiting).rejects.toMatchObject({
      code: -32_000,
      message: expect.stringContaining('nonce too high'),
    });
    await new Promise((resolve) => setImmediate(resolve));
    const hash = keccak256(await sign(nonce + 1));
    expect(await call('eth_getTransactionByHash', hash)).toMatchObject({ hash, blockNumber: null });
    await clock.advance(7_000);
    await refused;
    await expect(call('eth_sendRawTransaction', await sign(nonce - 1, { value: 5n }))).rejects.toMatchObject({
      message: expect.stringContaining('nonce too low'),
    });
    await expect(call('eth_sendRawTransaction', await sign(nonce + 1_000))).rejects.toMatchObject({ code: -32_005 });
  });

  it.each([
    ['too little coin', { value: 10n ** 30n }, -32_003],
    ['too little gas', { gas: 20_000n }, -32_003],
    ['more gas than a transaction may use', { gas: 2n ** 24n + 1n }, -32_000],
    ['another chain', { chainId: 1 }, -32_000],
  ])('refuses %s and takes the next', async (_what, changes, code) => {
    const nonce = await nextNonce();
    await expect(call('eth_sendRawTransaction', await sign(nonce, changes))).rejects.toMatchObject({ code });
    await call('eth_sendRawTransaction', await sign(nonce));
    expect(await nextNonce()).toBe(nonce + 1);
  });

  it('refuses what is no transaction', async () => {
    for (const raw of [
      '0x',
      '0x00',
      '0x02c0',
      `0x02f8${'00'.repeat(80)}`,
      `0x03${'ff'.repeat(50)}`,
      `0x${'c0'.repeat(9)}`,
    ]) {
      await expect(call('eth_sendRawTransaction', raw)).rejects.toMatchObject({ code: -32_000 });
    }
    await expect(call('eth_sendRawTransaction', `0x${'00'.repeat(131_073)}`)).rejects.toMatchObject({ code: -32_602 });
    const unsigned = await bank.signTransaction({
      type: 'legacy',
      nonce: 0,
      gas: 21_000n,
      gasPrice: 0n,
      to: zeroAddress,
    });
    await expect(call('eth_sendRawTransaction', unsigned)).rejects.toMatchObject({
      message: expect.stringContaining('EIP-155'),
    });
  });
});

describe('limits and refusals', () => {
  it.each([
    ['eth_getLogs', [{ topics: [null, null, null, null, null] }], -32_602],
    ['eth_feeHistory', ['0x401', 'latest', []], -32_005],
    ['eth_getBalance', [zeroAddress, '0x1'], -32_000],
    ['eth_getBalance', [zeroAddress, '0xffff'], -32_000],
    ['eth_getBalance', ['0x12'], -32_602],
    ['eth_getBlockByNumber', ['newest'], -32_602],
    ['eth_call', [null], -32_602],
    ['eth_sign', [], -32_601],
    ['eth_newFilter', [{}], -32_601],
  ])('%s %j', async (method, params, code) => {
    await expect(chain.request({ method, params })).rejects.toMatchObject({ code });
  });

  it('takes at most so many addresses in a filter', async () => {
    const filter = { fromBlock: '0x0', address: Array.from({ length: 65 }, () => zeroAddress) };
    await expect(call('eth_getLogs', filter)).rejects.toMatchObject({ code: -32_602 });
  });

  it('gives logs up to so many bytes, and refuses more without holding them all', async () => {
    // PUSH3 size, PUSH0, LOG0: memory of 1,200,000 zero bytes as a log.
    const data = '0x62124f805fa000' as const;
    const from = (await call('eth_blockNumber')) as string;
    const asked = { fromBlock: from };
    for (let count = 0; count * 1_200_000 <= embeddedLimits.logBytesMax; count += 1) {
      expect(await call('eth_getLogs', { ...asked, toBlock: 'latest' })).toHaveLength(count);
      await clients.wallet.sendTransaction({ data, gas: 16_000_000n });
    }
    await expect(call('eth_getLogs', asked)).rejects.toMatchObject({
      code: -32_005,
      message: expect.stringContaining('logBytesMax'),
    });
    expect(await call('eth_getLogs', { fromBlock: 'latest' })).toHaveLength(1);
  });

  it('gives a call that does not end up', async () => {
    const forever = { data: '0x5b600056' }; // JUMPDEST PUSH1 0 JUMP
    await expect(call('eth_call', forever)).rejects.toMatchObject({ message: expect.stringContaining('out of gas') });
  });
});
