import { DecodeError } from '@pulsemesh/wire';

/** RFC 4648 §5 without padding, as WebAuthn writes bytes. */
export function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @throws {DecodeError} unless it is the one way to write at most `bytesMax` bytes. */
export function fromBase64Url(text: unknown, bytesMax: number): Uint8Array {
  if (typeof text !== 'string' || text.length > Math.ceil((bytesMax * 4) / 3) || !/^[A-Za-z0-9_-]*$/.test(text))
    throw new DecodeError('base64url');
  if (text.length % 4 === 1) throw new DecodeError('base64url of that length');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (bytes.length > bytesMax || toBase64Url(bytes) !== text) throw new DecodeError('base64url, one spelling');
  return bytes;
}
