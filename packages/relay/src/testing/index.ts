export {
  type ContractRunner,
  type EngineUnderTest,
  type EngineUnderTestOptions,
  runEngineContract,
} from './engine-contract.ts';
