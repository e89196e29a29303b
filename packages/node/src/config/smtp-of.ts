import type { SmtpOptions } from '@pulsemesh/vitals/mail';
import type { NodeConfig } from './node-config.ts';
import type { Secret } from './secret.ts';

/** The mail server as the settings name it, with the password from its own file. */
export function smtpOf(smtp: NonNullable<NodeConfig['smtp']>, password: Secret | null): SmtpOptions {
  const { host, port, isSecure, user } = smtp;
  const auth = user === undefined || password === null ? {} : { auth: { user, pass: password.reveal() } };
  return { host, port, secure: isSecure, ...auth };
}
