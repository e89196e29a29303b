export { type ContractRunner, runTableStoreContract, type StoreUnderTest } from './table-store-contract.ts';
