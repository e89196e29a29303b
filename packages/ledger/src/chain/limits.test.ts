import { createSystemClock } from '@pulsemesh/base';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { LedgerRefusedError } from '../grants/errors.ts';
import type { Hex, SignedOffer } from '../offer/offer.ts';
import { accountOf } from '../testing/some-offer.ts';
import { chainLimits } from './chain-limits.ts';
import { testDependencies } from './chain-world.testing.ts';
import { connectChain } from './connect-chain.ts';
import { findLog, logsFrom, RangeSize } from './events/range-logs.ts';
import { FaultyProvider } from './faulty-provider.testing.ts';
import { ChainAsker } from './reading/chain-answers.ts';
import { type Ask, createJsonRpc } from './rpc/json-rpc.ts';
import { createProviderPool } from './rpc/provider-pool.ts';
import { RpcError } from './rpc/rpc-errors.ts';
import { type Intent, IntentStore } from './sending/intent-store.ts';
import { planStep } from './sending/steps.ts';

const contract: Hex = `0x${'c0'.repeat(20)}`;
const word = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`;

describe('limits of a chain', () => {
  it('has so many providers, with addresses of http', () => {
    const check = async () => {};
    const pool = (urls: string[]) => () => createProviderPool({ urls, check }, testDependencies);
    expect(pool(Array.from({ length: chainLimits.providersMax }, () => 'http://127.0.0.1:1'))).not.toThrow();
    expect(pool(Array.from({ length: chainLimits.providersMax + 1 }, () => 'http://127.0.0.1:1'))).toThrow(RangeError);
    expect(pool([])).toThrow(RangeError);
    expect(pool(['file:///etc/passwd'])).toThrow(RangeError);
  });

  it('refuses to agree on more providers than there are', async () => {
    const options = { urls: ['http://127.0.0.1:1'], chainId: 1, contract, signer: null, agreeing: 2 };
    await expect(connectChain(options, { ...testDependencies, store: createMemoryTables() })).rejects.toBeInstanceOf(
      RangeError,
    );
  });

  it('lets so many questions wait for a provider and refuses more', async () => {
    await using silent = await FaultyProvider.start('http://127.0.0.1:1', () => ({ kind: 'hang' }));
    const ask = createJsonRpc({ url: silent.url, label: 'silent' }, { clock: createSystemClock() });
    const enough = new AbortController();
    const count = chainLimits.requestsPerProviderMax + chainLimits.requestsWaitingMax;
    const all = Array.from({ length: count }, () =>
      ask('eth_chainId', [], { signal: enough.signal }).catch(() => 'ended'),
    );
    await expect(ask('eth_chainId', [])).rejects.toMatchObject({ facts: { fault: 'busy' } });
    enough.abort();
    expect(new Set(await Promise.all(all))).toEqual(new Set(['ended']));
  });

  it('takes so many grants in one step', () => {
    const grant = { offer: { token: accountOf(0), price: 1n } } as SignedOffer; // refused by its number alone
    const grants = Array.from({ length: chainLimits.grantsPerStepMax + 1 }, () => grant);
    expect(() => planStep({ step: 'purchase', grants }, contract)).toThrow(LedgerRefusedError);
  });

  it('remembers so many steps that were done, the newest', async () => {
    const intents = new IntentStore(createMemoryTables());
    const done = { transaction: word(1), at: 1n, gasUsed: 1n };
    const intent = {
      account: accountOf(1),
      call: { to: contract, data: '0x', value: 0n },
      nonce: 0,
      gas: 1n,
      forms: [],
      reserved: [],
    } as const;
    for (let key = 0; key <= chainLimits.doneStepsMax; key += 1) {
      await intents.end({ ...intent, key: word(key) } satisfies Intent, done);
    }
    expect(intents.doneOf(word(0))).toBe(null);
    expect(intents.doneOf(word(1))).toEqual(done);
    expect(intents.doneOf(word(chainLimits.doneStepsMax))).toEqual(done);
  });

  it('keeps so much of an error’s text and data', () => {
    const error = new RpcError(
      -32_000,
      `${'é'.repeat(10)}${'x'.repeat(1_000)}`,
      `0x${'00'.repeat(chainLimits.revertBytesMax + 1)}`,
    );
    expect(error.text).toHaveLength(chainLimits.errorTextMax);
    expect(error.text).toMatch(/^\?{10}x+$/);
    expect(error.data).toBe(null);
  });
});

describe('ranges of blocks', () => {
  const narrow: (asked: number[]) => Ask = (asked) => async (_method, params) => {
    const [{ fromBlock, toBlock }] = params as [{ fromBlock: string; toBlock: string }];
    const blocks = Number(toBlock) - Number(fromBlock) + 1;
    asked.push(blocks);
    if (blocks > 5) throw new RpcError(-32_602, 'block range is too wide', null);
    return [];
  };

  it('are halved down to what a provider answers, and grow again', async () => {
    const asked: number[] = [];
    const size = new RangeSize();
    const asker = new ChainAsker(narrow(asked), 'narrow');
    const { until } = await logsFrom(asker, { address: contract, from: 10n, until: 10_000n }, size);
    expect(until).toBeLessThanOrEqual(14n);
    expect(asked[0]).toBe(chainLimits.logBlocksMax);
    for (let index = 0; index < 1_000; index += 1) size.succeeded();
    expect(size.blocks).toBe(BigInt(chainLimits.logBlocksMax));
  });

  it('give up where not even one block is answered', async () => {
    const ask: Ask = async () => {
      throw new RpcError(-32_000, 'no', null);
    };
    await expect(
      logsFrom(new ChainAsker(ask, 'none'), { address: contract, from: 1n, until: 9_000n }, new RangeSize()),
    ).rejects.toBeInstanceOf(RpcError);
  });

  it('are searched backwards, and no further than so many answers', async () => {
    const asked: number[] = [];
    const filter = { address: contract, from: 0n, until: 1_000_000n, topics: [] };
    expect(await findLog(new ChainAsker(narrow(asked), 'narrow'), filter, () => true)).toBe(null);
    expect(asked).toHaveLength(chainLimits.searchesMax);
  });
});
