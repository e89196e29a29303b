import type { Logger, Meter } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';

/** Why a packet had no effect. */
export type DropReason =
  | 'malformed'
  | 'other-session'
  | 'replayed'
  | 'does-not-open'
  | 'no-session-yet'
  | 'out-of-place'
  | 'too-long';

/** Counts and logs what happens to sessions. No identity, address or content goes through here. */
export interface SessionEvents {
  packetDropped(reason: DropReason): void;
  itemsDropped(count: number): void;
  itemsSentAgain(count: number): void;
  migrated(transport: TransportName): void;
  opened(label: string): void;
  loginRefused(code: string): void;
  ended(label: string, code: string): void;
  handlerFailed(error: { readonly code: string; readonly text: string }): void;
}

export function createSessionEvents(dependencies: { readonly logger: Logger; readonly meter: Meter }): SessionEvents {
  const { logger, meter } = dependencies;
  const dropped = meter.counter('link_packets_dropped_total', 'Packets without effect', ['reason']);
  const itemsDropped = meter.counter('link_items_dropped_total', 'Items received twice, or too early to be kept');
  const again = meter.counter('link_items_sent_again_total', 'Items sent again after a loss or a migration');
  const migrations = meter.counter('link_migrations_total', 'Changes of the active carrier', ['transport']);
  const opened = meter.counter('link_sessions_opened_total', 'Sessions whose login was accepted');
  const refused = meter.counter('link_logins_refused_total', 'Logins refused');
  const ended = meter.counter('link_sessions_ended_total', 'Sessions that ended after their login');
  return {
    packetDropped: (reason) => dropped.add(1, { reason }),
    itemsDropped: (count) => itemsDropped.add(count),
    itemsSentAgain: (count) => again.add(count),
    migrated: (transport) => migrations.add(1, { transport }),
    opened(label) {
      opened.add();
      logger.info('link session opened', { label });
    },
    loginRefused(code) {
      refused.add();
      logger.info('link login refused', { code });
    },
    ended(label, code) {
      ended.add();
      logger.info('link session ended', { label, code });
    },
    handlerFailed: (error) => logger.warn('a stream handler failed', error),
  };
}
