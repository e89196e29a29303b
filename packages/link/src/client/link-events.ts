import type { Logger, Meter } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import type { AttemptFailure } from './transport-record.ts';

/** Counts and logs what happens to a link. */
export interface LinkEvents {
  moved(transport: TransportName): void;
  failed(transport: TransportName, failure: AttemptFailure): void;
  unreachable(tried: number): void;
  sessionUp(label: string): void;
  sessionOver(label: string, code: string): void;
  intercepted(): void;
}

export function createLinkEvents({ logger, meter }: { readonly logger: Logger; readonly meter: Meter }): LinkEvents {
  const moves = meter.counter('link_client_moves_total', 'Changes of the carrier in use', ['transport']);
  const failures = meter.counter('link_client_failures_total', 'Carriers that did not come up, or broke', [
    'transport',
  ]);
  const rounds = meter.counter('link_client_unreachable_rounds_total', 'Rounds in which no transport came through');
  const sessions = meter.counter('link_client_sessions_total', 'Sessions, by what became of them', ['outcome']);
  return {
    moved(transport) {
      moves.add(1, { transport });
      logger.info('link: in use', { transport });
    },
    failed(transport, { code }) {
      failures.add(1, { transport });
      logger.debug('link: a transport failed', { transport, code });
    },
    unreachable(tried) {
      rounds.add();
      logger.warn('link: no transport comes through', { tried });
    },
    sessionUp(session) {
      sessions.add(1, { outcome: 'up' });
      logger.info('link: session up', { session });
    },
    sessionOver(session, code) {
      sessions.add(1, { outcome: 'over' });
      logger.warn('link: session over', { session, code });
    },
    intercepted() {
      logger.warn('link: somebody between here and the server opens the TLS; content stays sealed');
    },
  };
}
