import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes } from '@pulsemesh/wire';
import { type ContactCard, cardLimits, parseCard } from './card.ts';
import { StatementRefusedError } from './errors.ts';

const prefix = 'pulsemesh:card:';
const checksumBytes = 4;
/** Mail programs break lines and indent; more than this was not one card. */
const typedCharactersMax = 2 * cardLimits.textCharactersMax;

/** A card as one word of text, at most {@link cardLimits}.textCharactersMax characters: `pulsemesh:card:` and base64url of its bytes and four bytes of their SHA-256. */
export function cardToText(card: Pick<ContactCard, 'bytes'>): string {
  const checked = concatBytes(card.bytes, sha256(card.bytes).subarray(0, checksumBytes));
  return prefix + toBase64Url(checked);
}

/**
 * The card in a text; line breaks and spaces in it do not matter.
 * @throws {StatementRefusedError} `statement-checksum` (copied wrongly or cut); as {@link parseCard}.
 */
export function cardFromText(text: string): ContactCard {
  if (text.length > typedCharactersMax) throw new StatementRefusedError('card', 'statement-too-long');
  const word = text.replace(/\s+/gu, '');
  if (!word.startsWith(prefix)) throw new StatementRefusedError('card', 'statement-malformed');
  const checked = fromBase64Url(word.slice(prefix.length));
  if (checked === null || checked.length <= checksumBytes)
    throw new StatementRefusedError('card', 'statement-checksum');
  const bytes = checked.slice(0, -checksumBytes);
  const isWhole = equalBytes(sha256(bytes).subarray(0, checksumBytes), checked.subarray(-checksumBytes));
  if (!isWhole) throw new StatementRefusedError('card', 'statement-checksum');
  return parseCard(bytes);
}

/** A card as QR code: a whole SVG document, or text for a terminal that knows ANSI colours. */
export async function cardToQr(card: Pick<ContactCard, 'bytes'>, form: 'svg' | 'terminal'): Promise<string> {
  // Loaded only here: it brings a PNG writer that nothing else needs.
  const { default: qrcode } = await import('qrcode');
  const text = cardToText(card);
  // The least correction, so that the squares stay as large as they can be.
  const level = { errorCorrectionLevel: 'L' } as const;
  return form === 'svg'
    ? qrcode.toString(text, { ...level, type: 'svg', margin: 4 })
    : qrcode.toString(text, { ...level, type: 'terminal', small: true });
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
