import type { Random } from '@pulsemesh/base';
import {
  type Box,
  createBox,
  createPassphraseParameters,
  derivePassphraseKey,
  generateSeed,
  type PassphraseParameters,
} from '@pulsemesh/crypto';
import { fromHex, toHex } from '@pulsemesh/wire';
import { IdentityDamagedError, KeyFileMissingError, type Protection, WrongKeyError } from './errors.ts';
import { createSmallFile, readSmallFile } from './files.ts';
import { type Identity, identityOfSeed } from './identity.ts';
import { encodeIdentityFile, openIdentityFile, parseIdentityFile, protectionOf } from './identity-file.ts';

/** Where an identity lies and what it is sealed under. */
export type IdentityOptions =
  | {
      /** The identity file, made when it is missing. */
      readonly file: string;
      /** 32 random bytes in hex, mode 0600, made when neither it nor the identity is there. Keep it apart from backups of `file`. */
      readonly keyFile: string;
    }
  | {
      readonly file: string;
      /** Taken in its NFKC form. */
      readonly passphrase: string;
      /** log2 of scrypt's N for a new file; default 17. */
      readonly costLog2?: number;
    };

/**
 * The node's identity, sealed at rest (AES-256-GCM under the key file's key, or one derived from the passphrase by
 * scrypt). Made at the first call, atomically: of two processes that start at once one makes it, both get it.
 * `random` must be the system's.
 * @throws {WrongKeyError} · {@link KeyFileMissingError} · {@link KeyFileExposedError} · {@link IdentityDamagedError}
 * · {@link IdentityFileError} · `PassphraseParametersError`.
 */
export async function loadOrCreateIdentity(
  options: IdentityOptions,
  dependencies: { readonly random: Random },
): Promise<Identity> {
  const bytes = await readSmallFile(options.file, false);
  if (bytes !== null) return load(options, bytes, dependencies);
  const created = await create(options, dependencies);
  if (created !== null) return created;
  // Another process was first.
  const others = await readSmallFile(options.file, false);
  if (others === null) throw new IdentityDamagedError(options.file);
  return load(options, others, dependencies);
}

async function load(
  options: IdentityOptions,
  bytes: Uint8Array,
  dependencies: { readonly random: Random },
): Promise<Identity> {
  const parsed = parseIdentityFile(options.file, bytes);
  const given: Protection = 'keyFile' in options ? 'key-file' : 'passphrase';
  if (given !== protectionOf(parsed)) throw new WrongKeyError(options.file, protectionOf(parsed), given);
  const box = await boxFor(options, parsed.passphrase, dependencies);
  if (box === null) throw new KeyFileMissingError(options.file, 'keyFile' in options ? options.keyFile : '');
  const seed = openIdentityFile(parsed, box);
  if (seed === null) throw new WrongKeyError(options.file, given, given);
  if (seed.length !== 32) throw new IdentityDamagedError(options.file);
  return identityOfSeed(seed);
}

/** Null when another process made the file meanwhile. */
async function create(options: IdentityOptions, dependencies: { readonly random: Random }): Promise<Identity | null> {
  if ('keyFile' in options) await createKeyFile(options.keyFile, dependencies);
  const passphrase =
    'keyFile' in options
      ? null
      : createPassphraseParameters(dependencies, options.costLog2 === undefined ? {} : { costLog2: options.costLog2 });
  const box = await boxFor(options, passphrase, dependencies);
  if (box === null) throw new KeyFileMissingError(options.file, 'keyFile' in options ? options.keyFile : '');
  const seed = generateSeed(dependencies.random);
  const identity = identityOfSeed(seed);
  const content = encodeIdentityFile({ peer: identity.peerId, passphrase }, seed, box);
  return (await createSmallFile(options.file, content, dependencies)) ? identity : null;
}

/** The box an identity is sealed in; null when its key file is missing. */
async function boxFor(
  options: IdentityOptions,
  passphrase: PassphraseParameters | null,
  dependencies: { readonly random: Random },
): Promise<Box | null> {
  if ('keyFile' in options) {
    const key = await readKeyFile(options.keyFile);
    return key === null ? null : createBox(key, dependencies);
  }
  const parameters = passphrase ?? createPassphraseParameters(dependencies);
  return createBox(await derivePassphraseKey(options.passphrase, parameters), dependencies);
}

async function createKeyFile(keyFile: string, dependencies: { readonly random: Random }): Promise<void> {
  const text = `${toHex(generateSeed(dependencies.random))}\n`;
  if ((await readSmallFile(keyFile, true)) === null) {
    await createSmallFile(keyFile, new TextEncoder().encode(text), dependencies);
  }
}

async function readKeyFile(keyFile: string): Promise<Uint8Array | null> {
  const bytes = await readSmallFile(keyFile, true);
  if (bytes === null) return null;
  try {
    return fromHex(new TextDecoder().decode(bytes).trim(), 32);
  } catch (error) {
    throw new IdentityDamagedError(keyFile, { cause: error });
  }
}
