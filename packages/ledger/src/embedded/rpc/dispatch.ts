import { Condition, errorForLog, type Logger } from '@pulsemesh/base';
import { StoreFailedError, StoreFullError } from '@pulsemesh/store';
import type { Chain } from '../chain/chain.ts';
import { ChainClosedError, ChainDamagedError, overLimit, RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import type { Json } from './answers.ts';
import { methods } from './methods.ts';
import { refuseParams } from './params.ts';

/** A JSON-RPC error. */
export interface RpcFault {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

export type RpcOutcome = { readonly result: Json } | { readonly error: RpcFault };

/** Answers calls against a chain, at most so many at a time. Never throws. */
export class Dispatch {
  readonly #chain: Chain;
  readonly #logger: Logger;
  #running = 0;

  constructor(chain: Chain, logger: Logger) {
    this.#chain = chain;
    this.#logger = logger;
  }

  async call(method: string, params: unknown): Promise<RpcOutcome> {
    if (this.#running >= embeddedLimits.callsMax) return { error: faultOf(overLimit('callsMax')) };
    this.#running += 1;
    try {
      this.#chain.assertRunning();
      const answer = methods.get(method);
      if (answer === undefined)
        throw new RpcRefusal(rpcCodes.method, `the method ${method.slice(0, 64)} does not exist`);
      if (params !== undefined && !Array.isArray(params)) throw refuseParams('params are a list');
      return { result: await answer(this.#chain, params ?? []) };
    } catch (error) {
      return { error: this.#faultOf(error) };
    } finally {
      this.#running -= 1;
    }
  }

  #faultOf(error: unknown): RpcFault {
    if (error instanceof StoreFailedError || error instanceof ChainDamagedError) this.#chain.fail(error);
    if (!(error instanceof RpcRefusal || error instanceof ChainClosedError))
      this.#logger.error('a JSON-RPC call failed', errorForLog(error));
    return faultOf(error);
  }
}

export function faultOf(error: unknown): RpcFault {
  if (error instanceof RpcRefusal) {
    const { rpcCode: code, message, data } = error;
    return data === undefined ? { code, message } : { code, message, data };
  }
  if (error instanceof StoreFullError || error instanceof ChainClosedError) {
    return { code: rpcCodes.unavailable, message: error.message, data: { reason: error.code } };
  }
  if (error instanceof Condition) {
    return { code: rpcCodes.internal, message: error.message, data: { reason: error.code } };
  }
  return { code: rpcCodes.internal, message: 'internal error' };
}
