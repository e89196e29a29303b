import { assert } from '@pulsemesh/base';
import { sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, toHex } from '@pulsemesh/wire';
import { MalformedError } from '../errors.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { isKeyName, type NoteSignature, noteLimits } from './note.ts';

/** What signs: an `Identity` of @pulsemesh/identity fits. */
export interface SigningKey {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** How a key signs notes: the text itself, or as a witness the text after a header with the time. */
export type NoteAlgorithm = 'ed25519' | 'cosignature/v1';

/** A key that notes may be signed with, as whoever verifies is given it. */
export interface NoteVerifier {
  readonly name: string;
  /** Eight hex digits. */
  readonly keyId: string;
  readonly algorithm: NoteAlgorithm;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

const typeOf: Readonly<Record<NoteAlgorithm, number>> = { ed25519: 1, 'cosignature/v1': 4 };
const algorithmOf: ReadonlyMap<number, NoteAlgorithm> = new Map([
  [1, 'ed25519'],
  [4, 'cosignature/v1'],
]);
const publicKeyBytes = 32;
const timeBytes = 8;
const text = new TextEncoder();

/** The verifier of a key under a name. */
export function createNoteVerifier(name: string, publicKey: Uint8Array, algorithm: NoteAlgorithm): NoteVerifier {
  assert(isKeyName(name) && publicKey.length === publicKeyBytes, 'a name without spaces, and an Ed25519 key');
  const material = concatBytes(Uint8Array.of(typeOf[algorithm]), publicKey);
  const keyId = toHex(sha256(concatBytes(text.encode(`${name}\n`), material)).subarray(0, 4));
  return { name, keyId, algorithm, publicKey };
}

/** `name+keyid+base64`, as policies and configuration hold it ("vkey"). */
export function formatVerifierKey({ name, keyId, algorithm, publicKey }: NoteVerifier): string {
  return `${name}+${keyId}+${toBase64(concatBytes(Uint8Array.of(typeOf[algorithm]), publicKey))}`;
}

/** @throws {MalformedError} for another form, an algorithm that is not known, or a key id that is not the key's. */
export function parseVerifierKey(key: string): NoteVerifier {
  const [name = '', keyId, base64 = '', ...others] = key.length > keyCharactersMax ? [] : key.split('+');
  // The base64 may itself hold plus signs.
  const material = fromBase64([base64, ...others].join('+'));
  const algorithm = algorithmOf.get(material?.[0] ?? 0);
  if (!isKeyName(name) || algorithm === undefined || material?.length !== 1 + publicKeyBytes)
    throw new MalformedError('verifier key', 'another form');
  const verifier = createNoteVerifier(name, material.subarray(1), algorithm);
  if (verifier.keyId !== keyId) throw new MalformedError('verifier key', "the key id is not the key's");
  return verifier;
}

const keyCharactersMax = noteLimits.nameCharactersMax + 64;

/** Signs a note's text with a key of algorithm `ed25519`. */
export function signNoteText(noteText: string, name: string, key: SigningKey): NoteSignature {
  const { keyId } = createNoteVerifier(name, key.publicKey, 'ed25519');
  return { name, keyId, signature: key.sign(text.encode(noteText)) };
}

/**
 * A witness's signature over a checkpoint's text (C2SP tlog-cosignature, Ed25519 v1): that it saw this as the largest tree of this log
 * at `timeSeconds` (since 1970). The message does not hold the witness's name, so that a key serves under one name only.
 */
export function cosignText(noteText: string, name: string, key: SigningKey, timeSeconds: number): NoteSignature {
  assert(Number.isSafeInteger(timeSeconds) && timeSeconds >= 0, 'whole seconds since 1970');
  const { keyId } = createNoteVerifier(name, key.publicKey, 'cosignature/v1');
  const time = new Uint8Array(timeBytes);
  new DataView(time.buffer).setBigUint64(0, BigInt(timeSeconds));
  return { name, keyId, signature: concatBytes(time, key.sign(cosignedMessage(noteText, timeSeconds))) };
}

/** What a signature that verified says. */
export interface VerifiedSignature {
  readonly verifier: NoteVerifier;
  /** When a witness cosigned, seconds since 1970; null of other signatures. */
  readonly timeSeconds: number | null;
}

/** Null when `signature` is not the verifier's over this text. */
export function verifyNoteSignature(
  noteText: string,
  { signature }: NoteSignature,
  verifier: NoteVerifier,
): VerifiedSignature | null {
  if (verifier.algorithm === 'ed25519')
    return verifySignature(verifier.publicKey, text.encode(noteText), signature)
      ? { verifier, timeSeconds: null }
      : null;
  if (signature.length <= timeBytes) return null;
  const view = new DataView(signature.buffer, signature.byteOffset, timeBytes);
  const timeSeconds = Number(view.getBigUint64(0));
  if (!Number.isSafeInteger(timeSeconds)) return null;
  const message = cosignedMessage(noteText, timeSeconds);
  return verifySignature(verifier.publicKey, message, signature.subarray(timeBytes)) ? { verifier, timeSeconds } : null;
}

function cosignedMessage(noteText: string, timeSeconds: number): Uint8Array {
  return text.encode(`cosignature/v1\ntime ${timeSeconds}\n${noteText}`);
}
