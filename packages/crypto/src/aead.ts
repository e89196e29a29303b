import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { SealBrokenError } from './errors.ts';

export const nonceBytes = 12;
export const tagBytes = 16;

// The key comes as a KeyObject: node:crypto spends four times as long on a cipher made from raw bytes.

/**
 * AES-256-GCM (NIST SP 800-38D) with a 12-byte nonce, written after `head`: head ‖ nonce ‖ ciphertext ‖ tag.
 * The caller sees to it that no nonce repeats under one key.
 */
export function encryptInto(
  head: Uint8Array,
  key: KeyObject,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additional);
  const ciphertext = cipher.update(plaintext);
  cipher.final(); // empty for GCM, but computes the tag
  const sealed = new Uint8Array(head.length + nonceBytes + ciphertext.length + tagBytes);
  sealed.set(head);
  sealed.set(nonce, head.length);
  sealed.set(ciphertext, head.length + nonceBytes);
  sealed.set(cipher.getAuthTag(), sealed.length - tagBytes);
  return sealed;
}

/**
 * The plaintext of what {@link encryptInto} wrote, the head being `headBytes` long.
 * @throws {SealBrokenError}
 */
export function decryptFrom(headBytes: number, key: KeyObject, additional: Uint8Array, sealed: Uint8Array): Uint8Array {
  const textStart = headBytes + nonceBytes;
  const textEnd = sealed.length - tagBytes;
  if (textEnd < textStart) throw new SealBrokenError('too short');
  const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(headBytes, textStart), {
    authTagLength: tagBytes,
  });
  cipher.setAAD(additional);
  cipher.setAuthTag(sealed.subarray(textEnd));
  const plaintext = cipher.update(sealed.subarray(textStart, textEnd));
  try {
    cipher.final();
  } catch {
    throw new SealBrokenError();
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
}
