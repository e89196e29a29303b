import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { keccak256, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { expect, it } from 'vitest';
import { consentLedgerAbi } from '../contract/consent-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import {
  bank,
  clientsOf,
  deployLedger,
  systemDependencies,
  temporaryDirectory,
  testChainId,
  testOptions,
} from './chain-world.testing.ts';
import { startEmbeddedChainHere } from './start-embedded-chain.ts';
import { verifyEmbeddedChain } from './verify/verify-embedded-chain.ts';

const writer = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
const rows = 8;
const accountOf = (row: number) => privateKeyToAccount(keccak256(toHex(`crash ${row}`))).address;

interface Acknowledged {
  readonly row: number;
  readonly nonce: number;
  readonly hash: Hex;
}

/** Runs the writer, kills it with SIGKILL after `count` acknowledged transactions, and resolves to them. */
async function writeUntilKilled(directory: string, contract: Hex, count: number): Promise<Acknowledged[]> {
  const args = [writer, directory, String(testChainId), bank.address, contract];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (text.split('\n').length > count) child.kill('SIGKILL');
  });
  await Promise.all([ended, once(child.stdout, 'close')]);
  // A line that was cut by the kill has no line feed.
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  return lines.map((line) => {
    const [row, nonce, hash] = line.split(' ');
    return { row: Number(row), nonce: Number(nonce), hash: hash as Hex }; // printed by the writer
  });
}

it('kill -9 again and again under load loses nothing acknowledged and leaves a sound chain', {
  timeout: 240_000,
}, async () => {
  using directory = temporaryDirectory();
  const options = testOptions(directory.path, { port: null });
  let contract: Hex;
  {
    await using chain = await startEmbeddedChainHere(options, systemDependencies);
    contract = await deployLedger(clientsOf(chain));
  }
  const acknowledged: Acknowledged[] = [];
  for (const count of [1, 30, 80]) {
    acknowledged.push(...(await writeUntilKilled(directory.path, contract, count)));
    expect((await verifyEmbeddedChain({ directory: directory.path })).fault).toBeNull();
  }
  await using chain = await startEmbeddedChainHere(options, systemDependencies);
  const { reader } = clientsOf(chain);
  for (const { hash, nonce, row } of acknowledged) {
    const receipt = await reader.getTransactionReceipt({ hash });
    expect(receipt).toMatchObject({ status: 'success', from: accountOf(row).toLowerCase() });
    expect(BigInt(receipt.logs[0]?.data ?? '0x')).toBe(BigInt(nonce));
  }
  const filter = { address: contract, abi: consentLedgerAbi, eventName: 'Accessed', fromBlock: 0n } as const;
  const logs = await reader.getContractEvents(filter);
  for (let row = 0; row < rows; row += 1) {
    const mine = acknowledged.filter((one) => one.row === row);
    const nonce = await reader.getTransactionCount({ address: accountOf(row) });
    // What was sealed and not yet answered when the process died is there too: at most one a life.
    expect(nonce - mine.length).toBeGreaterThanOrEqual(0);
    expect(nonce - mine.length).toBeLessThanOrEqual(3);
    const entries = logs
      .filter(({ args }) => BigInt(args.id ?? 0) === BigInt(row))
      .map(({ args }) => Number(args.entry));
    expect(entries).toEqual(Array.from({ length: nonce }, (_, index) => index));
  }
});
