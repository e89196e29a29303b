export {
  type ComposedMail,
  type ComposeOptions,
  composeMail,
  type MailRequest,
  type MailVariant,
  messageIdOf,
} from './compose.ts';
export { OutboxFullError } from './outbox.ts';
export { type ResearcherMailer, startResearcherMailer } from './researcher-mailer.ts';
export type { ResearcherNoticeKind } from './researcher-texts.ts';
export type { MailSenderOptions } from './sender.ts';
export { type MailText, mailTexts } from './texts.ts';
export {
  createSmtpTransport,
  MailDeferredError,
  MailRefusedError,
  type MailTransport,
  type SmtpOptions,
} from './transport.ts';
