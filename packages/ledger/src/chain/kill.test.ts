import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testKeyOf } from '../testing/anvil.ts';
import { ChainWorld } from './chain-world.testing.ts';
import { FaultyProvider } from './faulty-provider.testing.ts';

const program = fileURLToPath(new URL('./kill-buyer.ts', import.meta.url));

let world: ChainWorld;
beforeAll(async () => {
  world = await ChainWorld.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

function startBuyer(settings: object) {
  return spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

describe('a buyer that is killed', () => {
  it.each([
    ['before it has signed', 'eth_maxPriorityFeePerGas', 'drop'],
    ['before its transaction arrives', 'eth_sendRawTransaction', 'drop'],
    ['after its transaction arrived, before it knows', 'eth_sendRawTransaction', 'lose-answer'],
    ['before it sees the receipt', 'eth_getTransactionReceipt', 'drop'],
  ] as const)('%s has bought once when it comes back, and counted it once', async (_name, method, kind) => {
    const directory = await mkdtemp(join(tmpdir(), 'kill-buyer-'));
    const { offer, ...rest } = await world.offer({ price: 10n ** 17n });
    const { chainId, contract } = world.deployed;
    const grant = { ...rest, offer: { ...offer, price: String(offer.price) } };
    const settings = { directory, chainId, contract, grant, privateKey: testKeyOf('buyer') };
    const nonce = await world.chain.ask('eth_getTransactionCount', [world.buyer.address, 'latest']);
    const reached = Promise.withResolvers<void>();
    await using provider = await FaultyProvider.start(world.chain.url, (question) => {
      if (question.method !== method) return null;
      reached.resolve();
      return { kind };
    });
    const first = startBuyer({ ...settings, url: provider.url });
    await reached.promise;
    first.kill('SIGKILL');
    await once(first, 'exit');
    provider.fault = () => null;
    const second = startBuyer({ ...settings, url: provider.url });
    const { transaction, left } = JSON.parse(await text(second.stdout)) as { transaction: string; left: string };
    const receipt = (await world.chain.ask('eth_getTransactionReceipt', [transaction])) as {
      status: string;
      logs: unknown[];
    };
    expect(receipt.status).toBe('0x1');
    expect(await world.chain.ask('eth_getTransactionCount', [world.buyer.address, 'latest'])).toBe(
      `0x${(Number(nonce) + 1).toString(16)}`,
    );
    const spent = 10n ** 18n - BigInt(left);
    expect(spent >= 10n ** 17n && spent < 11n * 10n ** 16n).toBe(true);
    await rm(directory, { recursive: true });
  });
});
