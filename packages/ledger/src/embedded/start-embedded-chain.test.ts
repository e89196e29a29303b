import { closeSync, openSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { keccak256, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseFile } from './chain/chain-database.ts';
import {
  bank,
  clientsOf,
  deployLedger,
  systemDependencies,
  temporaryDirectory,
  testOptions,
} from './chain-world.testing.ts';
import { type EmbeddedChainOptions, startEmbeddedChain, startEmbeddedChainHere } from './start-embedded-chain.ts';
import { verifyEmbeddedChain } from './verify/verify-embedded-chain.ts';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const clock = new VirtualClock();
const dependencies = { clock, logger: silentLogger, meter: silentMeter };
const startHere = (changes: Partial<EmbeddedChainOptions> = {}) =>
  startEmbeddedChainHere(testOptions(directory.path, { port: null, ...changes }), dependencies);
const other = privateKeyToAccount(keccak256(toHex('other')));

describe('a restart', () => {
  it('finds everything as it was and goes on', async () => {
    const first = await startHere();
    const clients = clientsOf(first);
    const ledger = await deployLedger(clients);
    const hash = await clients.wallet.sendTransaction({ to: other.address, value: 5n });
    const receipt = await clients.reader.getTransactionReceipt({ hash });
    await first[Symbol.asyncDispose]();
    await expect(first.request({ method: 'eth_chainId' })).rejects.toMatchObject({ code: -32_002 });

    await using second = await startHere();
    expect(second.genesisHash).toBe(first.genesisHash);
    const { reader, wallet } = clientsOf(second);
    expect(await reader.getTransactionReceipt({ hash })).toEqual(receipt);
    expect(await reader.getBalance({ address: other.address })).toBe(5n);
    expect((await reader.getCode({ address: ledger }))?.length).toBeGreaterThan(20_000);
    await wallet.sendTransaction({ to: other.address, value: 6n });
    expect(await reader.getBalance({ address: other.address })).toBe(11n);
  });

  it('by a clock that went back does not go back in time', async () => {
    await (await startHere())[Symbol.asyncDispose]();
    const behind = { ...dependencies, clock: new VirtualClock(clock.now() - 3_600_000) };
    await using chain = await startEmbeddedChainHere(testOptions(directory.path, { port: null }), behind);
    const { timestamp } = await clientsOf(chain).reader.getBlock();
    await chain.sealNow();
    expect(await clientsOf(chain).reader.getBlock()).toMatchObject({ number: 1n, timestamp });
    expect((await verifyEmbeddedChain({ directory: directory.path })).fault).toBeNull();
  });

  it.each([
    ['chain id', { chainId: 4 }],
    ['sealer', { sealer: { seed: new Uint8Array(32).fill(1) } }],
    ['treasury', { genesis: { treasury: other.address } }],
    ['genesis', { genesis: { treasury: bank.address, balances: { [bank.address]: 1n } } }],
  ])('with another %s is refused', async (what, changes) => {
    await (await startHere())[Symbol.asyncDispose]();
    await expect(startHere(changes)).rejects.toMatchObject({ code: 'embedded-chain-other', facts: { what } });
    await (await startHere())[Symbol.asyncDispose]();
  });
});

describe('in a thread', () => {
  it('holds its directory alone, and lets it go', { timeout: 60_000 }, async () => {
    // By a clock that stands: what ends, ends by itself and not because it was given up on.
    const chain = await startEmbeddedChain(testOptions(directory.path), dependencies);
    const second = startEmbeddedChain(testOptions(directory.path), dependencies);
    await expect(second).rejects.toMatchObject({ code: 'store-in-use', retryable: true });
    expect(await chain.request({ method: 'eth_chainId' })).toBe('0x3b2f');
    await expect(chain.request({ method: 'eth_none' })).rejects.toMatchObject({ code: -32_601 });
    await chain[Symbol.asyncDispose]();
    await chain.ended;
    await expect(chain.request({ method: 'eth_chainId' })).rejects.toMatchObject({ code: 'embedded-chain-closed' });
    await using again = await startEmbeddedChain(testOptions(directory.path), dependencies);
    expect(again.genesisHash).toBe(chain.genesisHash);
  });

  it('says why it does not start', { timeout: 60_000 }, async () => {
    await (await startHere())[Symbol.asyncDispose]();
    const start = (changes: Partial<EmbeddedChainOptions>) =>
      startEmbeddedChain(testOptions(directory.path, changes), systemDependencies);
    await expect(start({ chainId: 5 })).rejects.toMatchObject({ code: 'embedded-chain-other' });
    await using taken = await startEmbeddedChain(testOptions(directory.path), systemDependencies);
    using elsewhere = temporaryDirectory();
    const port = Number(new URL(taken.url ?? '').port);
    await expect(startEmbeddedChain(testOptions(elsewhere.path, { port }), systemDependencies)).rejects.toMatchObject({
      code: 'embedded-chain-address',
      facts: { place: `127.0.0.1:${port}`, refusal: 'EADDRINUSE' },
    });
  });
});

describe('a full disk', () => {
  it('refuses what does not fit, keeps what there is, and goes on once there is room', async () => {
    const chain = await startHere();
    await deployLedger(clientsOf(chain));
    await chain[Symbol.asyncDispose]();
    const full = await startHere({ bytesMax: 16_384 }); // less than there is: nothing can be added
    const { wallet, reader } = clientsOf(full);
    const before = await reader.getBlockNumber();
    const data = `0x${'5b'.repeat(40_000)}` as const;
    const refused = wallet.sendTransaction({ data, gas: 10_000_000n });
    await expect(refused).rejects.toMatchObject({ details: expect.stringContaining('full') });
    expect(await reader.getBlockNumber()).toBe(before);
    expect(await reader.getTransactionCount({ address: bank.address })).toBe(1);
    await full[Symbol.asyncDispose]();
    await using again = await startHere();
    await clientsOf(again).wallet.sendTransaction({ data, gas: 10_000_000n });
    expect(await clientsOf(again).reader.getBlockNumber()).toBe(before + 1n);
  });

  it('keeps a reserve', async () => {
    await expect(startHere({ reserveBytes: Number.MAX_SAFE_INTEGER })).rejects.toMatchObject({
      code: 'store-full',
      retryable: true,
    });
  });
});

describe('a damaged database', () => {
  it('that breaks while it runs ends the chain, and the next start has what was acknowledged', async () => {
    const chain = await startHere();
    const clients = clientsOf(chain);
    const hash = await clients.wallet.sendTransaction({ to: other.address, value: 1n });
    using outside = new DatabaseSync(databaseFile(directory.path));
    outside.exec('ALTER TABLE transactions RENAME TO elsewhere');
    const lost = clients.wallet.sendTransaction({ to: other.address, value: 1n, nonce: 1, gas: 21_000n });
    await expect(lost).rejects.toThrow();
    await chain.ended;
    await expect(chain.request({ method: 'eth_blockNumber' })).rejects.toThrow();
    outside.exec('ALTER TABLE elsewhere RENAME TO transactions');
    await using again = await startHere();
    const { reader } = clientsOf(again);
    expect(await reader.getTransactionReceipt({ hash })).toMatchObject({ status: 'success' });
    expect(await reader.getBlockNumber()).toBe(1n);
  });

  it('is not a database', async () => {
    await (await startHere())[Symbol.asyncDispose]();
    overwrite(0, 'no database at all');
    await expect(startHere()).rejects.toMatchObject({ code: 'embedded-chain-damaged', facts: { kind: 'pages' } });
  });

  it('has pages that are none', async () => {
    const chain = await startHere();
    const clients = clientsOf(chain);
    await deployLedger(clients);
    for (let count = 0; count < 20; count += 1) await clients.wallet.sendTransaction({ to: other.address, value: 1n });
    await chain[Symbol.asyncDispose]();
    for (let page = 1; page < 40; page += 1) overwrite(page * 4_096, 'x'.repeat(200));
    await expect(startHere()).rejects.toMatchObject({ code: 'embedded-chain-damaged' });
  });

  function overwrite(at: number, text: string): void {
    const file = openSync(databaseFile(directory.path), 'r+');
    writeSync(file, text, at);
    closeSync(file);
  }
});
