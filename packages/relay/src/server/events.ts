import type { Logger, Meter } from '@pulsemesh/base';

/** What a relay counts and says. No address, inbox id or key is ever a label or a field. */
export type RelayEvents = ReturnType<typeof createRelayEvents>;

export function createRelayEvents(logger: Logger, meter: Meter) {
  const stored = meter.counter('pulsemesh_relay_messages_stored_total', 'Messages made durable, once for each mailbox');
  const repeated = meter.counter('pulsemesh_relay_messages_repeated_total', 'Messages that had been stored before');
  const refused = meter.counter('pulsemesh_relay_messages_refused_total', 'Messages refused, by code', ['code']);
  const delivered = meter.counter('pulsemesh_relay_messages_delivered_total', 'Deliveries, repeated ones included');
  const acked = meter.counter('pulsemesh_relay_messages_acknowledged_total', 'Messages acknowledged by their readers');
  const receipts = meter.counter('pulsemesh_relay_receipts_total', 'Receipts stored, by kind', ['kind']);
  const lost = meter.counter('pulsemesh_relay_continuity_lost_total', 'Readers told that the store is another one');
  const claims = meter.counter('pulsemesh_relay_claims_total', 'Claims of inboxes, by outcome', ['outcome']);
  const joined = meter.counter('pulsemesh_relay_peer_streams_total', 'Streams between agents, by outcome', ['outcome']);
  const passed = meter.counter('pulsemesh_relay_peer_stream_bytes', 'Bytes passed between agents on streams');
  const published = meter.counter('pulsemesh_relay_topic_messages_total', 'Topic messages handed on, or dropped', [
    'outcome',
  ]);
  const malformed = meter.counter('pulsemesh_relay_streams_malformed_total', 'Streams reset as malformed, by method', [
    'method',
  ]);
  const agents = meter.gauge('pulsemesh_relay_agents_online_count', 'Agents with a session that is up');
  const mailboxes = meter.gauge('pulsemesh_relay_mailboxes_count', 'Mailboxes');
  const waiting = meter.gauge('pulsemesh_relay_messages_waiting_count', 'Messages stored and not acknowledged');
  const bytes = meter.gauge('pulsemesh_relay_mailbox_bytes', 'Bytes of envelopes stored');
  return {
    stored: (count: number) => stored.add(count),
    repeated: (count: number) => repeated.add(count),
    refused: (code: string) => refused.add(1, { code }),
    delivered: (count: number) => delivered.add(count),
    acknowledged: (count: number) => acked.add(count),
    receipt: (kind: 'delivered' | 'read') => receipts.add(1, { kind }),
    continuityLost() {
      lost.add();
      logger.warn('a reader knew another store: what it held and was not delivered is gone');
    },
    claim: (outcome: string) => claims.add(1, { outcome }),
    peerStream: (outcome: string) => joined.add(1, { outcome }),
    peerBytes: (count: number) => passed.add(count),
    topic: (outcome: 'handed-on' | 'dropped', count: number) => published.add(count, { outcome }),
    malformed(method: string) {
      malformed.add(1, { method });
      logger.debug('a stream was reset as malformed', { method });
    },
    online: (count: number) => agents.set(count),
    stats(of: { readonly mailboxes: number; readonly messages: number; readonly bytes: number }) {
      mailboxes.set(of.mailboxes);
      waiting.set(of.messages);
      bytes.set(of.bytes);
    },
    engineFailed(code: string) {
      logger.error('the mailbox engine failed; the relay stops', { code });
    },
    engineTroubled(code: string) {
      logger.warn('the mailbox engine did not answer; it will be asked again', { code });
    },
  };
}
