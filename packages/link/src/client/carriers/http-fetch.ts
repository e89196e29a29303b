import type { Clock } from '@pulsemesh/base';
import { asCarrierError, CarrierError } from '../errors.ts';
import { type ExchangeAnswer, type ExchangeRequest, type HttpExchange, parseRetryAfter } from './http-exchange.ts';

/**
 * POST through the platform's `fetch`: for browsers, where it follows their proxy and certificates. Sends no cookies, no
 * referrer, and follows no redirect. Belongs to one carrier, which closes it.
 */
export function createFetchExchange(url: URL, deps: { readonly clock: Clock }): HttpExchange {
  const abort = new AbortController();
  return {
    // A page is not told what its connection looks like.
    connection: {},
    post: (request) => post(request, { url, clock: deps.clock, signal: abort.signal }),
    close: () => abort.abort(new CarrierError('closed', 'the carrier was closed here')),
  };
}

async function post(
  request: ExchangeRequest,
  context: { readonly url: URL; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ExchangeAnswer> {
  const { timeoutMs } = request;
  const abort = new AbortController();
  const forward = () => abort.abort(context.signal.reason);
  if (context.signal.aborted) forward();
  context.signal.addEventListener('abort', forward, { once: true });
  const timer =
    timeoutMs === undefined
      ? null
      : context.clock.setTimer(() => {
          abort.abort(new CarrierError('timeout', `no answer within ${timeoutMs} ms`, { facts: { timeoutMs } }));
        }, timeoutMs);
  try {
    const answer = await fetch(new URL(request.path, context.url), {
      method: 'POST',
      body: new Uint8Array(request.body),
      headers: { 'content-type': 'application/octet-stream' },
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal: abort.signal,
    });
    if (answer.status === 200) await readContent(answer, request);
    else await answer.body?.cancel();
    return { status: answer.status, retryAfterMs: parseRetryAfter(answer.headers.get('retry-after')) };
  } catch (error) {
    throw asCarrierError(abort.signal.aborted ? abort.signal.reason : error);
  } finally {
    timer?.cancel();
    context.signal.removeEventListener('abort', forward);
  }
}

async function readContent(answer: Response, request: ExchangeRequest): Promise<void> {
  request.onHead?.();
  const reader = answer.body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    request.onData?.(value);
  }
}
