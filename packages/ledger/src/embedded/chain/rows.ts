import { ChainDamagedError } from '../errors.ts';
import type { AccountRecord } from '../state/state-types.ts';
import type { StoredBlock, StoredLog, StoredTransaction } from './block.ts';

// The columns' types are strict in the schema, in the order of chain-schema.ts.

export function blockOfRow(row: unknown[]): StoredBlock {
  return {
    number: row[0] as number,
    hash: row[1] as Uint8Array,
    parentHash: row[2] as Uint8Array,
    timestamp: row[3] as number,
    gasUsed: BigInt(row[4] as number),
    transactionsHash: row[5] as Uint8Array,
    receiptsHash: row[6] as Uint8Array,
    stateHash: row[7] as Uint8Array,
    seal: row[8] as Uint8Array,
    transactionCount: row[9] as number,
  };
}

export function transactionOfRow(row: unknown[]): StoredTransaction {
  return {
    block: row[0] as number,
    place: row[1] as number,
    hash: row[2] as Uint8Array,
    sender: row[3] as Uint8Array,
    raw: row[4] as Uint8Array,
    isSuccess: row[5] === 1,
    gasUsed: BigInt(row[6] as number),
    cumulativeGas: BigInt(row[7] as number),
    contract: row[8] as Uint8Array | null,
  };
}

export function logOfRow(row: unknown[]): StoredLog {
  const topics = row[4] as Uint8Array;
  return {
    block: row[0] as number,
    place: row[1] as number,
    transactionPlace: row[2] as number,
    address: row[3] as Uint8Array,
    topics: Array.from({ length: topics.length / 32 }, (_, index) => topics.subarray(index * 32, index * 32 + 32)),
    data: row[5] as Uint8Array,
  };
}

/** Of nonce, balance, code hash. */
export function accountOf(row: unknown[]): AccountRecord {
  const [nonce, balance, codeHash] = row;
  if (!/^[0-9a-f]{1,64}$/.test(balance as string)) throw new ChainDamagedError('state', null);
  return {
    nonce: BigInt(nonce as number),
    balance: BigInt(`0x${balance as string}`),
    codeHash: codeHash as Uint8Array,
  };
}
