import { type Box, type PassphraseParameters, PassphraseParametersError, SealBrokenError } from '@pulsemesh/crypto';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { IdentityDamagedError, type Protection } from './errors.ts';

// The file is one CBOR map { format, version, peer, passphrase, sealed }; the seal binds all the others.
const format = 'pulsemesh-identity';
const version = 1;

/** The readable part of an identity file. */
export interface IdentityHead {
  /** The peer id, so that a person can tell which node a file is of. */
  readonly peer: string;
  /** Null: under a key file. */
  readonly passphrase: PassphraseParameters | null;
}

export interface IdentityFile extends IdentityHead {
  readonly sealed: Uint8Array;
}

/** How a file with this head is protected. */
export function protectionOf(head: IdentityHead): Protection {
  return head.passphrase === null ? 'key-file' : 'passphrase';
}

/** The whole file: `seed` sealed in `box`, bound to the head. */
export function encodeIdentityFile(head: IdentityHead, seed: Uint8Array, box: Box): Uint8Array {
  return encodeCbor({ ...headMap(head), sealed: box.seal(seed, encodeCbor(headMap(head))) });
}

/** The seed of a file, or null when `box` does not open it. */
export function openIdentityFile(file: IdentityFile, box: Box): Uint8Array | null {
  try {
    return box.open(file.sealed, encodeCbor(headMap(file)));
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

function headMap(head: IdentityHead): Record<string, unknown> {
  const { peer, passphrase } = head;
  return { format, version, peer, passphrase: passphrase === null ? null : { ...passphrase } };
}

function parse(map: Record<string, unknown> | null): IdentityFile {
  if (map?.['format'] !== format || map['version'] !== version) throw new TypeError('not an identity of version 1');
  const { peer, sealed, passphrase } = map;
  if (typeof peer !== 'string' || !(sealed instanceof Uint8Array)) throw new TypeError('fields');
  return { peer, sealed, passphrase: passphrase === null ? null : parsePassphrase(passphrase) };
}

function parsePassphrase(value: unknown): PassphraseParameters {
  const { salt, costLog2, blockSize, parallelism } = value as Record<string, unknown>;
  const areNumbers = [costLog2, blockSize, parallelism].every((number) => typeof number === 'number');
  if (!(salt instanceof Uint8Array) || !areNumbers) throw new PassphraseParametersError();
  // The key derivation checks the ranges.
  return { salt, costLog2: costLog2 as number, blockSize: blockSize as number, parallelism: parallelism as number };
}
