import { createClientSession } from '../session/index.ts';
import { createFetchExchange } from './carriers/http-fetch.ts';
import { connectBrowserWebSocket } from './carriers/websocket-browser.ts';
import { createHttpConnectors } from './connectors-http.ts';
import type { Link } from './link.ts';
import type { LinkDependencies } from './link-keeper.ts';
import { createStorageMemory, type TextStorage } from './network-memory-browser.ts';
import { connectLinkOn, type LinkOptions, type LinkPlatform, startLinkOn } from './start-link.ts';

/**
 * A link to a server, over whatever passes; resolves with its first session up. Dispose it to end it. The proxy and the
 * certificates are the browser's.
 * @throws {LinkUnreachableError}, {LinkRefusedError}, {ServerImpostorError}, {LinkOptionError}, `signal.reason`.
 */
export async function connectLink(
  options: LinkOptions & { readonly signal?: AbortSignal },
  dependencies: LinkDependencies,
): Promise<Link> {
  return connectLinkOn(createBrowserPlatform(dependencies), options, dependencies);
}

/** The same without waiting. @throws {LinkOptionError}. */
export function startLink(options: LinkOptions, dependencies: LinkDependencies): Link {
  return startLinkOn(createBrowserPlatform(dependencies), options, dependencies);
}

function createBrowserPlatform({ clock, random }: LinkDependencies): LinkPlatform {
  const http = createHttpConnectors((url) => createFetchExchange(url, { clock }), { clock, random });
  return {
    connectors: { websocket: (request) => connectBrowserWebSocket(request, { clock, random }), ...http },
    memory: createStorageMemory(pageStorage()),
    networkHint: () => '',
    createSession: createClientSession,
  };
}

// Reading the property throws where a page may not store anything.
function pageStorage(): TextStorage | undefined {
  try {
    return (globalThis as { readonly localStorage?: TextStorage }).localStorage;
  } catch {
    return undefined;
  }
}
