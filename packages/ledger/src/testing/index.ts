export { type Anvil, type AnvilOptions, startAnvil, testKeyOf } from './anvil.ts';
export { type LedgerTrouble, MemoryLedger, type MemoryLedgerOptions, type MemoryLedgerView } from './memory-ledger.ts';
export { type MemoryLedgerChecks, memoryLedgerWindows } from './memory-ledger-state.ts';
export { type AnswerChanges, SoftPasskey, type SoftPasskeyOptions } from './soft-passkey.ts';
export { accountOf, someOffer } from './some-offer.ts';
