import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { errorCode, type Random } from '@pulsemesh/base';
import { makeDirectory } from '@pulsemesh/store';
import { equalBytes, fromHex, toHex } from '@pulsemesh/wire';
import { KeyStoreError } from './errors.ts';
import { overwriteFile, readSmallFile } from './files.ts';
import type { KeyStore } from './keystore.ts';

/** The keystores there are, by the platform's own tools. */
export const keystoreNames = ['secret-service', 'systemd-creds', 'macos-keychain', 'windows-dpapi'] as const;

export type KeyStoreName = (typeof keystoreNames)[number];

/** Limits of a keystore's tool; past each it fails with a {@link KeyStoreError}. */
export const keystoreLimits = { answerMs: 60_000, outputBytesMax: 64 * 1024, secretBytesMax: 1024 } as const;

/** What {@link openKeyStore} works with. */
export interface KeyStoreOptions {
  /** Where the tools that only seal (`systemd-creds`, `windows-dpapi`) have what they sealed kept. */
  readonly folder: string;
  /** Default: this platform's customary one, see {@link customaryKeyStore}. */
  readonly name?: KeyStoreName;
}

/** The keystore one means on a platform (`process.platform`) when one names none; null where there is none. */
export function customaryKeyStore(platform: string): KeyStoreName | null {
  if (platform === 'darwin') return 'macos-keychain';
  if (platform === 'win32') return 'windows-dpapi';
  return platform === 'linux' ? 'secret-service' : null;
}

/**
 * A keystore of the platform. The tool is started at the first `get` or `put`; secrets go through its standard input and output, never
 * through arguments, which every user of the machine can read.
 * @throws {KeyStoreError} when this platform has none.
 */
export function openKeyStore(options: KeyStoreOptions, dependencies: { readonly random: Random }): KeyStore {
  const name = options.name ?? customaryKeyStore(process.platform);
  if (name === null) throw new KeyStoreError(process.platform, 'this platform has none that is known here');
  return makers[name](options.folder, dependencies);
}

const service = 'pulsemesh';

const makers: Readonly<Record<KeyStoreName, (folder: string, dependencies: { readonly random: Random }) => KeyStore>> =
  {
    'secret-service': () => secretService,
    'macos-keychain': () => macosKeychain,
    'systemd-creds': (folder, dependencies) => sealingStore('systemd-creds', folder, dependencies, systemdCreds),
    'windows-dpapi': (folder, dependencies) => sealingStore('windows-dpapi', folder, dependencies, windowsDpapi),
  };

// GNOME's and KDE's keyring through libsecret's tool. Exit code 1 without a word: no such secret.
const secretService: KeyStore = {
  name: 'secret-service',
  async get(account) {
    const args = ['lookup', 'service', service, 'account', assertAccount('secret-service', account)];
    const run = await runTool('secret-service', 'secret-tool', args, '');
    if (run.exitCode === 1 && run.error === '' && run.output === '') return null;
    return secretOf('secret-service', checked('secret-service', 'secret-tool', run));
  },
  async put(account, secret) {
    const args = ['store', `--label=Pulsemesh ${assertAccount('secret-service', account)}`];
    args.push('service', service, 'account', account);
    const run = await runTool('secret-service', 'secret-tool', args, textOf(secret));
    checked('secret-service', 'secret-tool', run);
  },
};

// `security -i` takes its commands from standard input; with the ordinary form the secret would stand in the arguments.
const macosKeychain: KeyStore = {
  name: 'macos-keychain',
  async get(account) {
    const args = ['find-generic-password', '-s', service, '-a', assertAccount('macos-keychain', account), '-w'];
    const run = await runTool('macos-keychain', 'security', args, '');
    if (run.exitCode === 44) return null; // errSecItemNotFound
    return secretOf('macos-keychain', checked('macos-keychain', 'security', run));
  },
  async put(account, secret) {
    const to = `-s ${service} -a ${assertAccount('macos-keychain', account)}`;
    const command = `add-generic-password -U ${to} -w ${textOf(secret)}\n`;
    checked('macos-keychain', 'security', await runTool('macos-keychain', 'security', ['-i'], command));
    // In its interactive form the tool says 0 whatever happened.
    const kept = await this.get(account);
    if (kept === null || !equalBytes(kept, secret))
      throw new KeyStoreError('macos-keychain', 'it did not keep the secret');
  },
};

/** A tool that seals to the machine or to the user, and keeps nothing. */
interface Sealing {
  seal(account: string, secret: string): Promise<string>;
  open(account: string, sealed: string): Promise<string>;
}

