import PostalMime, { type Address } from 'postal-mime';

/** A mail as the page shows it. All of it is the sender's: to be escaped wherever it is shown. */
export interface InboxMessage {
  /** 16 hex characters; the same mail has the same one. */
  readonly id: string;
  /** When it was taken, milliseconds since 1970. */
  readonly receivedMs: number;
  /** Without angle brackets; empty when the mail has none. */
  readonly messageId: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** Its plain text, or what is left of its HTML without the tags; at most {@link readLimits}.textCharactersMax. */
  readonly text: string;
}

export const readLimits = {
  headerCharactersMax: 500,
  textCharactersMax: 20_000,
  nestingMax: 10,
  headerBytesMax: 64 * 1024,
} as const;

/** Reads a raw mail. A mail that cannot be read is shown as such, not lost. */
export async function readMessage(raw: Uint8Array, id: string, receivedMs: number): Promise<InboxMessage> {
  try {
    const { nestingMax, headerBytesMax } = readLimits;
    const mail = await PostalMime.parse(raw, { maxNestingDepth: nestingMax, maxHeadersSize: headerBytesMax });
    return {
      id,
      receivedMs,
      messageId: bareMessageId(mail.messageId ?? ''),
      from: addressLine(mail.from === undefined ? [] : [mail.from]),
      to: addressLine(mail.to ?? []),
      subject: oneLine(mail.subject ?? ''),
      text: (mail.text ?? stripTags(mail.html ?? '')).slice(0, readLimits.textCharactersMax),
    };
  } catch {
    const text = 'This mail could not be read. Its file lies in the inbox directory.';
    return { id, receivedMs, messageId: '', from: '', to: '', subject: '(unreadable)', text };
  }
}

/** The Message-ID in the head of a raw mail, without angle brackets, or null. Looks at the head only: cheap. */
export function messageIdOfRaw(raw: Uint8Array): string | null {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.length, readLimits.headerBytesMax)).toString(
    'latin1',
  );
  const end = head.search(/\r?\n\r?\n/);
  // A header may go on in the next line (RFC 5322 §2.2.3).
  const found = /^message-id:\s*(?:\r?\n[ \t]+)?<?([^\s<>]{1,500})>?/im.exec(end === -1 ? head : head.slice(0, end));
  return found?.[1] ?? null;
}

const addressesMax = 20;

function addressLine(addresses: readonly Address[]): string {
  const parts = addresses
    .slice(0, addressesMax)
    .flatMap((entry): readonly Address[] => entry.group?.slice(0, addressesMax) ?? [entry])
    .map(({ name, address }) => (name ? `${name} <${address ?? ''}>` : (address ?? '')));
  return oneLine(parts.join(', '));
}

function oneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, readLimits.headerCharactersMax);
}

function bareMessageId(value: string): string {
  return oneLine(value).replace(/^<|>$/g, '');
}

function stripTags(html: string): string {
  return (
    html
      .slice(0, readLimits.textCharactersMax)
      // Each pattern stops at the next `<`, so that no input takes more than one pass.
      .replace(/<(style|script)[^<>]*>[^<]*<\/\1>/gi, '')
      .replace(/<(br|\/p|\/li|\/div)[^<>]*>/gi, '\n')
      .replace(/<[^<>]*>/g, '')
      .replace(/&nbsp;/g, ' ')
      .replace(/\n{3,}/g, '\n\n')
  );
}
