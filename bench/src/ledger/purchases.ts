import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { startAnvil } from '@pulsemesh/ledger/anvil';
import { startEmbeddedChain } from '@pulsemesh/ledger/embedded';
import { preparePurchases } from '@pulsemesh/ledger/load';
import { privateKeyToAccount } from 'viem/accounts';
import { type BenchLine, benchLine } from '../report.ts';

const runs = Number(process.env['BENCH_RUNS'] ?? 3);
const count = 600;
const buyers = 16;
const bank = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const chainId = 31_337;
const clock = createSystemClock();

/** Purchases a second through JSON-RPC, signed beforehand: ours on a disk, anvil in memory, in turn. */
export async function comparePurchases(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = 0; run <= runs; run += 1) {
    const [own, other] = [await onEmbedded(), await onAnvil()];
    say(`run ${run}: embedded ${own.toFixed(0)}, anvil ${other.toFixed(0)} purchases/s`);
    if (run === 0) continue; // warms up
    ours.push(own);
    theirs.push(other);
  }
  const conditions =
    `${count} purchases of ${buyers} buyers, each the next once the last has its receipt; ours durable (SQLite, WAL, synchronous FULL) before it answers, ` +
    'anvil 1.7.1 in memory with a block for each transaction; clients on the same processors';
  const what = { bench: 'ledger', metric: 'purchases', unit: '1/s', peerName: 'anvil 1.7.1 in memory', conditions };
  return [benchLine(what, ours, theirs)];
}

async function onEmbedded(): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-bench-chain-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const treasury = privateKeyToAccount(bank).address;
  const sealer = { seed: new Uint8Array(32).fill(7) };
  const options = { directory, chainId, sealer, genesis: { treasury } };
  const chain = stack.use(await startEmbeddedChain(options, { clock, logger: silentLogger, meter: silentMeter }));
  return await purchasesPerSecond(chain.url ?? '');
}

async function onAnvil(): Promise<number> {
  await using chain = await startAnvil({ chainId });
  await chain.enrich(privateKeyToAccount(bank).address);
  return await purchasesPerSecond(chain.url);
}

async function purchasesPerSecond(url: string): Promise<number> {
  const load = await preparePurchases({ url, chainId, bank, count, buyers });
  const startMs = clock.monotonicMs();
  const successes = await load.send();
  if (successes !== count) throw new Error(`${count - successes} purchases failed`);
  return (1_000 * count) / (clock.monotonicMs() - startMs);
}
