import type { StoredBlock, StoredLog } from '../chain/block.ts';
import type { Chain } from '../chain/chain.ts';
import { overLimit, RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';
import {
  blockAnswer,
  hex,
  type Json,
  logAnswer,
  pendingAnswer,
  quantity,
  receiptAnswer,
  transactionAnswer,
  waitingAnswer,
} from './answers.ts';
import { callContract, estimateGas } from './calls.ts';
import {
  type BlockRef,
  type LogFilter,
  parseAddress,
  parseBlockRef,
  parseCall,
  parseData,
  parseFilter,
  parseHash,
  parseQuantity,
  refuseParams,
} from './params.ts';

type Method = (chain: Chain, params: readonly unknown[]) => Json | Promise<Json>;

/** What is answered, by name. The names and shapes are those of Ethereum's execution API; two are ours. */
export const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['web3_clientVersion', () => 'Pulsemesh/embedded/1'],
  ['net_version', (chain) => String(chain.spec.chainId)],
  ['eth_chainId', (chain) => quantity(chain.spec.chainId)],
  ['eth_syncing', () => false],
  ['eth_accounts', () => []],
  ['eth_blockNumber', (chain) => quantity(chain.head.number)],
  ['eth_gasPrice', () => '0x0'],
  ['eth_maxPriorityFeePerGas', () => '0x0'],
  ['eth_feeHistory', (chain, [count, newest]) => feeHistory(chain, count, parseBlockRef(newest))],
  ['eth_getBlockByNumber', (chain, [ref, isWhole]) => blockByRef(chain, parseBlockRef(ref), isWhole === true)],
  ['eth_getBlockByHash', (chain, [hash, isWhole]) => blockByRef(chain, hashRef(hash), isWhole === true)],
  ['eth_getBlockTransactionCountByNumber', (chain, [ref]) => transactionCount(chain, parseBlockRef(ref))],
  ['eth_getTransactionByHash', (chain, [hash]) => transactionByHash(chain, parseHash(hash))],
  ['eth_getTransactionReceipt', (chain, [hash]) => receiptByHash(chain, parseHash(hash))],
  ['eth_getLogs', (chain, [filter]) => logs(chain, parseFilter(filter))],
  ['eth_getTransactionCount', (chain, [address, ref]) => nonce(chain, parseAddress(address), parseBlockRef(ref))],
  ['eth_getBalance', (chain, [address, ref]) => balance(chain, parseAddress(address), parseBlockRef(ref))],
  ['eth_getCode', (chain, [address, ref]) => code(chain, parseAddress(address), parseBlockRef(ref))],
  [
    'eth_getStorageAt',
    (chain, [address, slot, ref]) => storageAt(chain, parseAddress(address), slot, parseBlockRef(ref)),
  ],
  ['eth_call', (chain, [call, ref]) => callContract(chain, parseCall(call), stateAt(chain, parseBlockRef(ref)))],
  ['eth_estimateGas', (chain, [call, ref]) => estimateGas(chain, parseCall(call), stateAt(chain, parseBlockRef(ref)))],
  ['eth_sendRawTransaction', (chain, [raw]) => send(chain, raw)],
  ['pulsemesh_spec', (chain) => spec(chain)],
  ['pulsemesh_sealedBlock', (chain, [ref]) => sealedBlock(chain, parseBlockRef(ref))],
]);

/** A block there is, or undefined. */
function find(chain: Chain, ref: BlockRef): StoredBlock | undefined {
  switch (ref.kind) {
    case 'head':
    case 'next':
      return chain.head;
    case 'number':
      return chain.database.blockByNumber(ref.number);
    case 'hash':
      return chain.database.blockByHash(ref.hash);
  }
}

function hashRef(value: unknown): BlockRef {
  return { kind: 'hash', hash: parseHash(value) };
}

/** Only the head's state is kept. @throws {RpcRefusal} for another block's. */
function stateAt(chain: Chain, ref: BlockRef): 'head' | 'next' {
  if (ref.kind === 'next') return 'next';
  const block = find(chain, ref);
  if (block === undefined) throw new RpcRefusal(rpcCodes.input, 'header not found');
  if (block.number !== chain.head.number) {
    throw new RpcRefusal(
      rpcCodes.input,
      'only the state of the latest block is kept: ask for latest, safe or finalized',
    );
  }
  return 'head';
}

function blockByRef(chain: Chain, ref: BlockRef, isWhole: boolean): Json {
  if (ref.kind === 'next') return pendingAnswer(chain);
  const block = find(chain, ref);
  return block === undefined ? null : blockAnswer(chain, block, isWhole);
}

function transactionCount(chain: Chain, ref: BlockRef): Json {
  const block = find(chain, ref);
  return block === undefined ? null : quantity(ref.kind === 'next' ? 0 : block.transactionCount);
}

function transactionByHash(chain: Chain, hash: Uint8Array): Json {
  const sealed = chain.database.transactionByHash(hash);
  if (sealed !== undefined) return transactionAnswer(chain, sealed, blockNumbered(chain, sealed.block));
  const waiting = chain.waiting(hash)?.signed;
  return waiting === undefined ? null : waitingAnswer(waiting);
}

function receiptByHash(chain: Chain, hash: Uint8Array): Json {
  const sealed = chain.database.transactionByHash(hash);
  return sealed === undefined ? null : receiptAnswer(chain, sealed, blockNumbered(chain, sealed.block));
}

