import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chainSchema } from '../config/consent-settings.ts';
import { startChainService } from './ledger.ts';

const deps = {
  ...{ clock: createSystemClock({ unref: true }), random: createSystemRandom(), logger: silentLogger },
  meter: createPrometheusMeter({ role: 'ledger', instance: 'test' }),
};
const settings = chainSchema.parse({ port: 0, decimals: 0 });
/** What of an identity keys are made of. */
const identityOf = (secret: number) =>
  ({ publicKey: new Uint8Array(32).fill(secret), nodeBoxKey: new Uint8Array(32).fill(secret) }) as unknown as Identity;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pulsemesh-ledger-role-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function start(name: string, secret: number, chain = settings) {
  await using service = await startChainService(
    chain,
    { dataDirectory: join(root, name), identity: identityOf(secret) },
    deps,
  );
  return service.description;
}

describe('a ledger of a node', () => {
  it('has a network number of its own, the same at each start, and goes on with its contract', async () => {
    const [one, other] = [await start('one', 1), await start('other', 2)];
    expect(one.chainId).not.toBe(other.chainId);
    const { urls: _then, ...kept } = one;
    const { urls: _now, ...again } = await start('one', 1);
    expect(again).toEqual(kept);
  }, 60_000);

  it('leaves its description alone while that says what it should', async () => {
    const named = { ...settings, url: 'http://ledger.example:8545' };
    const inode = () => statSync(join(root, 'one', 'ledger.json')).ino;
    await start('one', 1, named);
    const before = inode();
    await start('one', 1, named);
    expect(inode()).toBe(before);
    await start('one', 1);
    expect(inode()).not.toBe(before);
  }, 60_000);

  it('does not start with a description of a contract that its chain does not hold', async () => {
    await start('one', 1);
    rmSync(join(root, 'one', 'chain'), { recursive: true });
    await expect(start('one', 1)).rejects.toMatchObject({ code: 'contract-lost' });
  }, 60_000);
});
