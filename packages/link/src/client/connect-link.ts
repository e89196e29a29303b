import type { Dialer } from '../dialer.ts';
import { createDialer, type ProxySetting, type TrustOptions } from '../proxy/index.ts';
import { createClientSession } from '../session/index.ts';
import { createNodeConnectors, type DropPlace } from './connectors-node.ts';
import type { Link } from './link.ts';
import type { LinkDependencies } from './link-keeper.ts';
import { createMemoryOnly } from './network-memory.ts';
import { localNetworkHint } from './network-memory-file.ts';
import { connectLinkOn, type LinkOptions, type LinkPlatform, startLinkOn } from './start-link.ts';

export interface NodeLinkOptions extends LinkOptions {
  /** The way out; default: what the environment says. */
  readonly proxy?: ProxySetting;
  /** A file whose first line is `user:password`, for a proxy whose URL has none. */
  readonly proxyCredentialsFile?: string;
  /** Certificates to trust: by default Node's list and the operating system's store. */
  readonly trust?: TrustOptions;
  /** With it the transport `drop` exists; it is used where `transports` names it. */
  readonly drop?: DropPlace;
}

export interface NodeLinkDependencies extends LinkDependencies {
  /** Default: one made of `proxy` and `trust`. */
  readonly dialer?: Dialer;
}

/**
 * A link to a server, over whatever passes; resolves with its first session up. Dispose it to end it.
 * @throws {LinkUnreachableError}, {LinkRefusedError}, {ServerImpostorError}, {LinkOptionError}, {ProxyConfigError}, `signal.reason`.
 */
export async function connectLink(
  options: NodeLinkOptions & { readonly signal?: AbortSignal },
  dependencies: NodeLinkDependencies,
): Promise<Link> {
  return connectLinkOn(createNodePlatform(options, dependencies), options, dependencies);
}

/** The same without waiting: for a program that starts before its network does. @throws {LinkOptionError}, {ProxyConfigError}. */
export function startLink(options: NodeLinkOptions, dependencies: NodeLinkDependencies): Link {
  return startLinkOn(createNodePlatform(options, dependencies), options, dependencies);
}

function createNodePlatform(options: NodeLinkOptions, dependencies: NodeLinkDependencies): LinkPlatform {
  const { proxy, proxyCredentialsFile, trust } = options;
  const dialer =
    dependencies.dialer ??
    createDialer(
      {
        ...(proxy === undefined ? {} : { proxy }),
        ...(proxyCredentialsFile === undefined ? {} : { proxyCredentialsFile }),
        ...(trust === undefined ? {} : { trust }),
      },
      dependencies,
    );
  const { clock, random } = dependencies;
  return {
    connectors: createNodeConnectors({ clock, random, dialer }, options.drop ?? null),
    memory: createMemoryOnly(),
    networkHint: localNetworkHint,
    createSession: createClientSession,
  };
}
