import { Condition, errorCode } from '@pulsemesh/base';
import { createTransport } from 'nodemailer';
import type { ComposedMail } from './compose.ts';

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  /** True: TLS from the first byte (465). False: STARTTLS, which is demanded unless the host is this machine. */
  readonly secure: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** The mail server did not take the mail now: unreachable, busy, greylisting, wrong password. Retryable. */
export class MailDeferredError extends Condition {
  override readonly name = 'MailDeferredError';
  constructor(reason: string, responseCode: number | null) {
    super('mail-deferred', 'the mail server did not take the mail', {
      facts: { reason, responseCode },
      retryable: true,
    });
  }
}

/** The mail server refused this mail or its recipient for good (5xx). Trying again gives the same. */
export class MailRefusedError extends Condition {
  override readonly name = 'MailRefusedError';
  constructor(reason: string, responseCode: number) {
    super('mail-refused', 'the mail server refused the mail', { facts: { reason, responseCode } });
  }
}

/** Hands mails to a mail server. */
export interface MailTransport {
  /**
   * Resolves when the server has taken responsibility (250 after DATA).
   * @throws {MailDeferredError}; {@link MailRefusedError}.
   */
  send(mail: ComposedMail): Promise<void>;
  close(): void;
}

const connectionsMax = 4;
const connectTimeoutMs = 10_000;
const silenceTimeoutMs = 30_000;

/** SMTP with kept connections (RFC 5321), over nodemailer. Files and addresses to fetch are switched off. */
export function createSmtpTransport(options: SmtpOptions): MailTransport {
  const inner = createTransport({
    host: options.host,
    port: options.port,
    secure: options.secure,
    requireTLS: !options.secure && !isThisMachine(options.host),
    ...(options.auth === undefined ? {} : { auth: { ...options.auth } }),
    pool: true,
    maxConnections: connectionsMax,
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail) {
      try {
        await inner.sendMail({
          messageId: `<${mail.messageId}>`,
          from: mail.from,
          to: mail.to,
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          priority: 'high',
          headers: {
            'Auto-Submitted': 'auto-generated',
            'X-Auto-Response-Suppress': 'All',
            'Content-Language': mail.language,
          },
        });
      } catch (error) {
        throw classify(error);
      }
    },
    close: () => inner.close(),
  };
}

/** Only a 5xx about this very mail is final; a 5xx to greeting or login is the operator's to mend, mails wait for it. */
function classify(error: unknown): Condition {
  const reason = errorCode(error);
  const responseCode = responseCodeOf(error);
  const isAboutMail = reason === 'EENVELOPE' || reason === 'EMESSAGE';
  if (isAboutMail && responseCode !== null && responseCode >= 500) return new MailRefusedError(reason, responseCode);
  return new MailDeferredError(reason, responseCode);
}

// The error itself is not kept as a cause: nodemailer puts the recipient's address into it.
function responseCodeOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('responseCode' in error)) return null;
  return typeof error.responseCode === 'number' ? error.responseCode : null;
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
