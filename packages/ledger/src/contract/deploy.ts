import { hexToBytes, keccak256 } from 'viem';
import type { Hex } from '../offer/offer.ts';
import { consentLedgerCodeHash, consentLedgerCreationCode, consentLedgerImmutables } from './consent-ledger.ts';
import {
  p256VerifierCodeHash,
  p256VerifierCreationCode,
  webAuthnVerifierCodeHash,
  webAuthnVerifierCreationCode,
} from './verifiers.ts';

/** One contract to deploy. */
export interface Deployment {
  readonly name: 'consentLedger' | 'p256Verifier' | 'webAuthnVerifier';
  /** `data` of a transaction without recipient. */
  readonly data: Hex;
  /** What `codeHashOf` must give for the code at the address it was deployed to. */
  readonly codeHash: Hex;
  /** Gas that is surely enough. */
  readonly gas: bigint;
}

/** What a new chain needs, in the order of deployment. None of them refers to another. */
export const deployments: readonly Deployment[] = [
  {
    name: 'consentLedger',
    data: consentLedgerCreationCode,
    codeHash: consentLedgerCodeHash,
    gas: 5_000_000n,
  },
  { name: 'p256Verifier', data: p256VerifierCreationCode, codeHash: p256VerifierCodeHash, gas: 2_000_000n },
  {
    name: 'webAuthnVerifier',
    data: webAuthnVerifierCreationCode,
    codeHash: webAuthnVerifierCodeHash,
    gas: 3_000_000n,
  },
];

const immutableBytes = 32;

/**
 * Hash of deployed code, to be compared with a deployment's `codeHash` before the contract is trusted. What the constructor wrote
 * into the ledger's code (chain and address) counts as zeros: it differs from place to place.
 */
export function codeHashOf(name: Deployment['name'], code: Hex): Hex {
  const bytes = hexToBytes(code);
  if (name === 'consentLedger') {
    for (const offset of consentLedgerImmutables) bytes.fill(0, offset, offset + immutableBytes);
  }
  return keccak256(bytes);
}
