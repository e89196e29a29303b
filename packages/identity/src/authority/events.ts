import type { Logger, Meter } from '@pulsemesh/base';
import type { AuthorityRole } from './limits.ts';

/** Counts and logs what the authority does; never says for whom. */
export function createAuthorityEvents({ logger, meter }: { readonly logger: Logger; readonly meter: Meter }) {
  const issued = meter.counter('authority_certificates_total', 'Certificates issued', ['by', 'role']);
  const refused = meter.counter('authority_refused_requests_total', 'Requests an operator refused');
  const revoked = meter.counter('authority_revocations_total', 'Agents and certificates revoked');
  const wrong = meter.counter('authority_wrong_tokens_total', 'Enrolments with a token that is not known');
  const waiting = meter.gauge('authority_pending_total', 'Requests that wait for an operator');
  return {
    issued(by: 'token' | 'approval' | 'renewal', role: AuthorityRole) {
      issued.add(1, { by, role });
      logger.debug('certificate issued', { by, role });
    },
    pending(count: number) {
      waiting.set(count);
      logger.info('an enrolment waits for an operator', { count });
    },
    refused() {
      refused.add();
      logger.info('an enrolment was refused');
    },
    revoked() {
      revoked.add();
      logger.info('a certificate was revoked');
    },
    wrongToken() {
      wrong.add();
      logger.debug('a token that is not known');
    },
  };
}
