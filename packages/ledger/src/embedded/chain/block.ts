import { type Block, createBlock } from '@ethereumjs/block';
import { type Common, createCustomCommon, Hardfork, Mainnet, type ParamsDict } from '@ethereumjs/common';
import { Address } from '@ethereumjs/util';
import { Bloom } from '@ethereumjs/vm';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';
import type { RecoverKey } from '../execution/recover-key.ts';
import { embeddedLimits } from '../limits.ts';

/** What is fixed for a chain's life; its genesis commits to it. */
export interface ChainSpec {
  readonly chainId: number;
  /** Ed25519, 32 bytes: whose seal every block carries (`extraData` of the headers). */
  readonly sealer: Uint8Array;
  /** Who is paid a tip, should a wallet insist on one. 20 bytes. */
  readonly coinbase: Uint8Array;
  /** Of the genesis, seconds since 1970. */
  readonly timestamp: number;
  /** Lower-case hex addresses without 0x; what each holds at first, in the chain's smallest unit. */
  readonly balances: ReadonlyMap<string, bigint>;
}

/** A block as it is kept: what its parent, its transactions and the chain's constants do not say already. */
export interface StoredBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Seconds since 1970; never less than the parent's. */
  readonly timestamp: number;
  readonly gasUsed: bigint;
  readonly transactionsHash: Uint8Array;
  readonly receiptsHash: Uint8Array;
  /** See `state-hash.ts`; stands where Ethereum has its state root. */
  readonly stateHash: Uint8Array;
  /** Ed25519 over {@link sealMessage}. */
  readonly seal: Uint8Array;
  readonly transactionCount: number;
}

/** A transaction with what came of it. */
export interface StoredTransaction {
  readonly block: number;
  readonly place: number;
  readonly hash: Uint8Array;
  readonly sender: Uint8Array;
  /** As it was signed and sent. */
  readonly raw: Uint8Array;
  readonly isSuccess: boolean;
  readonly gasUsed: bigint;
  readonly cumulativeGas: bigint;
  /** The contract it made, if it did. */
  readonly contract: Uint8Array | null;
}

/** A log in its block. */
export interface StoredLog {
  readonly block: number;
  /** Within the block. */
  readonly place: number;
  /** Of its transaction. */
  readonly transactionPlace: number;
  readonly address: Uint8Array;
  /** 0 … 4 of 32 bytes. */
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

/**
 * The rules of the EVM for a chain: osaka, which has the P-256 precompile that passkeys need (EIP-7951). They never change, so that every
 * transaction and block shares them; the library would copy and merge its tables for each, a twentieth of a purchase's work.
 */
export function createRules(chainId: number, recoverKey: RecoverKey): Common {
  // All forks from the first block: the library treats the block where London began on the main network in its own way.
  const hardforks = Mainnet.hardforks.map((fork) => (fork.block === null ? fork : { ...fork, block: 0 }));
  const rules = createCustomCommon({ chainId, hardforks }, Mainnet, {
    hardfork: Hardfork.Osaka,
    customCrypto: { ecrecover: recoverKey },
  });
  const merge = rules.updateParams.bind(rules);
  const merged = new Set<ParamsDict>();
  rules.copy = () => rules;
  rules.updateParams = (params) => {
    if (merged.has(params)) return;
    merged.add(params);
    merge(params);
  };
  return rules;
}

/** What a header says before its hash is known. */
export type HeaderFields = Omit<StoredBlock, 'hash' | 'seal' | 'transactionCount'>;

/**
 * A block for the EVM to execute in, or to hash: an Ethereum header, so that any tool can check the hash of what JSON-RPC shows. Base fee
 * 0 (gas costs nothing), `mixHash` (PREVRANDAO) the parent's hash: known to all, nobody's chance.
 */
export function blockOf(spec: ChainSpec, rules: Common, fields: HeaderFields, logsBloom = noLogs): Block {
  const { number, parentHash, timestamp, gasUsed } = fields;
  const header = {
    number,
    parentHash,
    timestamp,
    gasUsed,
    logsBloom,
    coinbase: new Address(spec.coinbase),
    gasLimit: embeddedLimits.blockGasMax,
    transactionsTrie: fields.transactionsHash,
    receiptTrie: fields.receiptsHash,
    stateRoot: fields.stateHash,
    mixHash: mixHashOf(spec, fields),
    extraData: spec.sealer,
    baseFeePerGas: 0n,
  };
  return createBlock({ header }, { common: rules, skipConsensusFormatValidation: true });
}

/** The genesis has no parent; it commits to the chain's id, which no header names. */
export function mixHashOf({ chainId }: ChainSpec, { number, parentHash }: HeaderFields): Uint8Array {
  return number === 0 ? sha256(utf8(`pulsemesh/ledger-chain/1 ${chainId}`)) : parentHash;
}

/** A block before it is executed. */
export function openFields(parent: StoredBlock, timestamp: number): HeaderFields {
  return {
    number: parent.number + 1,
    parentHash: parent.hash,
    timestamp,
    gasUsed: 0n,
    transactionsHash: zeroHash,
    receiptsHash: zeroHash,
    stateHash: zeroHash,
  };
}

export const zeroHash: Uint8Array = new Uint8Array(32);
const noLogs: Uint8Array = new Uint8Array(256);

/** The Bloom filter of logs (yellow paper §4.3.1), 256 bytes. Not kept: the logs say it. */
export function bloomOf(logs: readonly StoredLog[]): Uint8Array {
  const bloom = new Bloom();
  for (const { address, topics } of logs) {
    bloom.add(address);
    for (const topic of topics) bloom.add(topic);
  }
  return bloom.bitvector;
}

/** SHA-256 over the hashes of a block's transactions, in order. Stands where Ethereum has a trie's root. */
export function transactionsHashOf(hashes: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(utf8('pulsemesh/ledger-transactions/1'), ...hashes));
}

/** SHA-256 over what came of a block's transactions: success, gas, logs. Stands where Ethereum has a trie's root. */
export function receiptsHashOf(transactions: readonly StoredTransaction[], logs: readonly StoredLog[]): Uint8Array {
  const parts: Uint8Array[] = [utf8('pulsemesh/ledger-receipts/1')];
  for (const { isSuccess, gasUsed } of transactions) parts.push(Uint8Array.of(isSuccess ? 1 : 0), number64(gasUsed));
  for (const { transactionPlace, address, topics, data } of logs) {
    const lengths = [number64(transactionPlace), number64(topics.length), number64(data.length)];
    parts.push(...lengths, address, ...topics, data);
  }
  return sha256(concatBytes(...parts));
}

/** What a sealer signs: the block's hash, and that this is a seal. */
export function sealMessage(blockHash: Uint8Array): Uint8Array {
  return concatBytes(utf8('pulsemesh/ledger-seal/1'), blockHash);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function number64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
