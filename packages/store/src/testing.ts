export { type Fate, type FatePlan, MortalLife } from './mortal-life.ts';
export { runRecordStoreContract } from './record-store-contract.ts';
export { type ContractRunner, runTableStoreContract, type StoreUnderTest } from './table-store-contract.ts';
