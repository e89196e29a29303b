import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { createSystemRandom } from '@pulsemesh/base';
import { verifySignature } from '@pulsemesh/crypto';
import { fromHex, toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  IdentityDamagedError,
  IdentityFileError,
  KeyFileExposedError,
  KeyFileMissingError,
  WrongKeyError,
} from './errors.ts';
import { identityOfSeed } from './identity.ts';
import { loadOrCreateIdentity } from './load-or-create.ts';

const dependencies = { random: createSystemRandom() };
let directory: string;
let file: string;
let keyFile: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-identity-'));
  file = join(directory, 'state', 'identity');
  keyFile = join(directory, 'keys', 'node.key');
});
afterEach(() => rm(directory, { recursive: true }));

describe('an identity under a key file', () => {
  it('is made at the first call and found again at the next', async () => {
    const made = await loadOrCreateIdentity({ file, keyFile }, dependencies);
    const found = await loadOrCreateIdentity({ file, keyFile }, dependencies);
    expect(found.peerId).toBe(made.peerId);
    expect(found.libp2pPrivateKeyBytes).toEqual(made.libp2pPrivateKeyBytes);
    expect(found.nodeBoxKey).toEqual(made.nodeBoxKey);
    expect(await readdir(join(directory, 'state'))).toEqual(['identity']);
  });

  it('is one identity when eight processes start at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, () => loadOrCreateIdentity({ file, keyFile }, dependencies)),
    );
    expect(new Set(all.map((identity) => identity.peerId)).size).toBe(1);
    expect(await readdir(join(directory, 'keys'))).toEqual(['node.key']);
  });

  it('keeps both files for the owner alone, and no key in clear', async () => {
    const identity = await loadOrCreateIdentity({ file, keyFile }, dependencies);
    for (const path of [file, keyFile]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const seed = Buffer.from(identity.libp2pPrivateKeyBytes.subarray(0, 32));
    expect((await readFile(file)).includes(seed)).toBe(false);
  });

  it('refuses another key', async () => {
    await loadOrCreateIdentity({ file, keyFile }, dependencies);
    await writeFile(keyFile, `${'ab'.repeat(32)}\n`);
    await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(WrongKeyError);
  });

  it.skipIf(process.platform === 'win32').each([0o640, 0o604, 0o620])('refuses a key file of mode %o', async (mode) => {
    await loadOrCreateIdentity({ file, keyFile }, dependencies);
    await chmod(keyFile, mode);
    await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(KeyFileExposedError);
    await rm(file);
    await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(KeyFileExposedError);
  });

  it('makes no new key for an identity whose key file is missing', async () => {
    await loadOrCreateIdentity({ file, keyFile }, dependencies);
    await rm(keyFile);
    await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(KeyFileMissingError);
    expect(await readdir(join(directory, 'keys'))).toEqual([]);
  });

  it('refuses either file cut anywhere, emptied, or far too long, and leaves it as it is', async () => {
    await loadOrCreateIdentity({ file, keyFile }, dependencies);
    for (const path of [file, keyFile]) {
      const whole = await readFile(path);
      for (const length of [0, 1, Math.floor(whole.length / 2), whole.length - 2]) {
        await truncate(path, length);
        await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(IdentityDamagedError);
        expect((await stat(path)).size).toBe(length);
        await writeFile(path, whole);
      }
      await writeFile(path, Buffer.alloc(5000, 0x61));
      await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(IdentityDamagedError);
      await writeFile(path, whole);
    }
  });

  it('notices every flipped bit', async () => {
    await loadOrCreateIdentity({ file, keyFile }, dependencies);
    const whole = await readFile(file);
    for (let position = 0; position < whole.length; position += 1) {
      const flipped = Buffer.from(whole);
      flipped[position] = (flipped[position] ?? 0) ^ (1 << (position % 8));
      await writeFile(file, flipped);
      const outcome = await loadOrCreateIdentity({ file, keyFile }, dependencies).catch((error: unknown) => error);
      expect(outcome instanceof WrongKeyError || outcome instanceof IdentityDamagedError).toBe(true);
    }
  });

  it('says which file it could not read or write', async () => {
    const inTheWay = join(directory, 'plain');
    await writeFile(inTheWay, '');
    const below = join(inTheWay, 'identity');
    await expect(loadOrCreateIdentity({ file: below, keyFile }, dependencies)).rejects.toThrow(IdentityFileError);
  });
});

describe('an identity under a passphrase', () => {
  const costLog2 = 14; // the least that is accepted, for the sake of the tests' time

  it('opens with it, in whatever Unicode form it is typed, and with no other', async () => {
    const made = await loadOrCreateIdentity({ file, passphrase: 'caf\u00e9 au lait', costLog2 }, dependencies);
    const found = await loadOrCreateIdentity({ file, passphrase: 'cafe\u0301 au lait' }, dependencies);
    expect(found.peerId).toBe(made.peerId);
    await expect(loadOrCreateIdentity({ file, passphrase: 'caf\u00e9 noir' }, dependencies)).rejects.toThrow(
      WrongKeyError,
    );
    await expect(loadOrCreateIdentity({ file, keyFile }, dependencies)).rejects.toThrow(WrongKeyError);
  });
});

describe('an identity file of version 1', () => {
  it('is read by this version', async () => {
    const fixture = fileURLToPath(new URL('../fixtures/identity-1', import.meta.url));
    const identity = await loadOrCreateIdentity({ file: fixture, passphrase: 'a fixture' }, dependencies);
    expect(identity.peerId).toBe('12D3KooWAzprrSsBBk9HVq4pJL4Gjdp5KjDugLM3iFS9SAkpXogh');
  });
});

describe('Identity', () => {
  // RFC 8032 §7.1, test 1.
  const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const identity = identityOfSeed(seed);

  it('is the peer that @libp2p/peer-id makes of the same key', () => {
    expect(identity.peerId).toBe('12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV');
    const publicKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
    expect(toHex(identity.libp2pPrivateKeyBytes)).toBe(toHex(seed) + publicKey);
  });

  it('signs what others verify', () => {
    const message = new TextEncoder().encode('beat');
    expect(verifySignature(identity.publicKey, message, identity.sign(message))).toBe(true);
  });

  it('prints as its peer id and nothing else', () => {
    expect(JSON.parse(JSON.stringify(identity))).toEqual({ peerId: identity.peerId });
    expect(inspect(identity, { showHidden: true, depth: 5 })).not.toContain(toHex(seed).slice(0, 8));
  });
});
