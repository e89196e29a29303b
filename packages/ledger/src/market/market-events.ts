import type { Logger, Meter } from '@pulsemesh/base';

/** Why a message was dropped. */
export type MarketRefusal =
  | 'not-a-message'
  | 'not-for-here'
  | 'wrong-sender'
  | 'unknown'
  | 'repeated'
  | 'expired'
  | 'binding'
  | 'signature'
  | 'terms'
  | 'price'
  | 'full';

/** Business events of an office, counted and logged without anybody's name. */
export interface MarketEvents {
  /** What came and was dropped, by reason: it changed nothing and was not answered. */
  readonly refusals: ReadonlyMap<MarketRefusal, number>;
  refused(reason: MarketRefusal): void;
  /** A step that people would tell each other about. */
  happened(what: string): void;
}

export function createMarketEvents(office: 'home' | 'research', logger: Logger, meter: Meter): MarketEvents {
  const refusals = new Map<MarketRefusal, number>();
  const refusedCounter = meter.counter(
    'pulsemesh_consent_messages_refused_total',
    'Messages of consent that were dropped.',
    ['office', 'reason'],
  );
  const stepCounter = meter.counter('pulsemesh_consent_steps_total', 'Steps of consents and grants.', [
    'office',
    'step',
  ]);
  return {
    refusals,
    refused(reason) {
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
      refusedCounter.add(1, { office, reason });
      logger.debug('a message of consent was dropped', { reason });
    },
    happened(what) {
      stepCounter.add(1, { office, step: what });
      logger.info('consent', { office, step: what });
    },
  };
}
