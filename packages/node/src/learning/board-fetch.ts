import { answerOf, type BoardFetch } from '@pulsemesh/board/client';
import { createDialer, createDialerFetch, type DialerOptions } from '@pulsemesh/link';
import type { NodeDependencies } from '../process/node-context.ts';

/** Requests to a board by the way out of the building that the relay's link takes: proxy, password, certificates. Ends with `stack`. */
export function boardFetch(
  network: Pick<DialerOptions, 'proxy' | 'proxyCredentialsFile' | 'trust'>,
  deps: Pick<NodeDependencies, 'clock' | 'logger'>,
  stack: AsyncDisposableStack,
): BoardFetch {
  const { fetch } = stack.use(createDialerFetch(createDialer(network, deps)));
  return async (url, { method, body, signal }) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/octet-stream' };
    const init = { method, signal, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) };
    return answerOf(await fetch(new Request(url, init)));
  };
}