// Sealed to this machine (its TPM where it has one, else a key that only root reads); wants to run as root or as a systemd service.
const systemdCreds: Sealing = {
  async seal(account, secret) {
    const run = await runTool('systemd-creds', 'systemd-creds', [`--name=${account}`, 'encrypt', '-', '-'], secret);
    return checked('systemd-creds', 'systemd-creds', run);
  },
  async open(account, sealed) {
    const run = await runTool('systemd-creds', 'systemd-creds', [`--name=${account}`, 'decrypt', '-', '-'], sealed);
    return checked('systemd-creds', 'systemd-creds', run);
  },
};

// Sealed to this user of this machine.
const windowsDpapi: Sealing = {
  seal: (_account, secret) => powershell(`Protect([Convert]::FromBase64String($in), $null, 'CurrentUser')`, secret),
  open: (_account, sealed) => powershell(`Unprotect([Convert]::FromBase64String($in), $null, 'CurrentUser')`, sealed),
};

/** Text in, the call's bytes out; base64 on the way, since a console is no place for bytes. */
async function powershell(call: string, text: string): Promise<string> {
  const isSealing = call.startsWith('Protect');
  const script = [
    `$ErrorActionPreference = 'Stop'`,
    'Add-Type -AssemblyName System.Security',
    '$in = [Console]::In.ReadToEnd().Trim()',
    `[Console]::Out.Write([Convert]::ToBase64String([Security.Cryptography.ProtectedData]::${call}))`,
  ].join('; ');
  const args = ['-NoProfile', '-NonInteractive', '-Command', script];
  const run = await runTool('windows-dpapi', 'powershell.exe', args, isSealing ? btoa(text) : text);
  const output = checked('windows-dpapi', 'powershell.exe', run).trim();
  return isSealing ? output : atob(output);
}

function sealingStore(
  name: KeyStoreName,
  folder: string,
  dependencies: { readonly random: Random },
  { seal, open }: Sealing,
): KeyStore {
  const fileOf = (account: string) => join(folder, `${assertAccount(name, account)}.sealed`);
  return {
    name,
    async get(account) {
      const sealed = await readSmallFile(fileOf(account), false, keystoreLimits.outputBytesMax);
      return sealed === null ? null : secretOf(name, await open(account, new TextDecoder().decode(sealed)));
    },
    async put(account, secret) {
      const sealed = await seal(account, textOf(secret));
      makeDirectory(folder);
      await overwriteFile(fileOf(account), new TextEncoder().encode(sealed), dependencies);
    },
  };
}

/** It goes into arguments and file names. */
function assertAccount(store: string, account: string): string {
  if (!/^[0-9a-z-]{1,80}$/.test(account)) throw new KeyStoreError(store, 'an account is of 0-9 a-z -');
  return account;
}

function textOf(secret: Uint8Array): string {
  if (secret.length > keystoreLimits.secretBytesMax) throw new KeyStoreError('any', 'the secret is too long');
  return toHex(secret);
}

function secretOf(store: string, text: string): Uint8Array {
  try {
    return fromHex(text.trim());
  } catch (error) {
    throw new KeyStoreError(store, 'what it keeps is not what was put there', { cause: error });
  }
}

interface ToolRun {
  readonly exitCode: number | null;
  readonly output: string;
  readonly error: string;
}

function checked(store: string, tool: string, run: ToolRun): string {
  // The tool's own words go along as the cause: they say what a person has to do, and hold no secret of ours.
  const cause = run.error === '' ? undefined : new Error(run.error.trim().slice(0, 500));
  if (run.exitCode === null) throw new KeyStoreError(store, `${tool} did not end in time, or was killed`, { cause });
  if (run.exitCode !== 0) throw new KeyStoreError(store, `${tool} failed with exit code ${run.exitCode}`, { cause });
  return run.output;
}

/** Runs a tool to its end. @throws {KeyStoreError} when it is not there or says too much. */
function runTool(store: string, tool: string, args: readonly string[], input: string): Promise<ToolRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { timeout: keystoreLimits.answerMs, windowsHide: true });
    const outputs = [collect(child.stdout), collect(child.stderr)] as const;
    child.on('error', (error) => {
      const what = errorCode(error) === 'ENOENT' ? `${tool} is not installed` : `${tool} cannot be started`;
      reject(new KeyStoreError(store, what, { cause: error }));
    });
    child.on('close', (exitCode) => {
      const [output, error] = outputs.map((read) => read());
      if (output === null) reject(new KeyStoreError(store, `${tool} said more than a secret`));
      else resolve({ exitCode, output: output ?? '', error: error ?? '' });
    });
    child.stdin.on('error', () => {}); // it ended without reading: its exit code says why
    child.stdin.end(input);
  });
}

/** Null once there was more than the limit. */
function collect(stream: NodeJS.ReadableStream): () => string | null {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= keystoreLimits.outputBytesMax) chunks.push(chunk);
  });
  return () => (bytes > keystoreLimits.outputBytesMax ? null : Buffer.concat(chunks).toString('utf8'));
}
