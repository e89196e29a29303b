import type { LookupFunction, Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { type Clock, Condition, type Logger, TimeoutError, withTimeout } from '@pulsemesh/base';
import type { ConnectionFacts } from '../carrier.ts';
import type { DialedConnection, Dialer, DialTarget } from '../dialer.ts';
import { ConnectFailedError, NameNotFoundError, ProxyUnreachableError } from './errors.ts';
import type { AuthScheme } from './proxy-auth.ts';
import { hostAndPort, type ProxyServer } from './proxy-server.ts';
import { type PinnedUrl, pinnedLookup } from './public-url.ts';
import { createRouteChooser, type ProxySetting, type Route, type RouteChooser } from './routes.ts';
import { connectTcp, nameErrorCodes, TcpFailure } from './tcp-connect.ts';
import { startTls } from './tls-over.ts';
import { createTrustContext, type TrustOptions } from './trust.ts';
import { openTunnel } from './tunnel.ts';

export interface DialerOptions {
  /** Default: the environment of this process. */
  readonly proxy?: ProxySetting;
  /** A file whose first line is `user:password`, for proxies whose URL has none. */
  readonly proxyCredentialsFile?: string;
  /** NTLM's first version can be broken by whoever listens. Default false. */
  readonly allowsNtlmVersion1?: boolean;
  readonly trust?: TrustOptions;
  /**
   * What {@link assertPublicUrl} gave: its host is connected to by these addresses only, whatever its name resolves to by now. Where a
   * proxy is used that one resolves the name, and its own rules hold.
   */
  readonly pinned?: PinnedUrl;
  readonly limits?: Partial<DialerLimits>;
}

export interface DialerLimits {
  /** One route: connection, tunnel and TLS together. Then the next one is tried. */
  readonly routeMs: number;
}

export const dialerLimits: DialerLimits = { routeMs: 15_000 };

export interface DialerDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The dialer of a process: chooses the proxy, makes the tunnel, does TLS and judges the certificate. Holds no connections itself,
 * so there is nothing to dispose. What authentication a proxy wanted is remembered, so that later connections need fewer rounds.
 * @throws {ProxyConfigError} when the proxy's URL or a credentials file cannot be used.
 */
export function createDialer(options: DialerOptions, dependencies: DialerDependencies): Dialer {
  const proxy = options.proxy ?? { kind: 'environment', variables: process.env };
  const settings: Settings = {
    chooseRoutes: createRouteChooser(
      {
        proxy,
        ...(options.proxyCredentialsFile === undefined ? {} : { credentialsFile: options.proxyCredentialsFile }),
      },
      dependencies,
    ),
    trust: once(() => createTrustContext(options.trust ?? {})),
    allowsNtlmVersion1: options.allowsNtlmVersion1 ?? false,
    limits: { ...dialerLimits, ...options.limits },
    schemes: new Map(),
    lookup: options.pinned === undefined ? undefined : pinnedLookup(options.pinned),
  };
  return { connect: (target) => connectByRoutes(target, settings, dependencies) };
}

interface Settings {
  readonly chooseRoutes: RouteChooser;
  readonly trust: () => SecureContext;
  readonly allowsNtlmVersion1: boolean;
  readonly limits: DialerLimits;
  /** By proxy. A PAC file can name many; the oldest is forgotten past `schemesMax`. */
  readonly schemes: Map<string, AuthScheme>;
  readonly lookup: LookupFunction | undefined;
}

const schemesMax = 32;

async function connectByRoutes(
  target: DialTarget,
  settings: Settings,
  { clock, logger }: DialerDependencies,
): Promise<DialedConnection> {
  const wait = target.signal === undefined ? {} : { signal: target.signal };
  const wanted = { host: target.host, port: target.port, isTls: target.tls !== undefined };
  const routes = await settings.chooseRoutes(wanted, wait);
  let failure: unknown;
  for (const route of routes) {
    try {
      return await withTimeout(
        clock,
        'dial',
        settings.limits.routeMs,
        (signal) => connectBy(route, target, settings, signal),
        wait,
      );
    } catch (error) {
      if (target.signal?.aborted) throw target.signal.reason;
      failure = error instanceof TimeoutError ? timedOut(route, target) : error;
      if (routes.length > 1 && failure instanceof Condition) {
        logger.debug('a route did not lead there', { route: routeName(route), code: failure.code });
      }
    }
  }
  throw failure;
}

async function connectBy(
  route: Route,
  target: DialTarget,
  settings: Settings,
  signal: AbortSignal,
): Promise<DialedConnection> {
  const raw =
    route.kind === 'direct'
      ? await connectDirect(target, settings, signal)
      : await connectTunnel(route.proxy, target, settings, signal);
  const proxy = route.kind === 'direct' ? {} : { proxy: hostAndPort(route.proxy.host, route.proxy.port) };
  if (target.tls === undefined) return { socket: raw, facts: { tls: 'plaintext', http: 'http/1.1', ...proxy } };
  const secure = await startTls(raw, { ...target.tls, context: settings.trust() }, signal);
  if (signal.aborted) {
    // The time was up in the same moment: whoever waited is gone.
    secure.destroy();
    throw signal.reason;
  }
  return { socket: secure, facts: { ...tlsFacts(secure), ...proxy } };
}

async function connectDirect(target: DialTarget, { lookup }: Settings, signal: AbortSignal): Promise<Socket> {
  try {
    return await connectTcp(target.host, target.port, { signal, ...(lookup === undefined ? {} : { lookup }) });
  } catch (error) {
    if (!(error instanceof TcpFailure)) throw error;
    if (nameErrorCodes.has(error.code)) throw new NameNotFoundError(target.host, error.code);
    throw new ConnectFailedError(target.host, target.port, error.code);
  }
}

async function connectTunnel(
  proxy: ProxyServer,
  target: DialTarget,
  settings: Settings,
  signal: AbortSignal,
): Promise<Socket> {
  const name = hostAndPort(proxy.host, proxy.port);
  const opened: Socket[] = [];
  const end = () => {
    for (const socket of opened) socket.destroy();
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    const tunnel = await openTunnel({
      proxy,
      host: target.host,
      port: target.port,
      scheme: settings.schemes.get(name) ?? null,
      allowsNtlmVersion1: settings.allowsNtlmVersion1,
      async connect() {
        const socket = await connectProxy(proxy, name, settings, signal);
        socket.on('error', () => {}); // told by the reader; between its reads nobody listens
        opened.push(socket);
        return socket;
      },
    });
    if (tunnel.scheme !== null) remember(settings.schemes, name, tunnel.scheme);
    return tunnel.socket;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

async function connectProxy(
  proxy: ProxyServer,
  name: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<Socket> {
  let socket: Socket;
  try {
    socket = await connectTcp(proxy.host, proxy.port, { signal });
  } catch (error) {
    throw error instanceof TcpFailure ? new ProxyUnreachableError(name, error.code) : error;
  }
  if (proxy.scheme === 'http') return socket;
  return await startTls(socket, { servername: proxy.host, alpn: ['http/1.1'], context: settings.trust() }, signal);
}

function tlsFacts(secure: TLSSocket): ConnectionFacts {
  const { raw } = secure.getPeerCertificate();
  const tls = secure.getProtocol();
  return {
    ...(tls === null ? {} : { tls }),
    ...(raw === undefined ? {} : { certificateSha256: fingerprintOf(secure) }),
    http: secure.alpnProtocol === 'h2' ? 'h2' : 'http/1.1',
  };
}

function fingerprintOf(secure: TLSSocket): string {
  return secure.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
}

function remember(schemes: Map<string, AuthScheme>, proxy: string, scheme: AuthScheme): void {
  schemes.delete(proxy);
  schemes.set(proxy, scheme);
  for (const oldest of schemes.keys()) {
    if (schemes.size <= schemesMax) return;
    schemes.delete(oldest);
  }
}

function timedOut(route: Route, target: DialTarget): Condition {
  return route.kind === 'direct'
    ? new ConnectFailedError(target.host, target.port, 'timeout')
    : new ProxyUnreachableError(routeName(route), 'timeout');
}

function routeName(route: Route): string {
  return route.kind === 'direct' ? 'direct' : hostAndPort(route.proxy.host, route.proxy.port);
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