function blockNumbered(chain: Chain, number: number): StoredBlock {
  return chain.database.blockByNumber(number) as StoredBlock; // written with its transactions
}

async function send(chain: Chain, raw: unknown): Promise<Json> {
  const bytes = parseData(raw, 'a transaction', { bytesMax: embeddedLimits.transactionBytesMax });
  return hex(await chain.submit(bytes));
}

function nonce(chain: Chain, address: Uint8Array, ref: BlockRef): Json {
  const where = stateAt(chain, ref);
  const key = toHex(address);
  return quantity(where === 'next' ? chain.pendingNonceOf(key) : chain.nonceOf(key));
}

function balance(chain: Chain, address: Uint8Array, ref: BlockRef): Json {
  stateAt(chain, ref);
  return quantity(chain.state.account(toHex(address))?.balance ?? 0n);
}

function code(chain: Chain, address: Uint8Array, ref: BlockRef): Json {
  stateAt(chain, ref);
  const record = chain.state.account(toHex(address));
  return record === undefined ? '0x' : hex(chain.state.code(toHex(record.codeHash)));
}

function storageAt(chain: Chain, address: Uint8Array, slot: unknown, ref: BlockRef): Json {
  stateAt(chain, ref);
  const place = parseQuantity(slot, 'a slot').toString(16).padStart(64, '0');
  return `0x${toHex(chain.state.slot(toHex(address) + place)).padStart(64, '0')}`;
}

/** Fees are 0 and stay 0; what is asked for is how full the blocks were. */
function feeHistory(chain: Chain, asked: unknown, ref: BlockRef): Json {
  const count = typeof asked === 'number' ? asked : Number(parseQuantity(asked, 'a block count'));
  if (!Number.isInteger(count) || count < 1) throw refuseParams('a block count is 1 or more');
  if (count > embeddedLimits.feeHistoryMax) throw overLimit('feeHistoryMax');
  const newest = find(chain, ref);
  if (newest === undefined) throw new RpcRefusal(rpcCodes.input, 'header not found');
  const oldest = Math.max(0, newest.number - count + 1);
  const ratios: number[] = [];
  for (let number = oldest; number <= newest.number; number += 1) {
    ratios.push(Number(blockNumbered(chain, number).gasUsed) / Number(embeddedLimits.blockGasMax));
  }
  const zeros = Array.from({ length: ratios.length + 1 }, () => '0x0');
  return {
    oldestBlock: quantity(oldest),
    baseFeePerGas: zeros,
    gasUsedRatio: ratios,
    baseFeePerBlobGas: zeros,
    blobGasUsedRatio: ratios.map(() => 0),
    reward: ratios.map(() => ['0x0']),
  };
}

function logs(chain: Chain, filter: LogFilter): Json {
  const [from, until] = rangeOf(chain, filter);
  if (from > until) return [];
  if (until - from >= embeddedLimits.logBlocksMax) throw overLimit('logBlocksMax');
  const found: StoredLog[] = [];
  let bytes = 0;
  for (const log of chain.database.logs(from, until, filter)) {
    bytes += log.data.length;
    if (found.length >= embeddedLimits.logsMax) throw overLimit('logsMax');
    if (bytes > embeddedLimits.logBytesMax) throw overLimit('logBytesMax');
    found.push(log);
  }
  return inBlocks(chain, found);
}

function rangeOf(chain: Chain, { range }: LogFilter): [number, number] {
  if ('hash' in range) {
    const block = chain.database.blockByHash(range.hash);
    if (block === undefined) throw new RpcRefusal(rpcCodes.input, 'unknown block');
    return [block.number, block.number];
  }
  const numberOf = (ref: BlockRef) => (ref.kind === 'number' ? ref.number : (find(chain, ref)?.number ?? -1));
  return [numberOf(range.from), Math.min(numberOf(range.until), chain.head.number)];
}

/** Each with its block and its transaction's hash, each looked up once. */
function inBlocks(chain: Chain, found: readonly StoredLog[]): Json {
  let block: StoredBlock | undefined;
  let hashes: readonly Uint8Array[] = [];
  return found.map((log) => {
    if (block?.number !== log.block) {
      block = blockNumbered(chain, log.block);
      hashes = chain.database.transactionsOf(log.block).map(({ hash }) => hash);
    }
    return logAnswer(log, block, hashes[log.transactionPlace] ?? new Uint8Array(32));
  });
}

function spec({ spec: { chainId, sealer, coinbase, timestamp, balances } }: Chain): Json {
  const held = [...balances].map(([address, amount]) => [`0x${address}`, quantity(amount)]);
  return { chainId, sealer: hex(sealer), treasury: hex(coinbase), timestamp, balances: held };
}

/** A block with its seal and its transactions as they were signed: all that somebody else needs to execute it again. */
function sealedBlock(chain: Chain, ref: BlockRef): Json {
  const block = ref.kind === 'next' ? undefined : find(chain, ref);
  if (block === undefined) return null;
  return {
    number: block.number,
    hash: hex(block.hash),
    parentHash: hex(block.parentHash),
    timestamp: block.timestamp,
    gasUsed: Number(block.gasUsed),
    transactionsHash: hex(block.transactionsHash),
    receiptsHash: hex(block.receiptsHash),
    stateHash: hex(block.stateHash),
    seal: hex(block.seal),
    transactions: chain.database.transactionsOf(block.number).map(({ raw }) => hex(raw)),
  };
}
