import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createSeededRandom } from '@pulsemesh/base';
import { recoverAddress } from 'viem';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testKeyOf } from '../../testing/anvil.ts';
import { createLocalSigner } from './local-signer.ts';
import { openSignerFile } from './signer-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signer-'));
});
afterEach(() => rm(directory, { recursive: true }));

const random = createSeededRandom(3);
const sealingKey = new Uint8Array(32).fill(7);
const privateKey = testKeyOf('account');

describe('a local signer', () => {
  it('signs digests that lead back to its address', async () => {
    const signer = createLocalSigner(privateKey);
    const hash = testKeyOf('digest');
    expect(await recoverAddress({ hash, signature: await signer.signDigest(hash) })).toBe(signer.address);
  });

  it('never prints its key', () => {
    const signer = createLocalSigner(privateKey);
    const texts = [JSON.stringify(signer), inspect(signer, { depth: 9, showHidden: true }), String(signer)].join();
    expect(texts).not.toContain(privateKey.slice(2, 20));
  });

  it.each(['0x', '0x00', `0x${'0'.repeat(64)}`, `0x${'f'.repeat(64)}`, `${privateKey}00`])(
    'refuses %s without quoting it',
    (key) => {
      expect(() => createLocalSigner(key as `0x${string}`)).toThrow(/^not a private key of secp256k1$/);
    },
  );
});

describe('a signer’s file', () => {
  it('keeps a new account sealed and gives the same one each time', async () => {
    const file = join(directory, 'deep', 'account');
    const signer = await openSignerFile({ file, sealingKey }, { random });
    expect(signer.address).toBe((await openSignerFile({ file, sealingKey }, { random })).address);
    const taken = join(directory, 'taken');
    await openSignerFile({ file: taken, sealingKey, privateKey }, { random });
    expect(await readFile(taken, 'utf8')).not.toContain(privateKey.slice(2, 20));
    expect((await openSignerFile({ file: taken, sealingKey }, { random })).address).toBe(
      createLocalSigner(privateKey).address,
    );
  });

  it('gives two that start at once the same account', async () => {
    const file = join(directory, 'account');
    const open = () => openSignerFile({ file, sealingKey }, { random });
    const signers = await Promise.all([open(), open(), open()]);
    expect(new Set(signers.map(({ address }) => address)).size).toBe(1);
  });

  it('says what is wrong with a file that others may read, that is damaged, or sealed under another key', async () => {
    const file = join(directory, 'account');
    await openSignerFile({ file, sealingKey }, { random });
    const otherKey = new Uint8Array(32).fill(8);
    await expect(openSignerFile({ file, sealingKey: otherKey }, { random })).rejects.toMatchObject({
      facts: { fault: 'damaged-or-other-key' },
    });
    await chmod(file, 0o644);
    await expect(openSignerFile({ file, sealingKey }, { random })).rejects.toMatchObject({
      facts: { fault: 'exposed' },
    });
    await chmod(file, 0o600);
    for (const text of ['', 'x'.repeat(5_000), (await readFile(file, 'utf8')).slice(0, -9)]) {
      await writeFile(file, text);
      await expect(openSignerFile({ file, sealingKey }, { random })).rejects.toMatchObject({
        facts: { fault: 'damaged-or-other-key' },
      });
    }
  });
});
