import type { WaitOptions } from '@pulsemesh/base';
import { parseTransaction } from 'viem';
import { z } from 'zod';
import { LedgerUnreachableError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import { ChainAsker } from '../reading/chain-answers.ts';
import { assertChain } from '../reading/chain-view.ts';
import type { Ask } from '../rpc/json-rpc.ts';
import { type ChainDependencies, createProviderPool } from '../rpc/provider-pool.ts';
import { RpcError } from '../rpc/rpc-errors.ts';
import { gateLimits } from './gate-limits.ts';
import { type GatePlace, gateMethods } from './gate-methods.ts';

export interface RpcGateOptions {
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly contract: Hex;
  /** Further contracts that may be read: tokens that prices are in, verifiers. Default none. */
  readonly readable?: readonly Hex[];
}

/** What a page's JSON-RPC comes through. */
export interface RpcGate {
  /**
   * Answers a request or a batch that was parsed from JSON: with the chain's answer, or with an error of JSON-RPC. Never throws but
   * for `signal`. Bound the body's bytes before it is parsed.
   */
  handle(body: unknown, options?: WaitOptions): Promise<unknown>;
}

type Id = string | number | null;

const requestSchema = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string().max(64), z.number(), z.null()]),
  method: z.string().max(64),
  params: z.unknown().optional(),
});

/** Codes of JSON-RPC 2.0 §5.1 and EIP-1474. */
const codes = { request: -32_600, method: -32_601, params: -32_602, unavailable: -32_002, limit: -32_005 } as const;

/**
 * Lets pages of the own origin read the contract and send transactions to it, and nothing else: no page needs an address, a key or a
 * signature for a provider, and no provider sees a page. @throws {RangeError} for options out of range.
 */
export function createRpcGate(options: RpcGateOptions, dependencies: ChainDependencies): RpcGate {
  const { urls, chainId, contract, readable = [] } = options;
  const check = (ask: Ask, label: string) => assertChain(new ChainAsker(ask, label), chainId);
  const pool = createProviderPool({ urls, check }, dependencies);
  return new Gate(
    { chainId, contract, readable },
    (method, params, wait) => pool.use((ask) => ask(method, params, wait), wait),
    dependencies,
  );
}

class Gate implements RpcGate {
  readonly #place: GatePlace;
  readonly #ask: Ask;
  readonly #methods: ReturnType<typeof gateMethods>;
  readonly #meter: ChainDependencies['meter'];
  #running = 0;

  constructor(place: GatePlace, ask: Ask, { meter }: ChainDependencies) {
    this.#place = place;
    this.#ask = ask;
    this.#methods = gateMethods(place);
    this.#meter = meter;
  }

  async handle(body: unknown, options: WaitOptions = {}): Promise<unknown> {
    if (!Array.isArray(body)) return this.#one(body, options);
    if (body.length === 0) return this.#refusal(null, codes.request, 'an empty batch');
    if (body.length > gateLimits.batchMax)
      return this.#refusal(null, codes.limit, `at most ${gateLimits.batchMax} in a batch`);
    const answers: unknown[] = [];
    for (const request of body) answers.push(await this.#one(request, options));
    return answers;
  }

  async #one(body: unknown, options: WaitOptions): Promise<unknown> {
    const request = requestSchema.safeParse(body);
    if (!request.success) return this.#refusal(null, codes.request, 'not a request of JSON-RPC 2.0');
    const { id, method, params } = request.data;
    const schema = this.#methods.get(method);
    if (schema === undefined) return this.#refusal(id, codes.method, 'this method is not offered here');
    const checked = schema.safeParse(params);
    if (!checked.success) return this.#refusal(id, codes.params, 'these parameters are not allowed here');
    if (method === 'eth_sendRawTransaction' && !this.#isForContract(checked.data[0])) {
      return this.#refusal(
        id,
        codes.params,
        'only transactions to the consent contract on its chain are sent from here',
      );
    }
    if (this.#running >= gateLimits.questionsMax)
      return this.#refusal(id, codes.limit, 'too many questions at once: try again');
    this.#running += 1;
    try {
      return { jsonrpc: '2.0', id, result: await this.#ask(method, checked.data, options) };
    } catch (error) {
      options.signal?.throwIfAborted();
      return this.#failure(id, error);
    } finally {
      this.#running -= 1;
    }
  }

  #isForContract(raw: unknown): boolean {
    try {
      const { to, chainId } = parseTransaction(raw as Hex); // the schema let only hex pass
      return chainId === this.#place.chainId && to?.toLowerCase() === this.#place.contract.toLowerCase();
    } catch {
      return false;
    }
  }

  #failure(id: Id, error: unknown): unknown {
    const answer = error instanceof LedgerUnreachableError ? error.cause : error;
    if (!(answer instanceof RpcError))
      return this.#refusal(id, codes.unavailable, 'the ledger does not answer: try again later');
    const { rpcCode, text, data } = answer;
    return { jsonrpc: '2.0', id, error: { code: rpcCode, message: text, ...(data === null ? {} : { data }) } };
  }

  #refusal(id: Id, code: number, message: string): unknown {
    this.#meter
      .counter('ledger_gate_refusals_total', 'questions to the ledger that were refused', ['code'])
      .add(1, { code: String(code) });
    return { jsonrpc: '2.0', id, error: { code, message } };
  }
}
