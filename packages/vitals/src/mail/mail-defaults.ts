import type { OutboxOptions } from './outbox.ts';
import type { MailSenderOptions } from './sender.ts';

/** How mails are kept and offered where nothing else is said. */
export const mailDefaults = {
  muteSeconds: 900,
  openEpisodeSecondsMax: 86_400,
  mailsMax: 10_000,
  alertsMax: 100_000,
  mailKeptMs: 7 * 86_400_000,
  alertKeptMs: 90 * 86_400_000,
  sendingMax: 4,
  retryMs: 1000,
  retryMsMax: 300_000,
  giveUpAfterMs: 86_400_000,
} as const satisfies OutboxOptions & Omit<MailSenderOptions, 'from' | 'pageUrl'>;
