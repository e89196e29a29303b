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
import { IdentityDamagedError, KeyFileMissingError, KeyStoreError, type Protection, WrongKeyError } from './errors.ts';
import { createSmallFile, readSmallFile } from './files.ts';
import { type IdentityHead, type KeyStoreReference, protectionOf } from './identity-file.ts';
import type { KeyStore } from './keystore.ts';

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
    }
  | {
      readonly file: string;
      /** The platform's: a random key is put there when the identity is made. */
      readonly keystore: KeyStore;
    };

/** How a file is sealed, and the box to seal it in. */
export interface Sealer {
  readonly passphrase: PassphraseParameters | null;
  readonly keystore: KeyStoreReference | null;
  readonly box: Box;
}

interface Dependencies {
  readonly random: Random;
}

/** A sealer for a file that is to be made. @throws {KeyFileMissingError} · {@link KeyStoreError} · those of key files. */
export async function createSealer(options: IdentityOptions, dependencies: Dependencies): Promise<Sealer> {
  if ('keyFile' in options) {
    await createKeyFile(options.keyFile, dependencies);
    return { passphrase: null, keystore: null, box: createBox(await keyOfFile(options), dependencies) };
  }
  if ('keystore' in options) {
    const key = generateSeed(dependencies.random);
    // A name of its own each time: of two processes that start at once, none overwrites the other's.
    const account = `pulsemesh-${toHex(dependencies.random.bytes(8))}`;
    await options.keystore.put(account, key);
    return {
      passphrase: null,
      keystore: { store: options.keystore.name, account },
      box: createBox(key, dependencies),
    };
  }
  const cost = options.costLog2 === undefined ? {} : { costLog2: options.costLog2 };
  const passphrase = createPassphraseParameters(dependencies, cost);
  const key = await derivePassphraseKey(options.passphrase, passphrase);
  return { passphrase, keystore: null, box: createBox(key, dependencies) };
}

/** The sealer of a file that is there. @throws {WrongKeyError} for another kind of protection; as {@link createSealer}. */
export async function openSealer(
  options: IdentityOptions,
  head: IdentityHead,
  dependencies: Dependencies,
): Promise<Sealer> {
  const given = givenProtection(options);
  const { passphrase, keystore } = head;
  if (given !== protectionOf(head)) throw new WrongKeyError(options.file, protectionOf(head), given);
  return {
    passphrase,
    keystore,
    box: createBox(await keyOf(options, passphrase, keystore), dependencies),
  };
}

/** What the caller brings. */
export function givenProtection(options: IdentityOptions): Protection {
  if ('keyFile' in options) return 'key-file';
  return 'keystore' in options ? 'keystore' : 'passphrase';
}

async function keyOf(
  options: IdentityOptions,
  passphrase: PassphraseParameters | null,
  keystore: KeyStoreReference | null,
): Promise<Uint8Array> {
  if ('keyFile' in options) return keyOfFile(options);
  if ('keystore' in options) return keyOfStore(options.keystore, keystore as KeyStoreReference); // the kinds are the same
  return derivePassphraseKey(options.passphrase, passphrase as PassphraseParameters); // likewise
}

async function keyOfStore(store: KeyStore, { store: name, account }: KeyStoreReference): Promise<Uint8Array> {
  if (store.name !== name) throw new KeyStoreError(store.name, `the identity is under ${name}`);
  const key = await store.get(account);
  if (key === null) throw new KeyStoreError(name, `it has no entry ${account}: another user, or another machine?`);
  if (key.length !== 32) throw new KeyStoreError(name, `its entry ${account} is not a key`);
  return key;
}

async function createKeyFile(keyFile: string, dependencies: Dependencies): Promise<void> {
  const text = `${toHex(generateSeed(dependencies.random))}\n`;
  if ((await readSmallFile(keyFile, true)) === null) {
    await createSmallFile(keyFile, new TextEncoder().encode(text), dependencies);
  }
}

async function keyOfFile({ file, keyFile }: { file: string; keyFile: string }): Promise<Uint8Array> {
  const bytes = await readSmallFile(keyFile, true);
  if (bytes === null) throw new KeyFileMissingError(file, keyFile);
  try {
    return fromHex(new TextDecoder().decode(bytes).trim(), 32);
  } catch (error) {
    throw new IdentityDamagedError(keyFile, { cause: error });
  }
}
