import { constants } from 'node:fs';
import { type FileHandle, link, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Condition, errorCode, type Random } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import { makeDirectory } from '@pulsemesh/store';
import { fromHex, toHex } from '@pulsemesh/wire';
import type { Hex } from '../../offer/offer.ts';
import { type AccountSigner, createLocalSigner } from './local-signer.ts';

/** The file of the ledger account cannot be used. Nothing in it was changed. */
export class SignerFileError extends Condition {
  override readonly name = 'SignerFileError';
  constructor(
    fault: 'exposed' | 'damaged-or-other-key' | 'unreadable' | 'unwritable',
    options: { readonly cause?: unknown } = {},
  ) {
    super('signer-file', `the file of the ledger account cannot be used: ${faultWords[fault]}`, {
      facts: { fault },
      ...options,
    });
  }
}

const faultWords = {
  exposed:
    'others than its owner may read it: set its mode to 0600, and take a new account if anybody may have read it',
  'damaged-or-other-key': 'it is damaged, or sealed under another key: restore it from the backup',
  unreadable: 'it cannot be read',
  unwritable: 'it cannot be written',
} as const;

export interface SignerFileOptions {
  readonly file: string;
  /** 32 bytes that the account's key is sealed under: derived from the node's identity, or a key file of its own. */
  readonly sealingKey: Uint8Array;
  /** Taken over where there is no file yet; default: a new random account. */
  readonly privateKey?: Hex;
}

const head = 'pulsemesh ledger account 1\n';
const fileBytesMax = 1_024;
const purpose = new TextEncoder().encode('pulsemesh/ledger-account/1');

/**
 * The account whose key a file keeps sealed (AES-256-GCM); made with mode 0600 where there is none, whole or not at all. Back the file
 * up together with its sealing key: without both, what the account holds is lost.
 * @throws {SignerFileError}; {RangeError} for what is not a private key.
 */
export async function openSignerFile(
  { file, sealingKey, privateKey }: SignerFileOptions,
  dependencies: { readonly random: Random },
): Promise<AccountSigner> {
  const box = createBox(sealingKey, dependencies);
  let text = await readText(file);
  if (text === null) {
    const key = privateKey ?? newKey(dependencies.random);
    createLocalSigner(key); // refuses what is none before it is kept
    const sealed = box.seal(fromHex(key.slice(2).toLowerCase(), 32), purpose);
    await createText(file, `${head}${toHex(sealed)}\n`, dependencies.random);
    text = await readText(file); // of two processes that made one at once, both use the one that is there
  }
  if (text === null || !text.startsWith(head)) throw new SignerFileError('damaged-or-other-key');
  try {
    const key: Hex = `0x${toHex(box.open(fromHex(text.slice(head.length).trim()), purpose))}`;
    return createLocalSigner(key);
  } catch (error) {
    throw new SignerFileError('damaged-or-other-key', { cause: error });
  }
}

/** All but 2^-128 of 32-byte strings are keys. */
function newKey(random: Random): Hex {
  for (;;) {
    const key: Hex = `0x${toHex(random.bytes(32))}`;
    try {
      createLocalSigner(key);
      return key;
    } catch {
      // Zero, or past the curve's order: the next one.
    }
  }
}

async function readText(file: string): Promise<string | null> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDONLY);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw new SignerFileError('unreadable', { cause: error });
  }
  try {
    const { mode, size } = await handle.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) throw new SignerFileError('exposed');
    if (size > fileBytesMax) throw new SignerFileError('damaged-or-other-key');
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Leaves a file that is there already as it is. */
async function createText(file: string, text: string, random: Random): Promise<void> {
  const temporary = `${file}.${toHex(random.bytes(8))}.tmp`;
  try {
    makeDirectory(dirname(file));
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, file).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    await unlink(temporary);
  } catch (error) {
    throw new SignerFileError('unwritable', { cause: error });
  }
}
