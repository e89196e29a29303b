import type { TypedTransaction } from '@ethereumjs/tx';
import {
  bloomOf,
  type ChainSpec,
  mixHashOf,
  type StoredBlock,
  type StoredLog,
  type StoredTransaction,
} from '../chain/block.ts';
import type { Chain } from '../chain/chain.ts';
import type { SignedTransaction } from '../execution/signed-transaction.ts';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';

// What JSON-RPC shows of a chain, as Ethereum's execution API has it. `seal` and `sealer` of a block are ours.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function hex(bytes: Uint8Array): string {
  return `0x${toHex(bytes)}`;
}

export function quantity(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

const zeros = (bytes: number) => `0x${'00'.repeat(bytes)}`;
/** What the header's library fills in where nothing is: the root of an empty trie, of no uncles, the hash of no requests. */
const emptyRoot = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421';
const noUncles = '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347';
const noRequests = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** A block, with whole transactions or their hashes. */
export function blockAnswer(chain: Chain, block: StoredBlock, isWhole: boolean): Json {
  const transactions = chain.database.transactionsOf(block.number);
  const logs = chain.database.logsOf(block.number);
  return {
    ...headerAnswer(chain.spec, block),
    hash: hex(block.hash),
    logsBloom: hex(bloomOf(logs)),
    size: quantity(600 + transactions.reduce((sum, { raw }) => sum + raw.length, 0)),
    totalDifficulty: '0x0',
    transactions: transactions.map((transaction) =>
      isWhole ? transactionAnswer(chain, transaction, block) : hex(transaction.hash),
    ),
    uncles: [],
    withdrawals: [],
    seal: hex(block.seal),
    sealer: hex(chain.spec.sealer),
  };
}

function headerAnswer(spec: ChainSpec, block: StoredBlock) {
  return {
    number: quantity(block.number),
    parentHash: hex(block.parentHash),
    timestamp: quantity(block.timestamp),
    gasUsed: quantity(block.gasUsed),
    gasLimit: quantity(embeddedLimits.blockGasMax),
    baseFeePerGas: '0x0',
    miner: hex(spec.coinbase),
    extraData: hex(spec.sealer),
    mixHash: hex(mixHashOf(spec, block)),
    nonce: zeros(8),
    difficulty: '0x0',
    stateRoot: hex(block.stateHash),
    transactionsRoot: hex(block.transactionsHash),
    receiptsRoot: hex(block.receiptsHash),
    sha3Uncles: noUncles,
    withdrawalsRoot: emptyRoot,
    parentBeaconBlockRoot: zeros(32),
    requestsHash: noRequests,
    blobGasUsed: '0x0',
    excessBlobGas: '0x0',
  };
}

/** The block to come, as far as it is known. */
export function pendingAnswer(chain: Chain): Json {
  const { head } = chain;
  return {
    ...headerAnswer(chain.spec, head),
    number: quantity(head.number + 1),
    parentHash: hex(head.hash),
    gasUsed: '0x0',
    hash: null,
    logsBloom: zeros(256),
    size: '0x0',
    totalDifficulty: '0x0',
    transactions: [],
    uncles: [],
    withdrawals: [],
  };
}

/** A transaction in its block. */
export function transactionAnswer(chain: Chain, transaction: StoredTransaction, block: StoredBlock): Json {
  return {
    ...signedAnswer(chain.transaction(transaction)),
    hash: hex(transaction.hash),
    from: hex(transaction.sender),
    blockHash: hex(block.hash),
    blockNumber: quantity(block.number),
    blockTimestamp: quantity(block.timestamp),
    transactionIndex: quantity(transaction.place),
  };
}

/** A transaction that waits. */
export function waitingAnswer({ tx, hash, sender }: SignedTransaction): Json {
  const nowhere = { blockHash: null, blockNumber: null, transactionIndex: null };
  return { ...signedAnswer(tx), hash: hex(hash), from: hex(sender), ...nowhere };
}

function signedAnswer(tx: TypedTransaction): { readonly [key: string]: Json } {
  const { data, gasLimit, to, ...rest } = tx.toJSON();
  const named: Record<string, Json> = { input: data ?? '0x', gas: gasLimit ?? '0x0', to: to ?? null };
  for (const [key, value] of Object.entries(rest)) if (value !== undefined) named[key] = value as Json; // of the library's JSON
  // Base fee 0: what is paid is the tip.
  named['gasPrice'] ??= named['maxPriorityFeePerGas'] ?? '0x0';
  return named;
}

/** What came of a transaction. */
export function receiptAnswer(chain: Chain, transaction: StoredTransaction, block: StoredBlock): Json {
  const tx = chain.transaction(transaction);
  const logs = chain.database
    .logsOf(block.number)
    .filter(({ transactionPlace }) => transactionPlace === transaction.place);
  const price = 'gasPrice' in tx ? tx.gasPrice : tx.getEffectivePriorityFee(0n);
  return {
    type: quantity(tx.type),
    status: transaction.isSuccess ? '0x1' : '0x0',
    transactionHash: hex(transaction.hash),
    transactionIndex: quantity(transaction.place),
    blockHash: hex(block.hash),
    blockNumber: quantity(block.number),
    from: hex(transaction.sender),
    to: tx.to === undefined ? null : hex(tx.to.bytes),
    contractAddress: transaction.contract === null ? null : hex(transaction.contract),
    gasUsed: quantity(transaction.gasUsed),
    cumulativeGasUsed: quantity(transaction.cumulativeGas),
    effectiveGasPrice: quantity(price),
    logs: logs.map((log) => logAnswer(log, block, transaction.hash)),
    logsBloom: hex(bloomOf(logs)),
  };
}

export function logAnswer(log: StoredLog, block: StoredBlock, transactionHash: Uint8Array): Json {
  return {
    address: hex(log.address),
    topics: log.topics.map(hex),
    data: hex(log.data),
    blockHash: hex(block.hash),
    blockNumber: quantity(block.number),
    blockTimestamp: quantity(block.timestamp),
    transactionHash: hex(transactionHash),
    transactionIndex: quantity(log.transactionPlace),
    logIndex: quantity(log.place),
    removed: false,
  };
}
