export { consentLedgerAbi } from './consent-ledger.ts';
export { codeHashOf, type Deployment, deployments } from './deploy.ts';
export {
  type ConsentDomain,
  consentTypes,
  domainOf,
  offerIdOf,
  purseOf,
  type Receipt,
  type Revocation,
  receiptDigestOf,
  revocationDigestOf,
  type Withdrawal,
  withdrawalDigestOf,
} from './typed-data.ts';
