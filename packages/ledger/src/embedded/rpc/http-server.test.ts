import { request as httpRequest } from 'node:http';
import { createPublicClient, createWalletClient, http } from 'viem';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bank, chainOf, systemDependencies, temporaryDirectory, testOptions } from '../chain-world.testing.ts';
import { embeddedLimits } from '../limits.ts';
import { type EmbeddedChain, startEmbeddedChain } from '../start-embedded-chain.ts';

const directory = temporaryDirectory();
let chain: EmbeddedChain;
let url: string;

beforeAll(async () => {
  chain = await startEmbeddedChain(testOptions(directory.path), systemDependencies);
  url = chain.url ?? '';
}, 60_000);

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

async function post(body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; answer: unknown }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; answer: unknown }>();
  const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
  const request = httpRequest(url, options, async (response) => {
    const parts: Buffer[] = [];
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
    const said = Buffer.concat(parts).toString();
    resolve({ status: response.statusCode ?? 0, answer: said === '' ? null : JSON.parse(said) });
  });
  request.on('error', reject);
  request.end(text);
  return promise;
}

const ask = (method: string, params: unknown[] = [], id: unknown = 1) => ({ jsonrpc: '2.0', id, method, params });

it('serves viem over HTTP', async () => {
  const shared = { chain: chainOf(url), transport: http(url), pollingInterval: 20 };
  const reader = createPublicClient(shared);
  const wallet = createWalletClient({ ...shared, account: bank });
  const hash = await wallet.sendTransaction({ to: bank.address, value: 1n });
  expect(await reader.waitForTransactionReceipt({ hash })).toMatchObject({ status: 'success', gasUsed: 21_000n });
});

it('answers batches in order, and nothing to notifications', async () => {
  const batch = [ask('eth_chainId', [], 'a'), { ...ask('net_version'), id: undefined }, ask('eth_none', [], 7), 5];
  const { answer } = await post(batch);
  expect(answer).toMatchObject([
    { id: 'a', result: '0x3b2f' },
    { id: 7, error: { code: -32_601 } },
    { id: null, error: { code: -32_600 } },
  ]);
});

it.each([
  ['what is not JSON', '{', -32_700],
  ['an empty batch', [], -32_600],
  ['a batch over the limit', Array.from({ length: embeddedLimits.batchMax + 1 }, () => ask('eth_chainId')), -32_005],
  ['params by name', { ...ask('eth_chainId'), params: { a: 1 } }, -32_602],
])('refuses %s', async (_what, body, code) => {
  expect((await post(body)).answer).toMatchObject({ error: { code } });
});

it('refuses a body over the limit', async () => {
  const body = JSON.stringify(ask('eth_chainId', ['x'.repeat(embeddedLimits.bodyBytesMax)]));
  expect(await post(body)).toMatchObject({
    status: 413,
    answer: { error: { message: expect.stringContaining('bodyBytesMax') } },
  });
});

it.each([
  ['a page', { origin: 'http://evil.example' }, 403],
  ['a name that was turned to this machine', { host: 'evil.example' }, 403],
  ['a form', { 'content-type': 'text/plain' }, 415],
])('refuses %s', async (_what, headers, status) => {
  expect(await post(ask('eth_chainId'), headers as Record<string, string>)).toEqual({ status, answer: null });
});

it('takes only POST', async () => {
  expect((await fetch(url)).status).toBe(405);
});
