import { z } from 'zod';
import type { Hex } from '../../offer/offer.ts';
import { gateLimits } from './gate-limits.ts';

/** What a page may look at. */
export interface GatePlace {
  readonly chainId: number;
  readonly contract: Hex;
  /** Further contracts that may be read: tokens that prices are in, verifiers. */
  readonly readable: readonly Hex[];
}

const hex = (charactersMax: number) =>
  z
    .string()
    .max(2 + charactersMax)
    .regex(/^0x([0-9a-f]{2})*$/i);
// Aborts: what looks at the number afterwards finds one.
const quantity = z.string().regex(/^0x(0|[1-9a-f][0-9a-f]{0,63})$/i, { abort: true });
const address = z.string().regex(/^0x[0-9a-f]{40}$/i);
const hash = z.string().regex(/^0x[0-9a-f]{64}$/i);
const tag = z.union([z.enum(['latest', 'finalized', 'safe', 'earliest', 'pending']), quantity]);
const tagOrBlock = z.union([tag, z.strictObject({ blockNumber: quantity }), z.strictObject({ blockHash: hash })]);

/** Whole transactions are not read through here: they hold other people's calls. */
const headersOnly = z.literal(false);

function callTo(allowed: readonly string[]) {
  const fields = {
    to: address.refine((to) => allowed.includes(to.toLowerCase())),
    from: address.optional(),
    gas: quantity.optional(),
    gasPrice: quantity.optional(),
    maxFeePerGas: quantity.optional(),
    maxPriorityFeePerGas: quantity.optional(),
    value: quantity.optional(),
    nonce: quantity.optional(),
    type: quantity.optional(),
    chainId: quantity.optional(),
    data: hex(gateLimits.callDataMax).optional(),
    input: hex(gateLimits.callDataMax).optional(),
  };
  return z.strictObject(fields);
}

const topic = z.union([z.null(), hash, z.array(hash).max(gateLimits.topicsMax)]);

function logFilter(contract: string) {
  const own = address.refine((one) => one.toLowerCase() === contract);
  const bounded = z
    .strictObject({
      address: z.union([own, z.array(own).length(1)]),
      topics: z.array(topic).max(4).optional(),
      fromBlock: quantity,
      toBlock: quantity,
    })
    .refine(({ fromBlock, toBlock }) => {
      const blocks = BigInt(toBlock) - BigInt(fromBlock);
      return blocks >= 0n && blocks < gateLimits.logBlocksMax;
    });
  const ofBlock = z.strictObject({
    address: z.union([own, z.array(own).length(1)]),
    topics: z.array(topic).max(4).optional(),
    blockHash: hash,
  });
  return z.union([bounded, ofBlock]);
}

/** Which methods pass, with what parameters. What is not here does not: nothing of accounts, keys, administration, pools or traces. */
export function gateMethods({ contract, readable }: GatePlace): ReadonlyMap<string, z.ZodType<readonly unknown[]>> {
  const own = contract.toLowerCase();
  const allowed = [own, ...readable.map((one) => one.toLowerCase())];
  const none = z.union([z.tuple([]), z.undefined()]).transform(() => []);
  return new Map<string, z.ZodType<readonly unknown[]>>([
    ['eth_chainId', none],
    ['net_version', none],
    ['eth_blockNumber', none],
    ['eth_gasPrice', none],
    ['eth_maxPriorityFeePerGas', none],
    ['eth_syncing', none],
    ['eth_getBlockByNumber', z.tuple([tag, headersOnly])],
    ['eth_getBlockByHash', z.tuple([hash, headersOnly])],
    ['eth_getTransactionCount', z.tuple([address, tagOrBlock])],
    ['eth_getBalance', z.tuple([address, tagOrBlock])],
    ['eth_getCode', z.tuple([address.refine((one) => allowed.includes(one.toLowerCase())), tagOrBlock])],
    ['eth_call', z.union([z.tuple([callTo(allowed), tagOrBlock]), z.tuple([callTo(allowed)])])],
    ['eth_estimateGas', z.union([z.tuple([callTo([own]), tag]), z.tuple([callTo([own])])])],
    ['eth_getTransactionByHash', z.tuple([hash])],
    ['eth_getTransactionReceipt', z.tuple([hash])],
    ['eth_getLogs', z.tuple([logFilter(own)])],
    [
      'eth_feeHistory',
      z.tuple([
        quantity.refine((count) => BigInt(count) <= gateLimits.feeHistoryMax),
        tag,
        z.array(z.number().min(0).max(100)).max(gateLimits.percentilesMax),
      ]),
    ],
    ['eth_sendRawTransaction', z.tuple([hex(gateLimits.transactionMax)])],
  ]);
}
