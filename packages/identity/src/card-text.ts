import { type ContactCard, cardLimits, parseCard } from './card.ts';
import { fromTextForm, toTextForm } from './text-form.ts';

const prefix = 'pulsemesh:card:';
/** Room for the white space that mail programs add. */
const typedCharactersMax = 2 * cardLimits.textCharactersMax;

/** A card as one word of text, at most {@link cardLimits}.textCharactersMax characters: `pulsemesh:card:` and base64url with a checksum. */
export function cardToText(card: Pick<ContactCard, 'bytes'>): string {
  return toTextForm(prefix, card.bytes);
}

/**
 * The card in a text; line breaks and spaces in it do not matter.
 * @throws {StatementRefusedError} `statement-checksum` (copied wrongly or cut); as {@link parseCard}.
 */
export function cardFromText(text: string): ContactCard {
  return parseCard(fromTextForm('card', prefix, text, typedCharactersMax));
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
