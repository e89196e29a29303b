import { assert } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import type { Person } from '../people/index.ts';
import { type NoticeKind, noticeKinds, noticeText } from './notice-texts.ts';
import { type ResearcherNoticeKind, researcherNoticeKinds, researcherText } from './researcher-texts.ts';
import { type AlertVariant, type MailText, mailTexts } from './texts.ts';

/** What a mail is: about an alert, for one of two readers; or a notice about consent, for the patient or for the researcher. */
export type MailVariant = AlertVariant | `notice-${NoticeKind}` | `researcher-${ResearcherNoticeKind}`;

export const mailVariants: readonly MailVariant[] = [
  'patient',
  'doctor',
  ...noticeKinds.map((kind) => `notice-${kind}` as const),
  ...researcherNoticeKinds.map((kind) => `researcher-${kind}` as const),
];

/** A mail as it goes to the mail server: one recipient. */
export interface ComposedMail {
  /** Without the angle brackets. The same alert and recipient give the same one, whoever composes it. */
  readonly messageId: string;
  readonly from: string;
  readonly to: { readonly name: string; readonly address: string };
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly language: string;
}

export interface MailRequest {
  /** Of the alert, or of the notice. */
  readonly alertId: string;
  readonly variant: MailVariant;
  readonly person: Person;
}

export interface ComposeOptions {
  /** The sender: an address, or `Name <address>`. */
  readonly from: string;
  /** Where the web page is, without a trailing slash: `https://…` or `http://localhost:…`. */
  readonly pageUrl: string;
}

const utf8 = new TextEncoder();

/** 16 hex characters that stand for a recipient of an alert in the Message-ID; another alert, other characters. */
export function recipientHash(alertId: string, address: string): string {
  return toHex(sha256(utf8.encode(`pulsemesh mail\n${alertId}\n${address.toLowerCase()}`)).subarray(0, 8));
}

/** The mail's fixed name: mail stores that look at it show a mail offered twice once (RFC 5322 §3.6.4). */
export function messageIdOf(alertId: string, address: string): string {
  return `${alertId}.${recipientHash(alertId, address)}@pulsemesh`;
}

/** The mail about an alert or the notice: plain text and simple HTML, in the recipient's language, without any health value. */
export function composeMail(request: MailRequest, options: ComposeOptions): ComposedMail {
  const { alertId, variant, person } = request;
  const text = textOf(person.language, variant);
  // A notice does not lead to its patient's page by itself: that address names a pseudonym, and mail is not private.
  const isAlert = variant === 'patient' || variant === 'doctor';
  const url = `${options.pageUrl.replace(/\/+$/, '')}/#/${isAlert ? `alerts/${alertId}` : ''}`;
  const plain = [
    text.greeting(person.name),
    text.notice,
    `${text.link}\n${url}`,
    [`${text.whatToDo}:`, ...text.steps.map((step) => `- ${step}`)].join('\n'),
    text.disclaimer,
    text.privacy,
    '-- \nPulsemesh',
  ];
  const html = [
    `<p>${escapeHtml(text.greeting(person.name))}</p>`,
    `<p>${escapeHtml(text.notice)}</p>`,
    `<p>${escapeHtml(text.link)}<br><a href="${escapeHtml(url)}">${escapeHtml(url)}</a></p>`,
    `<p><strong>${escapeHtml(text.whatToDo)}</strong></p>`,
    `<ul>${text.steps.map((step) => `<li>${escapeHtml(step)}</li>`).join('')}</ul>`,
    `<p>${escapeHtml(text.disclaimer)}</p>`,
    `<p style="color:#555">${escapeHtml(text.privacy)}</p>`,
  ];
  return {
    messageId: messageIdOf(alertId, person.email),
    from: options.from,
    to: { name: person.name, address: person.email },
    subject: text.subject,
    text: `${plain.join('\n\n')}\n`,
    html: `<!doctype html><html lang="${person.language}"><head><meta charset="utf-8"><title>${escapeHtml(text.subject)}</title></head><body style="font-family:sans-serif;line-height:1.5;max-width:36em">${html.join('')}</body></html>`,
    language: person.language,
  };
}

function textOf(language: Person['language'], variant: MailVariant): MailText {
  if (variant === 'patient' || variant === 'doctor') return mailTexts[language][variant];
  const told = researcherNoticeKinds.find((one) => variant === `researcher-${one}`);
  if (told !== undefined) return researcherText(language, told);
  const kind = noticeKinds.find((one) => variant === `notice-${one}`);
  assert(kind !== undefined, 'a notice of an unknown kind');
  return noticeText(language, kind);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEscapes[character] ?? character);
}
