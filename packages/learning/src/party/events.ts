import type { Logger, Meter } from '@pulsemesh/base';
import type { PartyRefusal } from './inbox.ts';

/** What happens to the parties of an agent, counted and, where rare, logged. */
export interface PartyEvents {
  refused(kind: PartyRefusal): void;
  /** Post or board did not take something; it is tried again. */
  triedAgain(what: 'send' | 'publish', code: string): void;
  /** Not handed over in all the time it was worth. */
  sendExpired(): void;
}

/** Counts on `meter`, and in `refusals`, by kind. */
export function createPartyEvents(
  logger: Logger,
  meter: Meter,
): PartyEvents & { readonly refusals: ReadonlyMap<PartyRefusal, number> } {
  const refused = meter.counter('learning_refused_total', 'Messages of parties that were not kept.', ['kind']);
  const retries = meter.counter('learning_retries_total', 'Sends and publications that were tried again.', ['what']);
  const expired = meter.counter('learning_sends_expired_total', 'Messages never handed to the post.');
  const refusals = new Map<PartyRefusal, number>();
  return {
    refusals,
    refused(kind) {
      refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
      refused.add(1, { kind });
    },
    triedAgain(what, code) {
      retries.add(1, { what });
      logger.debug('tried again later', { what, code });
    },
    sendExpired() {
      expired.add();
      logger.warn('a message was not handed over in time and is given up');
    },
  };
}
