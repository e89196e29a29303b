import { ecrecover } from '@ethereumjs/util';
import { createSecp256k1Key } from '@pulsemesh/crypto';
import { expect, it } from 'vitest';
import { RecoveredKeys, type RecoverKey } from '../execution/recover-key.ts';
import { embeddedLimits } from '../limits.ts';
import { RecoveryThread } from './recovery-thread.ts';

const digest = new Uint8Array(32).fill(3);
const key = createSecp256k1Key(new Uint8Array(32).fill(5));
const signature = key.signDigest(digest);
const input: Parameters<RecoverKey> = [
  digest,
  BigInt(signature[64] ?? 0),
  signature.slice(0, 32),
  signature.slice(32, 64),
];
const publicKey = key.publicKey.slice(1);

it('remembers what it recovered, by all that went in', () => {
  const keys = new RecoveredKeys();
  expect(keys.knows(...input)).toBe(false);
  expect(keys.recover(...input)).toEqual(publicKey);
  expect(keys.knows(...input)).toBe(true);
  const [hash, v, r, s] = input;
  const others: Parameters<RecoverKey>[] = [
    [r, v, r, s],
    [hash, 1n - v, r, s],
    [hash, v, s, s],
    [hash, v, r, r],
    [hash, v, r, s, 1n],
  ];
  for (const other of others) expect(keys.knows(...other)).toBe(false);
  expect(() => keys.recover(hash, v, new Uint8Array(32), s)).toThrow();
});

it('recovers in another thread what is recovered here, and gives up quietly', { timeout: 60_000 }, async () => {
  const thread = new RecoveryThread();
  expect(await thread.recover(...input)).toEqual(ecrecover(...input));
  const [hash, v, , s] = input;
  expect(await thread.recover(hash, v, new Uint8Array(32), s)).toBeNull();
  const many = Array.from({ length: embeddedLimits.recoveriesWaitingMax + 5 }, () => thread.recover(...input));
  const found = await Promise.all(many);
  expect(found.filter((one) => one === null).length).toBe(5);
  const late = thread.recover(...input);
  await thread[Symbol.asyncDispose]();
  expect(await late).toBeNull();
  expect(await thread.recover(...input)).toBeNull();
});
