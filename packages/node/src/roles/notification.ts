import { startNotificationRole } from '@pulsemesh/vitals/roles/notification';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** A notification peer: mails by SMTP. */
export async function startNotification(context: NodeContext): Promise<StartedRole> {
  const { config, secrets, deps, port, box, stack } = context;
  const { smtp } = config;
  if (smtp === undefined) throw new TypeError('notification without smtp settings'); // parseNodeConfig refuses it
  const password = secrets.smtpPassword;
  const auth =
    smtp.user === undefined || password === null ? {} : { auth: { user: smtp.user, pass: password.reveal() } };
  const [tables, people, records] = [await context.tables(), await context.people(), await context.records()];
  const role = stack.use(
    await startNotificationRole(
      {
        smtp: { host: smtp.host, port: smtp.port, secure: smtp.isSecure, ...auth },
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
