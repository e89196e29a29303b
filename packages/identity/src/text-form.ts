import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes } from '@pulsemesh/wire';
import { type StatementKind, StatementRefusedError } from './errors.ts';

const checksumBytes = 4;

/** Bytes as one word of text: `prefix`, then base64url of them and of four bytes of their SHA-256. */
export function toTextForm(prefix: string, bytes: Uint8Array): string {
  return prefix + toBase64Url(concatBytes(bytes, sha256(bytes).subarray(0, checksumBytes)));
}

/**
 * The bytes in a text of {@link toTextForm}. White space anywhere does not matter: mail programs break lines and indent.
 * @throws {StatementRefusedError} `statement-too-long` past `charactersMax`; `statement-malformed`; `statement-checksum`.
 */
export function fromTextForm(kind: StatementKind, prefix: string, text: string, charactersMax: number): Uint8Array {
  if (text.length > charactersMax) throw new StatementRefusedError(kind, 'statement-too-long');
  const word = text.replace(/\s+/gu, '');
  if (!word.startsWith(prefix)) throw new StatementRefusedError(kind, 'statement-malformed');
  const checked = fromBase64Url(word.slice(prefix.length));
  if (checked === null || checked.length <= checksumBytes) throw new StatementRefusedError(kind, 'statement-checksum');
  const bytes = checked.slice(0, -checksumBytes);
  const isWhole = equalBytes(sha256(bytes).subarray(0, checksumBytes), checked.subarray(-checksumBytes));
  if (!isWhole) throw new StatementRefusedError(kind, 'statement-checksum');
  return bytes;
}

function toBase64Url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Null for what is none, and for a second spelling of the same bytes. */
function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return toBase64Url(bytes) === text ? bytes : null;
}
