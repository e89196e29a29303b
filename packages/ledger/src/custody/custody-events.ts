import type { Logger, Meter } from '@pulsemesh/base';
import type { AccessKind } from '../access/access-types.ts';
import type { CustodyRefusal } from './outcome.ts';

/** Business events of a custodian, counted and logged without anybody's name. */
export interface CustodyEvents {
  refused(refusal: CustodyRefusal): void;
  logged(kind: AccessKind, bytes: number): void;
  stepped(step: string, outcome: 'done' | 'refused' | 'waits'): void;
}

export function createCustodyEvents(logger: Logger, meter: Meter): CustodyEvents {
  const refusals = meter.counter('pulsemesh_custody_refusals_total', 'Messages to a custodian that were dropped.', [
    'reason',
  ]);
  const accesses = meter.counter('pulsemesh_custody_accesses_total', 'Entries of the access log.', ['kind']);
  const served = meter.counter('pulsemesh_custody_served_bytes', 'Sealed bytes that were served.');
  const steps = meter.counter('pulsemesh_custody_steps_total', 'Steps on the ledger.', ['step', 'outcome']);
  return {
    refused(refusal) {
      refusals.add(1, { reason: refusal });
      logger.debug('a message to a custodian was dropped', { reason: refusal });
    },
    logged(kind, bytes) {
      accesses.add(1, { kind });
      if (bytes > 0) served.add(bytes);
    },
    stepped(step, outcome) {
      steps.add(1, { step, outcome });
      if (outcome === 'done') logger.info('custodian', { step });
    },
  };
}
