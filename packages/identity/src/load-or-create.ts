import type { Random } from '@pulsemesh/base';
import { generateSeed } from '@pulsemesh/crypto';
import { IdentityDamagedError, IdentityExistsError, IdentityMissingError, WrongKeyError } from './errors.ts';
import { createSmallFile, readSmallFile } from './files.ts';
import { type Identity, type IdentitySecrets, identityOfSecrets, secretsOfSeed } from './identity.ts';
import {
  encodeIdentityFile,
  type IdentityFile,
  openIdentityFile,
  parseIdentityFile,
  protectionOf,
} from './identity-file.ts';
import { createSealer, type IdentityOptions, openSealer, type Sealer } from './protection.ts';

interface Dependencies {
  readonly random: Random;
}

/**
 * The node's identity, sealed at rest (AES-256-GCM under the key file's key, one derived from the passphrase by scrypt, or one
 * that the platform's keystore holds). Made at the first call, atomically: of two processes that start at once one makes it, both get it.
 * `random` must be the system's.
 * @throws {WrongKeyError} · {@link KeyFileMissingError} · {@link KeyFileExposedError} · {@link IdentityDamagedError}
 * · {@link IdentityFileError} · {@link KeyStoreError} · `PassphraseParametersError`.
 */
export async function loadOrCreateIdentity(options: IdentityOptions, dependencies: Dependencies): Promise<Identity> {
  const found = await openStored(options, dependencies);
  if (found !== null) return identityOfSecrets(found.secrets);
  const created = await createFile(options, secretsOfSeed(generateSeed(dependencies.random)), dependencies);
  if (created !== null) return created;
  // Another process was first.
  const others = await openStored(options, dependencies);
  if (others === null) throw new IdentityDamagedError(options.file);
  return identityOfSecrets(others.secrets);
}

/** The identity that is there; makes none. @throws {IdentityMissingError}; as {@link loadOrCreateIdentity}. */
export async function loadIdentity(options: IdentityOptions, dependencies: Dependencies): Promise<Identity> {
  const found = await openStored(options, dependencies);
  if (found === null) throw new IdentityMissingError(options.file);
  return identityOfSecrets(found.secrets);
}

/** Writes a new identity. @throws {IdentityExistsError} when there is one; as {@link loadOrCreateIdentity}. */
export async function writeNewIdentity(
  options: IdentityOptions,
  secrets: IdentitySecrets,
  dependencies: Dependencies,
): Promise<Identity> {
  const isThere = (await readSmallFile(options.file, false)) !== null;
  const created = isThere ? null : await createFile(options, secrets, dependencies);
  if (created === null) throw new IdentityExistsError(options.file);
  return created;
}

/** An identity file, opened. */
export interface StoredIdentity {
  readonly file: IdentityFile;
  readonly secrets: IdentitySecrets;
  readonly sealer: Sealer;
}

/** The file with what it holds, or null when there is none. @throws as {@link loadOrCreateIdentity}. */
export async function openStored(options: IdentityOptions, dependencies: Dependencies): Promise<StoredIdentity | null> {
  const bytes = await readSmallFile(options.file, false);
  if (bytes === null) return null;
  const file = parseIdentityFile(options.file, bytes);
  const sealer = await openSealer(options, file, dependencies);
  const secrets = openSecrets(options.file, file, sealer);
  if (secrets === null) throw new WrongKeyError(options.file, protectionOf(file), protectionOf(file));
  return { file, secrets, sealer };
}

function openSecrets(path: string, file: IdentityFile, sealer: Sealer): IdentitySecrets | null {
  try {
    return openIdentityFile(file, sealer.box);
  } catch (error) {
    throw new IdentityDamagedError(path, { cause: error });
  }
}

/** Null when another process made the file meanwhile. */
async function createFile(
  options: IdentityOptions,
  secrets: IdentitySecrets,
  dependencies: Dependencies,
): Promise<Identity | null> {
  const { box, passphrase, keystore } = await createSealer(options, dependencies);
  const identity = identityOfSecrets(secrets);
  const head = { peer: identity.peerId, generation: 1, passphrase, keystore };
  const content = encodeIdentityFile(head, secrets, box);
  return (await createSmallFile(options.file, content, dependencies)) ? identity : null;
}
