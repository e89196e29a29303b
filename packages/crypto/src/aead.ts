import { SealBrokenError } from './errors.ts';
import type { AeadKey } from './primitives/primitives.ts';

export const nonceBytes = 12;
export const tagBytes = 16;

/**
 * AES-256-GCM (NIST SP 800-38D) with a 12-byte nonce, written after `head`: head ‖ nonce ‖ ciphertext ‖ tag.
 * The caller sees to it that no nonce repeats under one key.
 */
export function encryptInto(
  head: Uint8Array,
  key: AeadKey,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const textStart = head.length + nonceBytes;
  const sealed = new Uint8Array(textStart + plaintext.length + tagBytes);
  sealed.set(head);
  sealed.set(nonce, head.length);
  key.sealInto(sealed, textStart, nonce, additional, plaintext);
  return sealed;
}

/**
 * The plaintext of what {@link encryptInto} wrote, the head being `headBytes` long.
 * @throws {SealBrokenError}
 */
export function decryptFrom(headBytes: number, key: AeadKey, additional: Uint8Array, sealed: Uint8Array): Uint8Array {
  const textStart = headBytes + nonceBytes;
  if (sealed.length < textStart + tagBytes) throw new SealBrokenError('too short');
  const plaintext = key.open(sealed.subarray(headBytes, textStart), additional, sealed.subarray(textStart));
  if (plaintext === null) throw new SealBrokenError();
  return plaintext;
}
