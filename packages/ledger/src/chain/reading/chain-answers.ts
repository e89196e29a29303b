import { isAddressEqual, type Hex as ViemHex } from 'viem';
import { z } from 'zod';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import type { Ask } from '../rpc/json-rpc.ts';
import { ProviderFailure, RpcError } from '../rpc/rpc-errors.ts';

/** A block by number, or by what the chain calls it. */
export type BlockTag = bigint | 'latest' | 'finalized' | 'pending';

/** What is used of a block's header. */
export interface ChainBlock {
  readonly number: bigint;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly timeMs: number;
  /** Wei for a unit of gas; null on a chain older than EIP-1559. */
  readonly baseFee: bigint | null;
  readonly logsBloom: Hex | null;
  /** What the sealer wrote into it; the embedded chain: its public key. */
  readonly extraData: Hex | null;
}

export interface ChainLog {
  readonly at: bigint;
  readonly blockHash: Hex;
  readonly place: number;
  readonly transaction: Hex;
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
}

export interface ChainReceipt {
  readonly transaction: Hex;
  readonly at: bigint;
  readonly blockHash: Hex;
  readonly isSuccess: boolean;
  readonly gasUsed: bigint;
  /** Wei for a unit of gas; 0 where it is not told. */
  readonly gasPrice: bigint;
  readonly contractAddress: Hex | null;
  readonly logs: readonly ChainLog[];
}

export interface LogFilter {
  readonly address: Hex;
  readonly from: bigint;
  readonly until: bigint;
  readonly topics?: readonly (Hex | readonly Hex[] | null)[];
}

const quantity = z
  .string()
  .regex(/^0x[0-9a-f]{1,64}$/i)
  .transform((text) => BigInt(text));
