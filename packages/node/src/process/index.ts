export {
  type DeployLedgerOptions,
  deployLedger,
  fundAccount,
  ledgerFacts,
  type RunLedgerOptions,
  runLedger,
} from './run-ledger.ts';
export { runNode } from './run-node.ts';
export { type RunRelayOptions, runRelay } from './run-relay.ts';
export { type RunningNode, startNode } from './start-node.ts';
