import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hex } from '../offer/offer.ts';
import { testKeyOf } from '../testing/anvil.ts';
import { createLocalSigner } from './accounts/local-signer.ts';
import { type TestChain, testDependencies } from './chain-world.testing.ts';
import { embeddedTestChain } from './embedded-chain.testing.ts';
import { type FaultyAnswer, FaultyProvider } from './faulty-provider.testing.ts';
import { sendCoins } from './send-coins.ts';

const to: Hex = `0x${'5a'.repeat(20)}`;
const treasury = createLocalSigner(testKeyOf('treasury'));
let chain: TestChain;
beforeAll(async () => {
  chain = await embeddedTestChain();
}, 60_000);
afterAll(() => chain[Symbol.asyncDispose]());

const held = async () => BigInt(String(await chain.ask('eth_getBalance', [to, 'latest'])));
const give = (changes: Partial<Parameters<typeof sendCoins>[0]> = {}) =>
  sendCoins({ url: chain.url, chainId: chain.chainId, signer: treasury, to, units: 7n, ...changes }, testDependencies);

/** A provider that says this to one method. */
const saying = (method: string, answer: FaultyAnswer) =>
  FaultyProvider.start(chain.url, (question) => (question.method === method ? answer : null));

describe('coins that an operator sends', () => {
  it('arrive, and their transaction is named', async () => {
    const before = await held();
    const transaction = await give();
    expect(await chain.ask('eth_getTransactionReceipt', [transaction])).toMatchObject({ status: '0x1' });
    expect((await held()) - before).toBe(7n);
  });

  it('are not sent to another chain, nor more than there are, nor to an account that is mistyped', async () => {
    const before = await held();
    await using other = await saying('eth_chainId', { kind: 'result', result: '0x1' });
    await expect(give({ url: other.url })).rejects.toMatchObject({ code: 'ledger-wrong' });
    expect(other.asked.has('eth_sendRawTransaction')).toBe(false);
    const poor = createLocalSigner(testKeyOf('poor'));
    await expect(give({ signer: poor })).rejects.toMatchObject({ code: 'ledger-refused' });
    await expect(give({ to: '0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed' })).rejects.toThrow('mistyped');
    expect(await held()).toBe(before);
  });

  it.each<[string, FaultyAnswer]>([
    ['eth_getTransactionCount', { kind: 'result', result: 'many' }],
    ['eth_chainId', { kind: 'result', result: {} }],
    ['eth_gasPrice', { kind: 'text', text: '<html>' }],
    ['eth_estimateGas', { kind: 'result', result: null }],
    ['eth_getBlockByNumber', { kind: 'result', result: [] }],
  ])('are not sent after an answer to %s that is none', async (method, answer) => {
    await using odd = await saying(method, answer);
    if (method === 'eth_gasPrice') {
      const legacy: FaultyAnswer = {
        kind: 'change',
        change: (block) => ({ ...(block as object), baseFeePerGas: undefined }),
      };
      odd.fault = (asked) =>
        asked.method === method ? answer : asked.method === 'eth_getBlockByNumber' ? legacy : null;
    }
    await expect(give({ url: odd.url })).rejects.toMatchObject({ code: 'ledger-unreachable' });
    expect(odd.asked.has('eth_sendRawTransaction')).toBe(false);
  });

  it('may have arrived when the answer is lost: the transaction is named', async () => {
    const before = await held();
    await using lossy = await saying('eth_sendRawTransaction', { kind: 'lose-answer' });
    const failure = await give({ url: lossy.url }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ledger-unreachable', facts: { transaction: expect.stringMatching(/^0x/) } });
    expect((await held()) - before).toBe(7n);
  });
});