const smallQuantity = quantity.refine((value) => value <= BigInt(Number.MAX_SAFE_INTEGER)).transform(Number);
const bytesOf = (length: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-f]{${2 * length}}$`, 'i'))
    .transform((text) => text.toLowerCase() as Hex); // as the pattern says
const hash = bytesOf(32);
const address = bytesOf(20);
const data = z
  .string()
  .regex(/^0x([0-9a-f]{2})*$/i)
  .transform((text) => text.toLowerCase() as Hex); // as the pattern says

const secondsSchema = quantity.refine((value) => value < 1n << 40n).transform((value) => Number(value) * 1_000);

const blockSchema = z
  .object({
    number: quantity,
    hash,
    parentHash: hash,
    timestamp: secondsSchema,
    baseFeePerGas: quantity.nullish(),
    logsBloom: bytesOf(256).nullish(),
    extraData: data.nullish(),
  })
  .transform(
    ({ timestamp, baseFeePerGas, logsBloom, extraData, ...block }): ChainBlock => ({
      ...block,
      timeMs: timestamp,
      baseFee: baseFeePerGas ?? null,
      logsBloom: logsBloom ?? null,
      extraData: extraData ?? null,
    }),
  );

const logSchema = z
  .object({
    blockNumber: quantity,
    blockHash: hash,
    logIndex: smallQuantity,
    transactionHash: hash,
    address,
    topics: z.array(hash).max(4),
    data,
    removed: z.boolean().optional(),
  })
  .refine((log) => log.removed !== true)
  .transform(
    (log): ChainLog => ({
      at: log.blockNumber,
      blockHash: log.blockHash,
      place: log.logIndex,
      transaction: log.transactionHash,
      address: log.address,
      topics: log.topics,
      data: log.data,
    }),
  );
const logsSchema = z.array(logSchema).max(chainLimits.logsMax);

const receiptSchema = z
  .object({
    transactionHash: hash,
    blockNumber: quantity,
    blockHash: hash,
    status: quantity,
    gasUsed: quantity,
    effectiveGasPrice: quantity.optional(),
    contractAddress: address.nullish(),
    logs: logsSchema,
  })
  .transform(
    (receipt): ChainReceipt => ({
      transaction: receipt.transactionHash,
      at: receipt.blockNumber,
      blockHash: receipt.blockHash,
      isSuccess: receipt.status === 1n,
      gasUsed: receipt.gasUsed,
      gasPrice: receipt.effectiveGasPrice ?? 0n,
      contractAddress: receipt.contractAddress ?? null,
      logs: receipt.logs,
    }),
  );

function parsed<T>(schema: z.ZodType<T>, value: unknown, label: string, method: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ProviderFailure(label, 'form', { where: method });
}

/** Typed questions to one provider: each answer is parsed, and is about what was asked. All throw {@link ProviderFailure} or {@link RpcError}. */
export class ChainAsker {
  readonly #ask: Ask;
  readonly label: string;

  constructor(ask: Ask, label: string) {
    this.#ask = ask;
    this.label = label;
  }

  async chainId(): Promise<number> {
    return this.#question(smallQuantity, 'eth_chainId', []);
  }

  async codeAt(contract: Hex): Promise<Hex> {
    return this.#question(data, 'eth_getCode', [contract, 'latest']);
  }

  async balanceOf(account: Hex): Promise<bigint> {
    return this.#question(quantity, 'eth_getBalance', [account, 'latest']);
  }

  async block(tag: BlockTag): Promise<ChainBlock | null> {
    const block = await this.#question(blockSchema.nullable(), 'eth_getBlockByNumber', [tagOf(tag), false]);
    if (block !== null && typeof tag === 'bigint' && block.number !== tag) this.#refuse('eth_getBlockByNumber');
    return block;
  }

  /** The newest block. */
  async head(): Promise<ChainBlock> {
    const head = await this.block('latest');
    if (head === null) return this.#refuse('eth_getBlockByNumber');
    return head;
  }

  async nonceOf(account: Hex, tag: 'latest' | 'pending'): Promise<number> {
    return this.#question(smallQuantity, 'eth_getTransactionCount', [account, tag]);
  }

  /** Null: not sealed, as far as this provider knows. */
  async receipt(transaction: Hex): Promise<ChainReceipt | null> {
    const method = 'eth_getTransactionReceipt';
    const receipt = await this.#question(receiptSchema.nullable(), method, [transaction]);
    if (receipt !== null && receipt.transaction !== transaction) this.#refuse(method);
    return receipt;
  }

  /** Whether the provider knows a transaction, sealed or not. */
  async knows(transaction: Hex): Promise<boolean> {
    const found = await this.#question(z.object({ hash }).nullable(), 'eth_getTransactionByHash', [transaction]);
    return found !== null;
  }

  async call(
    call: { readonly to: Hex; readonly data: Hex; readonly from?: Hex; readonly value?: bigint },
    tag: BlockTag,
  ) {
    return this.#question(data, 'eth_call', [transactionOf(call), tagOf(tag)]);
  }

  async estimateGas(call: { readonly to: Hex; readonly data: Hex; readonly from: Hex; readonly value: bigint }) {
    return this.#question(quantity, 'eth_estimateGas', [transactionOf(call)]);
  }

  async gasPrice(): Promise<bigint> {
    return this.#question(quantity, 'eth_gasPrice', []);
  }

  async tip(): Promise<bigint> {
    return this.#question(quantity, 'eth_maxPriorityFeePerGas', []);
  }

  async send(raw: Hex): Promise<Hex> {
    return this.#question(hash, 'eth_sendRawTransaction', [raw]);
  }

  /** Who seals blocks of a QBFT network; null: it is none, or does not say. */
  async validators(): Promise<readonly Hex[] | null> {
    try {
      return await this.#question(z.array(address).max(256), 'qbft_getValidatorsByBlockNumber', ['latest']);
    } catch (error) {
      if (error instanceof RpcError) return null;
      throw error;
    }
  }

  /** Logs of one contract, in the chain's order, each once. */
  async logs(filter: LogFilter): Promise<readonly ChainLog[]> {
    const question = {
      address: filter.address,
      fromBlock: tagOf(filter.from),
      toBlock: tagOf(filter.until),
      ...(filter.topics === undefined ? {} : { topics: filter.topics }),
    };
    const logs = await this.#question(logsSchema, 'eth_getLogs', [question]);
    return this.#ordered(logs, filter);
  }

  /** Logs of one contract in one block, by the block's receipts. Null: the provider does not offer it. */
  async logsOfReceipts(block: ChainBlock, contract: Hex): Promise<readonly ChainLog[]> {
    const receipts = await this.#question(z.array(receiptSchema), 'eth_getBlockReceipts', [block.hash]);
    const logs = receipts.flatMap((receipt) => receipt.logs).filter((log) => isSame(log.address, contract));
    return this.#ordered(logs, { address: contract, from: block.number, until: block.number });
  }

  #ordered(logs: readonly ChainLog[], { address: contract, from, until }: LogFilter): readonly ChainLog[] {
    const sorted = [...logs].sort((one, other) =>
      one.at === other.at ? one.place - other.place : one.at < other.at ? -1 : 1,
    );
    for (const [index, log] of sorted.entries()) {
      const before = sorted[index - 1];
      const isRepeated = before !== undefined && before.at === log.at && before.place === log.place;
      if (isRepeated || log.at < from || log.at > until || !isSame(log.address, contract)) this.#refuse('eth_getLogs');
    }
    return sorted;
  }

  async #question<T>(schema: z.ZodType<T>, method: string, params: readonly unknown[]): Promise<T> {
    return parsed(schema, await this.#ask(method, params), this.label, method);
  }

  #refuse(method: string): never {
    throw new ProviderFailure(this.label, 'form', { where: method });
  }
}

/** Addresses compare without regard to EIP-55 capitals. */
export function isSame(one: Hex, other: Hex): boolean {
  return isAddressEqual(one as ViemHex, other as ViemHex);
}

function tagOf(tag: BlockTag): string {
  return typeof tag === 'bigint' ? hexOf(tag) : tag;
}

/** A quantity of JSON-RPC. */
export function hexOf(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

function transactionOf({ to, data: input, from, value }: { to: Hex; data: Hex; from?: Hex; value?: bigint }) {
  return { to, data: input, ...(from === undefined ? {} : { from }), ...(value ? { value: hexOf(value) } : {}) };
}
