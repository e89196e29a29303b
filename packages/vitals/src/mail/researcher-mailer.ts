import { type Clock, errorCode, type Logger, type Meter, type Random, startTicker } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { TableStore } from '@pulsemesh/store';
import type { Person } from '../people/index.ts';
import { mailDefaults } from './mail-defaults.ts';
import { MailOutbox } from './outbox.ts';
import type { ResearcherNoticeKind } from './researcher-texts.ts';
import { MailSender, type MailSenderOptions } from './sender.ts';
import { createSmtpTransport, type SmtpOptions } from './transport.ts';

export interface ResearcherMailerOptions extends Pick<MailSenderOptions, 'from' | 'pageUrl'> {
  readonly smtp: SmtpOptions;
  /** Whether a notice may still be told of again, and so has to be remembered however old it is. */
  readonly isStillTold: (noticeId: string) => boolean;
  /** Pause after the first failure, in milliseconds. Default 1,000. */
  readonly retryMs?: number;
}

export interface ResearcherMailerDeps {
  /** Of this node alone, and of nobody else who mails: both would send what waits. */
  readonly tables: TableStore;
  readonly box: Box;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Mails to one researcher: each notice once, kept until the mail server takes it. */
export interface ResearcherMailer extends AsyncDisposable {
  /** True once the notice is durable, told or remembered. */
  knows(noticeId: string): boolean;
  /** Resolves when notice and mail are durable. Repeating it changes nothing. @throws OutboxFullError; what the tables throw. */
  tell(noticeId: string, kind: ResearcherNoticeKind, person: Person): Promise<void>;
  /** Takes the notice as told: no mail. @throws as {@link tell}. */
  remember(noticeId: string): Promise<void>;
}

/** Notices remembered: several of each grant that an office may hold. */
const noticesMax = 500_000;
const upkeepMs = 5_000;

/** Starts with what a former life left waiting. Dispose to stop; attempts under way are waited for. */
export function startResearcherMailer(options: ResearcherMailerOptions, deps: ResearcherMailerDeps): ResearcherMailer {
  const stack = new AsyncDisposableStack();
  const settings = { ...mailDefaults, ...options, alertsMax: noticesMax };
  const outbox = new MailOutbox(settings, deps);
  const transport = stack.adopt(createSmtpTransport(options.smtp), (own) => own.close());
  const sender = stack.use(new MailSender(settings, { ...deps, outbox, transport }, () => {}));
  const ticker = startTicker(
    deps.clock,
    upkeepMs,
    () => outbox.prune(options.isStillTold),
    (error) => deps.logger.warn('upkeep of the mail outbox failed', { code: errorCode(error) }),
  );
  stack.defer(() => ticker.stop());
  return {
    knows: (noticeId) => !outbox.isNewNotice(noticeId),
    async tell(noticeId, kind, person) {
      sender.add(await outbox.takeNotice(noticeId, `researcher-${kind}`, person));
    },
    remember: (noticeId) => outbox.rememberNotice(noticeId),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
