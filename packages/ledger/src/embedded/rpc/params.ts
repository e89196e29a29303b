import { RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import { fromHex } from '../state/hex.ts';

/** A place in the chain as JSON-RPC names it. `head` is what latest, safe and finalized are here: one sealer's head is final. */
export type BlockRef =
  | { readonly kind: 'head' | 'next' }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'hash'; readonly hash: Uint8Array };

/** A log filter, checked. */
export interface LogFilter {
  readonly range: { readonly from: BlockRef; readonly until: BlockRef } | { readonly hash: Uint8Array };
  /** Lower-case hex without 0x; null: any. */
  readonly addresses: readonly string[] | null;
  /** At each place: any (null) or one of these, lower-case hex without 0x. */
  readonly topics: readonly (readonly string[] | null)[];
}

export function refuseParams(what: string): RpcRefusal {
  return new RpcRefusal(rpcCodes.params, `invalid params: ${what}`);
}

/** Bytes of 0x hex, at most `bytesMax`; `length`: exactly. */
export function parseData(
  value: unknown,
  what: string,
  limits: { readonly length?: number; readonly bytesMax?: number },
): Uint8Array {
  if (typeof value !== 'string' || value.length % 2 !== 0) throw refuseParams(`${what} is 0x and hex digits`);
  const { length, bytesMax = embeddedLimits.bodyBytesMax } = limits;
  const bytes = value.length / 2 - 1;
  if (length !== undefined && bytes !== length) throw refuseParams(`${what} has ${length} bytes`);
  if (bytes > bytesMax) throw refuseParams(`${what} has at most ${bytesMax} bytes`);
  if (!/^0x[0-9a-fA-F]*$/.test(value)) throw refuseParams(`${what} is 0x and hex digits`);
  return fromHex(value.slice(2));
}

export function parseAddress(value: unknown, what = 'an address'): Uint8Array {
  return parseData(value, what, { length: 20 });
}

export function parseHash(value: unknown): Uint8Array {
  return parseData(value, 'a hash', { length: 32 });
}

/** A number of up to 256 bits: 0x and hex, no leading zeros asked for (some clients send them). */
export function parseQuantity(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) throw refuseParams(`${what} is a quantity`);
  return BigInt(value);
}

const heads: readonly unknown[] = ['latest', 'safe', 'finalized', undefined, null];

/** A tag, a number, or `{ blockNumber }` / `{ blockHash }` (EIP-1898). Left out: latest. */
export function parseBlockRef(value: unknown): BlockRef {
  if (heads.includes(value)) return { kind: 'head' };
  if (value === 'pending') return { kind: 'next' };
  if (value === 'earliest') return { kind: 'number', number: 0 };
  if (typeof value === 'object' && value !== null) {
    if ('blockHash' in value) return { kind: 'hash', hash: parseHash(value.blockHash) };
    if ('blockNumber' in value) return parseBlockRef(value.blockNumber);
  }
  const number = parseQuantity(value, 'a block');
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw refuseParams('a block number ends at 2^53');
  return { kind: 'number', number: Number(number) };
}

/** What `eth_call` and `eth_estimateGas` are given. */
export interface CallRequest {
  readonly from: Uint8Array;
  readonly to: Uint8Array | null;
  readonly data: Uint8Array;
  readonly value: bigint;
  /** Null: as much as there may be. */
  readonly gas: bigint | null;
}

export function parseCall(value: unknown): CallRequest {
  const call = objectOf(value, 'a call');
  const data = call['input'] ?? call['data'];
  return {
    from: isAbsent(call['from']) ? new Uint8Array(20) : parseAddress(call['from'], 'from'),
    to: isAbsent(call['to']) ? null : parseAddress(call['to'], 'to'),
    data: isAbsent(data) ? new Uint8Array(0) : parseData(data, 'data', {}),
    value: isAbsent(call['value']) ? 0n : parseQuantity(call['value'], 'value'),
    gas: isAbsent(call['gas']) ? null : parseQuantity(call['gas'], 'gas'),
  };
}

export function parseFilter(value: unknown): LogFilter {
  const filter = objectOf(value, 'a filter');
  const range = isAbsent(filter['blockHash'])
    ? { from: parseBlockRef(filter['fromBlock']), until: parseBlockRef(filter['toBlock']) }
    : { hash: parseHash(filter['blockHash']) };
  const topics = isAbsent(filter['topics']) ? [] : filter['topics'];
  if (!Array.isArray(topics) || topics.length > 4) throw refuseParams('topics are a list of up to four');
  return {
    range,
    addresses: parseItems(filter['address'], 20, 'an address'),
    topics: topics.map((topic) => parseItems(topic, 32, 'a topic')),
  };
}

/** One, several, or any. */
function parseItems(value: unknown, length: number, what: string): readonly string[] | null {
  if (isAbsent(value)) return null;
  const items = Array.isArray(value) ? value : [value];
  if (items.length === 0) return null;
  if (items.length > embeddedLimits.filterItemsMax) throw refuseParams('over the limit filterItemsMax');
  return items.map((item) => Buffer.from(parseData(item, what, { length })).toString('hex'));
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuseParams(`${what} is an object`);
  return value as Readonly<Record<string, unknown>>; // any object can be asked for its fields
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}
