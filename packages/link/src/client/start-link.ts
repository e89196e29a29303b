import { sha256 } from '@pulsemesh/crypto';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { type TransportName, transportNames } from '../carrier.ts';
import type { LinkIdentity } from '../session.ts';
import type { ClientSession, ClientSessionOptions, SessionDependencies, SessionLimits } from '../session-ends.ts';
import type { CarrierConnectors } from './carriers/connect.ts';
import { LinkOptionError, LinkUnreachableError } from './errors.ts';
import type { Link } from './link.ts';
import { type LinkDependencies, LinkKeeper } from './link-keeper.ts';
import type { NetworkMemory } from './network-memory.ts';

export interface LinkOptions {
  /** `https://` (or, in a safe network, `http://`), host, port, and the path the server's endpoints stand under, if any. */
  readonly url: string | URL;
  /** The server's peer id; absent: whoever answers, reported in `session.remote`. */
  readonly server?: PeerId;
  readonly identity: LinkIdentity;
  /** Transports to try; default all that exist here but `drop`. */
  readonly transports?: readonly TransportName[];
  /** DER, own first. A function is asked at each login: certificates end, and are renewed. It does not throw. */
  readonly certificates?: readonly Uint8Array[] | (() => readonly Uint8Array[]);
  readonly invitation?: Uint8Array;
  /** Name and version of the program, for the operator at the other end. */
  readonly software: string;
  /** What worked on which network; default: forgotten when the process ends (Node), `localStorage` (browser). */
  readonly memory?: NetworkMemory;
  readonly limits?: Partial<SessionLimits>;
}

/** What differs between Node and a browser. */
export interface LinkPlatform {
  readonly connectors: CarrierConnectors;
  readonly memory: NetworkMemory;
  /** What tells one local network from another, where that can be known. */
  readonly networkHint: () => string;
  readonly createSession: (options: ClientSessionOptions, dependencies: SessionDependencies) => ClientSession;
}

/** Longest URL of a link, characters. */
const urlLengthMax = 2048;

/** Starts a link at once; it goes on trying for as long as it lives. @throws {LinkOptionError}. */
export function startLinkOn(platform: LinkPlatform, options: LinkOptions, dependencies: LinkDependencies): Link {
  return createKeeper(platform, options, dependencies);
}

/**
 * Starts a link and waits for its first session.
 * @throws {LinkUnreachableError} when no transport came through in a first round; {@link LinkRefusedError},
 * {@link ServerImpostorError}; {@link LinkOptionError}; `signal.reason`. The link is gone then.
 */
export async function connectLinkOn(
  platform: LinkPlatform,
  options: LinkOptions & { readonly signal?: AbortSignal },
  dependencies: LinkDependencies,
): Promise<Link> {
  options.signal?.throwIfAborted();
  const keeper = createKeeper(platform, options, dependencies);
  const { promise: exhausted, reject } = Promise.withResolvers<never>();
  using _watch = keeper.onExhausted((failures) => reject(new LinkUnreachableError(hostOf(options.url), failures)));
  try {
    const wait = options.signal === undefined ? {} : { signal: options.signal };
    await Promise.race([keeper.waitForSession(wait), exhausted]);
    return keeper;
  } catch (error) {
    await keeper[Symbol.asyncDispose]();
    throw error;
  } finally {
    exhausted.catch(() => {});
  }
}

function createKeeper(platform: LinkPlatform, options: LinkOptions, dependencies: LinkDependencies): LinkKeeper {
  const url = parseLinkUrl(options.url);
  const available = transportNames.filter((name) => platform.connectors[name] !== undefined);
  const transports = options.transports ?? available.filter((name) => name !== 'drop');
  const missing = transports.find((name) => !available.includes(name));
  if (missing !== undefined) throw new LinkOptionError(`the transport ${missing} does not exist here`);
  if (transports.length === 0) throw new LinkOptionError('a link needs at least one transport');
  return new LinkKeeper(
    {
      url,
      transports,
      connectors: platform.connectors,
      createSession: platform.createSession,
      memory: options.memory ?? platform.memory,
      memoryKey: () => memoryKey(url, platform.networkHint()),
      session: {
        identity: options.identity,
        software: options.software,
        ...(options.server === undefined ? {} : { server: options.server }),
        ...(options.certificates === undefined ? {} : { certificates: options.certificates }),
        ...(options.invitation === undefined ? {} : { invitation: options.invitation }),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      },
    },
    dependencies,
  );
}

/** @throws {LinkOptionError} unless it is an http(s) URL without a password in it. */
export function parseLinkUrl(value: string | URL): URL {
  const text = String(value);
  let url: URL | null = null;
  try {
    url = text.length <= urlLengthMax ? new URL(text) : null;
  } catch {
    // Said below: the text may hold a password, which no error repeats.
  }
  if (url === null) throw new LinkOptionError('the URL of a link cannot be read');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new LinkOptionError('the URL of a link begins with https:// or http://');
  }
  if (url.username !== '' || url.password !== '') throw new LinkOptionError('the URL of a link holds no password');
  return url;
}

function hostOf(value: string | URL): string {
  return parseLinkUrl(value).host;
}

function memoryKey(url: URL, hint: string): string {
  return toHex(sha256(new TextEncoder().encode(`pulsemesh/link network\n${url.origin}${url.pathname}\n${hint}`))).slice(
    0,
    32,
  );
}
