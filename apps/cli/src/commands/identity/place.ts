import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Clock, createSystemClock, createSystemRandom, errorMessage, type Random } from '@pulsemesh/base';
import {
  type IdentityOptions,
  identityFileNames,
  type KeyStoreName,
  keystoreNames,
  openKeyStore,
} from '@pulsemesh/identity';
import { ConfigError, dataDirectory } from '@pulsemesh/node';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { type Command, Option } from 'commander';
import { printable, UsageError } from '../../output.ts';

/** The options by which a command finds an identity. */
export interface PlaceFlags {
  readonly data?: string;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly keystore?: KeyStoreChoice;
  readonly json?: boolean;
}

/** Where an identity and all its files lie, and what they are handled with. */
export interface Place {
  readonly options: IdentityOptions;
  readonly card: string;
  readonly devices: string;
  readonly contacts: string;
  readonly deps: { readonly clock: Clock; readonly random: Random };
}

/** A keystore by its name, or the platform's customary one. */
export type KeyStoreChoice = KeyStoreName | 'auto';

/** `--keystore`, alone or with a name. */
export function keystoreOption(): Option {
  return new Option('--keystore [name]', "the platform's keystore instead")
    .choices(['auto', ...keystoreNames])
    .preset('auto');
}

/** Adds them to a command; `--json` not where it has one of its own, or none. */
export function withPlaceFlags(command: Command, options: { readonly json: boolean } = { json: true }): Command {
  const placed = command
    .option('--data <directory>', "where the identity lies: a node's data directory (default: your own)")
    .option('--key-file <file>', 'the key that protects it (default: in the data directory)')
    .option('--passphrase-file <file>', 'a passphrase instead')
    .addOption(keystoreOption());
  return options.json ? placed.option('--json', 'as JSON') : placed;
}

/** The place that the flags name. @throws {UsageError} for two protections; {ConfigError}. */
export function placeOf(flags: PlaceFlags): Place {
  const data = resolve(flags.data ?? join(dataDirectory(), 'identity'));
  const at = (name: string) => join(data, name);
  const deps = { clock: createSystemClock(), random: createSystemRandom() };
  return {
    options: protectionOf(data, flags, deps),
    card: at(identityFileNames.card),
    devices: at(identityFileNames.devices),
    contacts: at(identityFileNames.contacts),
    deps,
  };
}

function protectionOf(data: string, flags: PlaceFlags, deps: { readonly random: Random }): IdentityOptions {
  const { keyFile, passphraseFile, keystore } = flags;
  if ([keyFile, passphraseFile, keystore].filter((flag) => flag !== undefined).length > 1)
    throw new UsageError('--key-file, --passphrase-file and --keystore exclude each other');
  const file = join(data, identityFileNames.identity);
  if (passphraseFile !== undefined) return { file, passphrase: readPassphrase(passphraseFile) };
  if (keystore === undefined) return { file, keyFile: resolve(keyFile ?? join(data, identityFileNames.keyFile)) };
  const name = keystore === 'auto' ? {} : { name: keystore };
  return { file, keystore: openKeyStore({ folder: join(data, identityFileNames.keystore), ...name }, deps) };
}

function readPassphrase(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError('--passphrase-file', `cannot be read (${errorMessage(error)})`, error);
  }
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new ConfigError('--passphrase-file', 'is empty');
  return passphrase;
}

/** A peer id that somebody typed. @throws {UsageError} */
export function parsePeer(text: string): PeerId {
  try {
    return parsePeerId(text);
  } catch {
    throw new UsageError(`this is no peer id: ${printable(text).slice(0, 64)}`);
  }
}
