import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { protectIdentity } from './change-identity.ts';
import { KeyStoreError, WrongKeyError } from './errors.ts';
import { customaryKeyStore, type KeyStoreName, keystoreLimits, openKeyStore } from './keystore-tools.ts';
import { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';

const random = createSystemRandom();
const secret = Uint8Array.from({ length: 32 }, (_, index) => index * 5);
const isPosix = process.platform !== 'win32';
let folder: string;
let path: string | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsemesh-keystore-'));
  path = process.env['PATH'];
});
afterEach(async () => {
  process.env['PATH'] = path;
  await rm(folder, { recursive: true });
});

const open = (name: KeyStoreName) => openKeyStore({ folder: join(folder, 'sealed'), name }, { random });

/** A tool that does what the script says, and writes down its arguments. For what can go wrong; the real ones are tried below. */
async function plant(tool: string, script: string): Promise<string> {
  const bin = join(folder, 'bin');
  const log = join(folder, 'arguments');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, tool), `#!/bin/sh\necho "$@" >> '${log}'\n${script}\n`);
  await chmod(join(bin, tool), 0o755);
  process.env['PATH'] = `${bin}:${path}`;
  return log;
}

/** Wants systemd 250 and, outside of a service, root. */
const canSealToMachine = await (async () => {
  const probe = await mkdtemp(join(tmpdir(), 'pulsemesh-probe-'));
  const store = openKeyStore({ folder: probe, name: 'systemd-creds' }, { random });
  const isThere = await store.put('pulsemesh-probe', secret).then(
    () => true,
    () => false,
  );
  await rm(probe, { recursive: true });
  return isThere;
})();

describe.skipIf(!canSealToMachine)('the machine’s own keystore (systemd-creds, for real)', () => {
  it('gives back what was put there, and keeps it sealed', async () => {
    const store = open('systemd-creds');
    expect(await store.get('pulsemesh-a')).toBeNull();
    await store.put('pulsemesh-a', secret);
    await store.put('pulsemesh-b', Uint8Array.of(1));
    expect(await open('systemd-creds').get('pulsemesh-a')).toEqual(secret);
    const file = await readFile(join(folder, 'sealed', 'pulsemesh-a.sealed'), 'utf8');
    expect(file).not.toContain(toHex(secret));
    expect(Buffer.from(file, 'base64').includes(Buffer.from(secret))).toBe(false);
  });

  it('keeps the key of an identity, from the start or in the place of a key file', async () => {
    const file = join(folder, 'identity');
    const keyFile = join(folder, 'identity.key');
    const clock = new VirtualClock();
    const under = { file, keystore: open('systemd-creds') };
    const made = await loadOrCreateIdentity({ file, keyFile }, { random });
    await protectIdentity({ file, keyFile }, under, { clock, random });
    expect((await loadOrCreateIdentity(under, { random })).peerId).toBe(made.peerId);
    await expect(loadIdentity({ file, keyFile }, { random })).rejects.toThrow(WrongKeyError);
    const other = { file, keystore: open('secret-service') };
    await expect(loadIdentity(other, { random })).rejects.toThrow(/the identity is under systemd-creds/);
    await rm(join(folder, 'sealed'), { recursive: true });
    await expect(loadIdentity(under, { random })).rejects.toThrow(/another user, or another machine/);
  });

  it('does not open what was sealed under another name or altered', async () => {
    const store = open('systemd-creds');
    await store.put('pulsemesh-a', secret);
    const sealed = join(folder, 'sealed');
    await writeFile(join(sealed, 'pulsemesh-b.sealed'), await readFile(join(sealed, 'pulsemesh-a.sealed')));
    await expect(store.get('pulsemesh-b')).rejects.toThrow(KeyStoreError);
    await writeFile(join(sealed, 'pulsemesh-a.sealed'), 'AAAA');
    await expect(store.get('pulsemesh-a')).rejects.toThrow(/systemd-creds failed with exit code/);
  });
});

describe.skipIf(!isPosix)('a keystore’s tool', () => {
  const tools: readonly [KeyStoreName, string][] = [
    ['secret-service', 'secret-tool'],
    ['macos-keychain', 'security'],
    ['systemd-creds', 'systemd-creds'],
    ['windows-dpapi', 'powershell.exe'],
  ];

  it.each(tools)('of %s that is not installed is named', async (name, tool) => {
    process.env['PATH'] = join(folder, 'nothing');
    await expect(open(name).put('pulsemesh-a', secret)).rejects.toThrow(`keystore ${name}: ${tool} is not installed`);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(tools)('of %s that fails is reported with its own words, and nothing is kept', async (name, tool) => {
    await plant(tool, 'cat > /dev/null; echo locked >&2; exit 3');
    const error = await open(name)
      .put('pulsemesh-a', secret)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'keystore', message: expect.stringContaining('exit code 3') });
    expect((error as Error).cause).toMatchObject({ message: 'locked' });
    expect(await readdir(folder)).not.toContain('sealed');
  });

  it.each(tools)('of %s gets the secret by standard input, never among its arguments', async (name, tool) => {
    const input = join(folder, 'input');
    const log = await plant(tool, `cat >> '${input}'; printf ${toHex(secret)}`);
    await open(name).put('pulsemesh-a', secret);
    const given = await readFile(input, 'utf8');
    expect(given.includes(toHex(secret)) || given.includes(btoa(toHex(secret)))).toBe(true);
    expect(await readFile(log, 'utf8')).not.toContain(toHex(secret).slice(0, 8));
  });

  it('that dies without reading, talks too much or answers nonsense is refused', async () => {
    await plant('secret-tool', 'exit 0');
    await open('secret-service').put('pulsemesh-a', secret);
    await plant('secret-tool', `head -c ${keystoreLimits.outputBytesMax + 1} /dev/zero`);
    await expect(open('secret-service').get('pulsemesh-a')).rejects.toThrow(/more than a secret/);
    await plant('secret-tool', 'echo "not hex"');
    await expect(open('secret-service').get('pulsemesh-a')).rejects.toThrow(/not what was put there/);
    await plant('secret-tool', 'kill -9 $$');
    await expect(open('secret-service').get('pulsemesh-a')).rejects.toThrow(/killed/);
  });

  it('that knows no such secret says so', async () => {
    await plant('secret-tool', 'exit 1');
    expect(await open('secret-service').get('pulsemesh-a')).toBeNull();
    await plant('security', 'exit 44');
    expect(await open('macos-keychain').get('pulsemesh-a')).toBeNull();
  });

  it('gets no account that could be something else, and no long secret', async () => {
    await expect(open('systemd-creds').get('../x')).rejects.toThrow(KeyStoreError);
    const long = new Uint8Array(keystoreLimits.secretBytesMax + 1);
    await expect(open('systemd-creds').put('pulsemesh-a', long)).rejects.toThrow(/too long/);
  });
});

describe('the customary keystore', () => {
  it('is the platform’s own', () => {
    const platforms = ['linux', 'darwin', 'win32', 'aix'];
    expect(platforms.map(customaryKeyStore)).toEqual(['secret-service', 'macos-keychain', 'windows-dpapi', null]);
  });
});
