import { type Box, type PassphraseParameters, PassphraseParametersError, SealBrokenError } from '@pulsemesh/crypto';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { IdentityDamagedError, type Protection } from './errors.ts';
import { bytesOf, integerOf, listOf } from './fields.ts';
import type { IdentitySecrets } from './identity.ts';
import { secretsOfSeed } from './identity.ts';
import type { SealingSecret } from './sealing.ts';

// The file is one CBOR map { format, version, peer, …, sealed }; the seal binds all the others.
//   version 1: peer, passphrase, sealed = the seed
//   version 2: peer, generation, passphrase, keystore, sealed = CBOR { seed, box, sealing, successions }
// Version 1 is read for ever, and becomes version 2 at its first change.
const format = 'pulsemesh-identity';

/** Limits of what an identity file holds. */
export const identityLimits = {
  /** Sealing keys, the one in use included: past it the oldest retired one is forgotten. */
  sealingKeysMax: 8,
  /** Successions remembered: past it the oldest is dropped. */
  successionsMax: 4,
} as const;

/** Which entry of which keystore holds the key. */
export interface KeyStoreReference {
  readonly store: string;
  readonly account: string;
}

/** The readable part of an identity file. */
export interface IdentityHead {
  /** The peer id, so that a person can tell which node a file is of. */
  readonly peer: string;
  /** Counts the changes; a file of version 1 is generation 0. */
  readonly generation: number;
  /** Null: not under a passphrase. */
  readonly passphrase: PassphraseParameters | null;
  /** Null: not under a keystore. Neither: under a key file. */
  readonly keystore: KeyStoreReference | null;
}

export interface IdentityFile extends IdentityHead {
  readonly version: 1 | 2;
  readonly sealed: Uint8Array;
}

/** How a file with this head is protected. */
export function protectionOf(head: Pick<IdentityHead, 'passphrase' | 'keystore'>): Protection {
  if (head.keystore !== null) return 'keystore';
  return head.passphrase === null ? 'key-file' : 'passphrase';
}

/** The whole file, version 2: `secrets` sealed in `box`, bound to the head. */
export function encodeIdentityFile(head: IdentityHead, secrets: IdentitySecrets, box: Box): Uint8Array {
  const map = headMap(2, head);
  return encodeCbor({ ...map, sealed: box.seal(encodeSecrets(secrets), encodeCbor(map)) });
}

/** The secrets of a file, or null when `box` does not open it. @throws {DecodeError} · TypeError for contents of another shape. */
export function openIdentityFile(file: IdentityFile, box: Box): IdentitySecrets | null {
  try {
    const opened = box.open(file.sealed, encodeCbor(headMap(file.version, file)));
    return file.version === 1 ? secretsOfSeed(bytesOf(opened, 32)) : decodeSecrets(opened);
  } catch (error) {
    if (error instanceof SealBrokenError) return null;
    throw error;
  }
}

/** @throws {IdentityDamagedError} */
export function parseIdentityFile(path: string, bytes: Uint8Array): IdentityFile {
  try {
    return parse(decodeCbor(bytes) as Record<string, unknown>);
  } catch (error) {
    throw new IdentityDamagedError(path, { cause: error });
  }
}

function headMap(version: 1 | 2, head: IdentityHead): Record<string, unknown> {
  const { peer, generation, passphrase, keystore } = head;
  const first = { format, version, peer, passphrase: passphrase === null ? null : { ...passphrase } };
  return version === 1 ? first : { ...first, generation, keystore: keystore === null ? null : { ...keystore } };
}

function parse(map: Record<string, unknown> | null): IdentityFile {
  const version = map?.['version'];
  if (map?.['format'] !== format || (version !== 1 && version !== 2))
    throw new TypeError('not an identity of version 1 or 2');
  const { peer, sealed, passphrase } = map;
  if (typeof peer !== 'string' || !(sealed instanceof Uint8Array)) throw new TypeError('fields');
  return {
    version,
    peer,
    sealed,
    generation: version === 1 ? 0 : integerOf(map['generation']),
    passphrase: passphrase === null ? null : parsePassphrase(passphrase),
    keystore: version === 1 || map['keystore'] === null ? null : parseReference(map['keystore']),
  };
}

function parsePassphrase(value: unknown): PassphraseParameters {
  const { salt, costLog2, blockSize, parallelism } = value as Record<string, unknown>;
  const areNumbers = [costLog2, blockSize, parallelism].every((number) => typeof number === 'number');
  if (!(salt instanceof Uint8Array) || !areNumbers) throw new PassphraseParametersError();
  // The key derivation checks the ranges.
  return { salt, costLog2: costLog2 as number, blockSize: blockSize as number, parallelism: parallelism as number };
}

function parseReference(value: unknown): KeyStoreReference {
  const { store, account } = value as Record<string, unknown>;
  // The account goes into a tool's arguments and into file names.
  if (typeof store !== 'string' || typeof account !== 'string' || !/^[0-9a-z-]{1,80}$/.test(account))
    throw new TypeError('keystore');
  return { store, account };
}

function encodeSecrets({ seed, nodeBoxKey, sealing, successions }: IdentitySecrets): Uint8Array {
  const rows = sealing.map(({ epoch, secret, fromMs, retiredMs }) => [epoch, secret, fromMs, retiredMs]);
  return encodeCbor({ seed, box: nodeBoxKey, sealing: rows, successions });
}

// What opens was written by this program; the shape is checked all the same, a later version may differ.
function decodeSecrets(bytes: Uint8Array): IdentitySecrets {
  const { seed, box, sealing, successions } = decodeCbor(bytes) as Record<string, unknown>;
  return {
    seed: bytesOf(seed, 32),
    nodeBoxKey: box === null ? null : bytesOf(box, 32),
    sealing: listOf(sealing, 1, identityLimits.sealingKeysMax).map(parseSealing),
    successions: listOf(successions, 0, identityLimits.successionsMax).map((entry) => {
      if (!(entry instanceof Uint8Array)) throw new TypeError('succession');
      return entry;
    }),
  };
}

function parseSealing(row: unknown): SealingSecret {
  const [epoch, secret, fromMs, retiredMs] = listOf(row, 4, 4);
  return {
    epoch: integerOf(epoch),
    secret: bytesOf(secret, 32),
    fromMs: integerOf(fromMs),
    retiredMs: retiredMs === null ? null : integerOf(retiredMs),
  };
}
