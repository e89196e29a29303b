import { encodeFunctionData, zeroAddress } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentLedgerAbi as abi } from '../../contract/index.ts';
import type { Hex } from '../../offer/offer.ts';
import { ChainWorld, testDependencies, word } from '../chain-world.testing.ts';
import { gateLimits } from './gate-limits.ts';
import { createRpcGate, type RpcGate } from './rpc-gate.ts';

let world: ChainWorld;
let gate: RpcGate;
beforeAll(async () => {
  world = await ChainWorld.start();
  const { contract, p256Verifier } = world.deployed;
  const { url, chainId } = world.chain;
  gate = createRpcGate({ urls: [url], chainId, contract, readable: [p256Verifier] }, testDependencies);
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

async function ask(
  method: string,
  params: unknown = [],
): Promise<{ result?: unknown; error?: { code: number; message: string; data?: string } }> {
  return (await gate.handle({ jsonrpc: '2.0', id: 1, method, params })) as never; // an answer of JSON-RPC
}

async function signed(to: Hex, chainId = world.chain.chainId): Promise<Hex> {
  return world.buyer.signTransaction({
    type: 'eip1559',
    chainId,
    to,
    nonce: 0,
    gas: 100_000n,
    maxFeePerGas: 10n ** 10n,
  });
}

describe('the gate of pages to the ledger', () => {
  it('answers what a page needs', async () => {
    const { contract } = world.deployed;
    expect(await ask('eth_chainId')).toEqual({ jsonrpc: '2.0', id: 1, result: '0x7a69' });
    const data = encodeFunctionData({ abi, functionName: 'stateOf', args: [word(1)] });
    expect(await ask('eth_call', [{ to: contract, data }, 'latest'])).toMatchObject({ result: `0x${'0'.repeat(128)}` });
    expect(await ask('eth_getLogs', [{ address: contract, fromBlock: '0x0', toBlock: '0x5' }])).toMatchObject({
      result: [],
    });
    expect(await ask('eth_getBalance', [world.buyer.address, 'latest'])).toHaveProperty('result');
    expect(await ask('eth_feeHistory', ['0x4', 'latest', [10, 50]])).toHaveProperty('result');
  });

  it('gives a revert with the contract’s data', async () => {
    const data = encodeFunctionData({ abi, functionName: 'withdraw', args: [zeroAddress] });
    const { error } = await ask('eth_call', [{ to: world.deployed.contract, data }, 'latest']);
    expect(error).toMatchObject({ code: 3, data: '0xd0d04f60' });
  });

  it.each([
    'eth_accounts',
    'eth_sendTransaction',
    'eth_sign',
    'eth_signTypedData_v4',
    'personal_unlockAccount',
    'admin_addPeer',
    'debug_traceTransaction',
    'txpool_content',
    'anvil_setBalance',
    'evm_revert',
    'eth_newFilter',
    'eth_getStorageAt',
    '__proto__',
  ])('offers no %s', async (method) => {
    expect(await ask(method, [])).toMatchObject({ error: { code: -32_601 } });
  });

  it('refuses what goes beyond the contract', async () => {
    const { contract } = world.deployed;
    const other = world.buyer.address;
    const refused: readonly (readonly [string, unknown])[] = [
      ['eth_call', [{ to: other, data: '0x' }, 'latest']],
      ['eth_call', [{ to: contract, data: '0x' }, 'latest', { [contract]: { balance: '0x1' } }]],
      ['eth_call', [{ to: contract, data: `0x${'00'.repeat(gateLimits.callDataMax)}` }, 'latest']],
      ['eth_call', [{ to: contract, data: '0x', accessList: [] }, 'latest']],
      ['eth_estimateGas', [{ to: other, data: '0x' }]],
      ['eth_getLogs', [{ fromBlock: '0x0', toBlock: '0x1' }]],
      ['eth_getLogs', [{ address: other, fromBlock: '0x0', toBlock: '0x1' }]],
      ['eth_getLogs', [{ address: contract, fromBlock: '0x0', toBlock: 'latest' }]],
      ['eth_getLogs', [{ address: contract, fromBlock: '0x0', toBlock: '0x2710' }]],
      ['eth_getLogs', [{ address: contract, fromBlock: '0x5', toBlock: '0x1' }]],
      ['eth_getBlockByNumber', ['latest', true]],
      ['eth_getCode', [other, 'latest']],
      ['eth_feeHistory', ['0x41', 'latest', []]],
      ['eth_chainId', ['0x1']],
      ['eth_getBalance', { address: other }],
    ];
    for (const [method, params] of refused) {
      expect(await ask(method, params), `${method} ${JSON.stringify(params).slice(0, 100)}`).toMatchObject({
        error: { code: -32_602 },
      });
    }
  });

  it('sends transactions to the contract on its chain, and no others', async () => {
    const { contract } = world.deployed;
    for (const raw of [await signed(world.custodian.address), await signed(contract, 1), '0x02', '0x', '0xf86c']) {
      expect(await ask('eth_sendRawTransaction', [raw])).toMatchObject({ error: { code: -32_602 } });
    }
    const sent = await ask('eth_sendRawTransaction', [await signed(contract)]);
    expect(sent.error?.code ?? 'sent').not.toBe(-32_602);
  });

  it('answers batches up to a limit, each question by itself', async () => {
    const question = (id: number) => ({ jsonrpc: '2.0', id, method: id === 2 ? 'eth_accounts' : 'eth_chainId' });
    expect(await gate.handle([question(1), question(2), 'no'])).toEqual([
      { jsonrpc: '2.0', id: 1, result: '0x7a69' },
      expect.objectContaining({ id: 2, error: expect.objectContaining({ code: -32_601 }) }),
      expect.objectContaining({ id: null, error: expect.objectContaining({ code: -32_600 }) }),
    ]);
    const many = Array.from({ length: gateLimits.batchMax + 1 }, (_, id) => question(id));
    expect(await gate.handle(many)).toMatchObject({ error: { code: -32_005 } });
    for (const body of [
      [],
      null,
      7,
      {},
      { jsonrpc: '1.0', id: 1, method: 'eth_chainId' },
      { jsonrpc: '2.0', id: {}, method: 'x' },
    ]) {
      expect(await gate.handle(body)).toMatchObject({ error: { code: -32_600 } });
    }
  });

  it('asks so many questions at a time and refuses more', async () => {
    const all = Array.from({ length: gateLimits.questionsMax + 8 }, (_, id) =>
      gate.handle({ jsonrpc: '2.0', id, method: 'eth_chainId' }),
    );
    const answers = (await Promise.all(all)) as { error?: { code: number } }[];
    expect(answers.filter(({ error }) => error?.code === -32_005)).toHaveLength(8);
  });

  it('says that the ledger is away without saying where it is', async () => {
    const away = createRpcGate(
      { urls: ['http://127.0.0.1:1/key'], chainId: 1, contract: world.deployed.contract },
      testDependencies,
    );
    const answer = await away.handle({ jsonrpc: '2.0', id: 'a', method: 'eth_blockNumber' });
    expect(answer).toMatchObject({ id: 'a', error: { code: -32_002 } });
    expect(JSON.stringify(answer)).not.toMatch(/127|key/);
  });
});
