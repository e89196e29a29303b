import type { Logger, Meter } from '@pulsemesh/base';

/** What a relay client counts and says. The relays are few and no persons: their names are labels. */
export type RelayClientEvents = ReturnType<typeof createRelayClientEvents>;

export function createRelayClientEvents(logger: Logger, meter: Meter) {
  const sent = meter.counter('pulsemesh_relay_client_sent_total', 'Messages answered by a relay', ['relay', 'outcome']);
  const received = meter.counter('pulsemesh_relay_client_received_total', 'Deliveries, by what became of them', [
    'relay',
    'outcome',
  ]);
  const missing = meter.counter(
    'pulsemesh_relay_client_missing_receipts_total',
    'Messages that a relay stored, another one delivered, and this one did not: it drops or delays',
    ['relay'],
  );
  const lost = meter.counter('pulsemesh_relay_client_continuity_lost_total', 'Mailboxes whose store was lost', [
    'relay',
  ]);
  const pairs = meter.counter('pulsemesh_relay_client_pairs_total', 'What happened with pair sessions', ['event']);
  const waiting = meter.gauge('pulsemesh_relay_client_outbox_count', 'Messages that no relay answered yet');
  return {
    sent: (relay: string, outcome: string) => sent.add(1, { relay, outcome }),
    received: (relay: string, outcome: 'done' | 'repeated' | 'failed' | 'unopened' | 'receipt') =>
      received.add(1, { relay, outcome }),
    receiptMissing(relay: string) {
      missing.add(1, { relay });
      logger.warn('a relay did not deliver what it had stored', { relay });
    },
    continuityLost(relay: string) {
      lost.add(1, { relay });
      logger.warn('a relay lost a mailbox: what it held and had not delivered is gone', { relay });
    },
    pair: (event: 'offered' | 'accepted' | 'lost' | 'told-lost' | 'again' | 'refused') => pairs.add(1, { event }),
    pairFailed: (code: string) => logger.warn('something about a pair session failed; it is tried again', { code }),
    outbox: (count: number) => waiting.set(count),
    streamBroke: (relay: string, method: string, code: string) =>
      logger.debug('a stream to a relay broke', { relay, method, code }),
    handlerFailed: (code: string) => logger.warn('the handler of a message failed; it will be called again', { code }),
    claimRefused: (relay: string, code: string) => logger.warn('a relay refused a claim', { relay, code }),
  };
}
