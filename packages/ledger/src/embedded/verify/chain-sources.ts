import type { Clock } from '@pulsemesh/base';
import { z } from 'zod';
import { createJsonRpc } from '../../chain/rpc/json-rpc.ts';
import type { ChainSpec } from '../chain/block.ts';
import { ChainDamagedError } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import { fromHex } from '../state/hex.ts';
import type { SealedBlock } from './replay.ts';

/** A chain that can be executed again: its constants, and its blocks from the genesis on. */
export interface ChainSource {
  readonly spec: ChainSpec;
  readonly blocks: AsyncIterable<SealedBlock>;
}

/** A JSON-RPC call, as a running chain or viem's clients offer it. */
export type RpcRequest = (call: { readonly method: string; readonly params?: unknown }) => Promise<unknown>;

const hexBytes = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`))
    .transform(bytesOf);
const anyBytes = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/)
  .transform(bytesOf);

const specShape = z.object({
  chainId: z.int().positive(),
  sealer: hexBytes(32),
  treasury: hexBytes(20),
  timestamp: z.int().nonnegative(),
  balances: z.array(z.tuple([z.string().regex(/^0x[0-9a-f]{40}$/), z.string().regex(/^0x[0-9a-f]{1,64}$/)])),
});

const blockShape = z.object({
  number: z.int().nonnegative(),
  hash: hexBytes(32),
  parentHash: hexBytes(32),
  timestamp: z.int().nonnegative(),
  gasUsed: z.int().nonnegative().transform(BigInt),
  transactionsHash: hexBytes(32),
  receiptsHash: hexBytes(32),
  stateHash: hexBytes(32),
  seal: hexBytes(64),
  transactions: z.array(anyBytes).max(1_024),
});

/**
 * The chain that somebody else runs, fetched block by block over JSON-RPC (`pulsemesh_spec`, `pulsemesh_sealedBlock`).
 * @throws {ChainDamagedError} where an answer is none; what `request` throws.
 */
export async function fetchChain(request: RpcRequest): Promise<ChainSource> {
  const { chainId, sealer, treasury, timestamp, balances } = parse(
    specShape,
    await request({ method: 'pulsemesh_spec' }),
  );
  const held = new Map(balances.map(([address, amount]) => [address.slice(2), BigInt(amount)]));
  const spec: ChainSpec = { chainId, sealer, coinbase: treasury, timestamp, balances: held };
  return { spec, blocks: fetchBlocks(request) };
}

/**
 * The same of a chain that answers at an address (http or https). One that leaves its newest blocks out looks shorter, and sound.
 * @throws as {@link fetchChain}; {ProviderFailure}; {RpcError}, also where what answers is another kind of chain.
 */
export function fetchChainAt(url: string, dependencies: { readonly clock: Clock }): Promise<ChainSource> {
  const ask = createJsonRpc(
    { url, label: new URL(url).host, answerBytesMax: embeddedLimits.sealedBlockBytesMax },
    dependencies,
  );
  return fetchChain(({ method, params }) => ask(method, Array.isArray(params) ? params : []));
}

async function* fetchBlocks(request: RpcRequest): AsyncGenerator<SealedBlock> {
  for (let number = 0; ; number += 1) {
    const answer = await request({ method: 'pulsemesh_sealedBlock', params: [`0x${number.toString(16)}`] });
    if (answer === null) return;
    const { transactions, ...block } = parse(blockShape, answer);
    yield { ...block, transactionCount: transactions.length, raw: transactions };
  }
}

function parse<Shape extends z.ZodType>(shape: Shape, value: unknown): z.output<Shape> {
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new ChainDamagedError('answer', null, { cause: parsed.error });
  return parsed.data;
}

function bytesOf(text: string): Uint8Array {
  return fromHex(text.slice(2));
}
