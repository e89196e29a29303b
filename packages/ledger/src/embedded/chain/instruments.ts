import type { Counter, Histogram, Meter } from '@pulsemesh/base';

/** What a chain counts. */
export interface Instruments {
  readonly blocks: Counter;
  readonly transactions: Counter;
  readonly refused: Counter;
  readonly sealSeconds: Histogram;
}

export function createInstruments(meter: Meter): Instruments {
  return {
    blocks: meter.counter('ledger_embedded_blocks_total', 'Blocks sealed.'),
    transactions: meter.counter('ledger_embedded_transactions_total', 'Transactions sealed.'),
    refused: meter.counter('ledger_embedded_refused_total', 'Transactions refused at execution.'),
    sealSeconds: meter.histogram(
      'ledger_embedded_seal_seconds',
      'From the first transaction to the durable block.',
      [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
    ),
  };
}
