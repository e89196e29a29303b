import { assert } from '@pulsemesh/base';
import { concatBytes, toHex } from '@pulsemesh/wire';
import { MalformedError } from '../errors.ts';
import { fromBase64, toBase64 } from './base64.ts';

/** Limits of a signed note. */
export const noteLimits = {
  /** The whole note. Sixteen signatures of the largest kind there is (5 kB) fit. */
  bytesMax: 128 * 1024,
  signaturesMax: 100,
  /** Characters of a key's name. */
  nameCharactersMax: 256,
} as const;

/** One signature line of a note, not verified. */
export interface NoteSignature {
  readonly name: string;
  /** Eight hex digits: with the name it says which key and which algorithm. */
  readonly keyId: string;
  /** What follows the key id; at least one byte. */
  readonly signature: Uint8Array;
}

/** A text with signature lines (C2SP signed-note), nothing of it verified. */
export interface SignedNote {
  /** Ends with a line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const linePrefix = '— ';
const keyIdBytes = 4;
const lineFeed = 0x0a;

/** @throws {MalformedError} for bytes that are no signed note, or beyond {@link noteLimits}. */
export function parseNote(bytes: Uint8Array): SignedNote {
  if (bytes.length > noteLimits.bytesMax) throw new MalformedError('note', 'too long');
  if (bytes.some((byte) => byte < 0x20 && byte !== lineFeed)) throw new MalformedError('note', 'control characters');
  const whole = textOf(bytes);
  // Signature lines are never empty: the last empty line is the border.
  const border = whole.lastIndexOf('\n\n');
  if (border < 0 || !whole.endsWith('\n')) throw new MalformedError('note', 'no text and signatures');
  const lines = whole.slice(border + 2, -1).split('\n');
  if (lines.length > noteLimits.signaturesMax) throw new MalformedError('note', 'too many signatures');
  return { text: whole.slice(0, border + 1), signatures: lines.map(parseSignatureLine) };
}

/** The bytes of a note; each signature on its line, in order. */
export function formatNote({ text, signatures }: SignedNote): Uint8Array {
  assert(text.endsWith('\n') && signatures.length > 0, 'a note has a text that ends its last line, and is signed');
  return new TextEncoder().encode(`${text}\n${signatures.map(formatSignatureLine).join('')}`);
}

/** `— name base64`, with its line feed. */
export function formatSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const id = Number.parseInt(keyId, 16);
  const bytes = Uint8Array.of(id >>> 24, (id >>> 16) & 0xff, (id >>> 8) & 0xff, id & 0xff);
  return `${linePrefix}${name} ${toBase64(concatBytes(bytes, signature))}\n`;
}

/** One signature line without its line feed. @throws {MalformedError} */
export function parseSignatureLine(line: string): NoteSignature {
  const [name = '', base64 = '', ...others] = line.startsWith(linePrefix)
    ? line.slice(linePrefix.length).split(' ')
    : [];
  const bytes = others.length > 0 || line.length > noteLimits.bytesMax ? null : fromBase64(base64);
  if (!isKeyName(name) || bytes === null || bytes.length <= keyIdBytes)
    throw new MalformedError('note', 'a line that is no signature');
  return { name, keyId: toHex(bytes.subarray(0, keyIdBytes)), signature: bytes.subarray(keyIdBytes) };
}

/** True for what may name a key: not empty, without spaces of any alphabet and without plus. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && name.length <= noteLimits.nameCharactersMax && !/[\s\u0085+]/u.test(name);
}

function textOf(bytes: Uint8Array): string {
  try {
    // With its byte order mark, if it has one: the mark is signed too.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedError('note', 'not UTF-8');
  }
}
