import { type Clock, errorCode, TimeoutError, type WaitOptions, withTimeout } from '@pulsemesh/base';
import { z } from 'zod';
import { chainLimits } from '../chain-limits.ts';
import { ProviderFailure, RpcError } from './rpc-errors.ts';

/** Asks one question of a chain. What comes back is unknown: parse it. @throws {ProviderFailure}; {RpcError}. */
export type Ask = (method: string, params: readonly unknown[], options?: WaitOptions) => Promise<unknown>;

export interface JsonRpcOptions {
  /** http or https. */
  readonly url: string;
  /** What it is called in logs and errors. */
  readonly label: string;
  /** Milliseconds; default {@link chainLimits}.requestMsMax. */
  readonly requestMsMax?: number;
  readonly answerBytesMax?: number;
}

const answerSchema = z.object({
  jsonrpc: z.literal('2.0').optional(),
  id: z.union([z.number(), z.string(), z.null()]).optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string().optional(), data: z.unknown().optional() }).nullish(),
});

/**
 * JSON-RPC 2.0 over HTTP to one provider: bounded in time, bytes and number. Batches are not used, since not every provider takes them.
 */
export function createJsonRpc(options: JsonRpcOptions, dependencies: { readonly clock: Clock }): Ask {
  const { url, label, requestMsMax = chainLimits.requestMsMax } = options;
  const answerBytesMax = options.answerBytesMax ?? chainLimits.answerBytesMax;
  const turns = createTurns(label);
  let lastId = 0;
  const post = async (method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> => {
    lastId += 1;
    const id = lastId;
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal,
      redirect: 'error',
    });
    const text = await readText(response, answerBytesMax, label);
    return resultOf(text, id, response.status, label);
  };
  return (method, params, wait = {}) =>
    turns(async () => {
      wait.signal?.throwIfAborted();
      try {
        const ask = (signal: AbortSignal) => post(method, params, signal);
        return await withTimeout(dependencies.clock, 'a question to the ledger', requestMsMax, ask, wait);
      } catch (error) {
        if (wait.signal?.aborted) throw wait.signal.reason;
        if (error instanceof RpcError || error instanceof ProviderFailure) throw error;
        if (error instanceof TimeoutError) throw new ProviderFailure(label, 'timeout', { cause: error });
        throw new ProviderFailure(label, 'network', { where: errorCode(error), cause: error });
      }
    });
}

/** Lets a bounded number run at a time, the others in the order they came. */
function createTurns(label: string): <T>(action: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (action) => {
    if (running >= chainLimits.requestsPerProviderMax) {
      if (waiting.length >= chainLimits.requestsWaitingMax) throw new ProviderFailure(label, 'busy');
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await action();
    } finally {
      // The turn passes on without being given back, so that nobody slips in between.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

async function readText(response: Response, bytesMax: number, label: string): Promise<string> {
  const { body } = response;
  if (body === null) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > bytesMax) {
      await reader.cancel();
      throw new ProviderFailure(label, 'size');
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Some providers give JSON-RPC errors with a status of 4xx: the body decides where it is one. */
function resultOf(text: string, id: number, httpStatus: number, label: string): unknown {
  if (httpStatus === 429) throw new ProviderFailure(label, 'busy', { httpStatus });
  const answer = answerSchema.safeParse(parseJson(text));
  const isMine = answer.data?.id === id || answer.data?.id === null || answer.data?.id === undefined;
  if (answer.data?.error && isMine) {
    const { code, message = '', data } = answer.data.error;
    throw new RpcError(code, message, data);
  }
  if (httpStatus < 200 || httpStatus > 299) throw new ProviderFailure(label, 'http', { httpStatus });
  if (!answer.success || answer.data.id !== id) throw new ProviderFailure(label, 'form', { where: 'answer' });
  return answer.data.result;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // is refused as no answer, without quoting it
  }
}
