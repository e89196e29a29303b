import { startNotificationRole } from '@pulsemesh/vitals/roles/notification';
import { smtpOf } from '../config/smtp-of.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** A notification peer: mails by SMTP. */
export async function startNotification(context: NodeContext): Promise<StartedRole> {
  const { config, secrets, deps, port, box, stack } = context;
  const { smtp } = config;
  if (smtp === undefined) throw new TypeError('notification without smtp settings'); // parseNodeConfig refuses it
  const [tables, people, records] = [await context.tables(), await context.people(), await context.records()];
  const role = stack.use(
    await startNotificationRole(
      {
        smtp: smtpOf(smtp, secrets.smtpPassword),
        from: smtp.from,
        pageUrl: smtp.pageUrl,
      },
      { ...deps, port, people, tables, box, records },
    ),
  );
  return {
    pending: () => {
      const { queued, attempting } = role.counts();
      return queued + attempting;
    },
  };
}
