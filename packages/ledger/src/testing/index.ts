export { type LedgerTrouble, MemoryLedger, type MemoryLedgerOptions, type MemoryLedgerView } from './memory-ledger.ts';
export { type MemoryLedgerChecks, memoryLedgerWindows } from './memory-ledger-state.ts';
export { accountOf, someOffer } from './some-offer.ts';
