import type { Common } from '@ethereumjs/common';
import { KECCAK256_NULL } from '@ethereumjs/util';
import {
  blockOf,
  type ChainSpec,
  type HeaderFields,
  receiptsHashOf,
  transactionsHashOf,
  zeroHash,
} from '../chain/block.ts';
import { nextStateHash } from '../state/state-hash.ts';
import type { AccountRecord, StateChanges } from '../state/state-types.ts';
import type { FinishedDraft } from './block-draft.ts';

/** The first block of a chain, which nothing but its spec makes. */
export function createGenesis(spec: ChainSpec, rules: Common): FinishedDraft {
  const accounts = new Map<string, AccountRecord>();
  for (const [address, balance] of spec.balances) {
    if (balance > 0n) accounts.set(address, { nonce: 0n, balance, codeHash: KECCAK256_NULL });
  }
  const changes: StateChanges = { accounts, slots: new Map(), codes: new Map() };
  const fields: HeaderFields = {
    number: 0,
    parentHash: zeroHash,
    timestamp: spec.timestamp,
    gasUsed: 0n,
    transactionsHash: transactionsHashOf([]),
    receiptsHash: receiptsHashOf([], []),
    stateHash: nextStateHash(zeroHash, changes),
  };
  const hash = blockOf(spec, rules, fields).hash();
  return { block: { ...fields, hash, transactionCount: 0 }, transactions: [], logs: [], changes };
}
