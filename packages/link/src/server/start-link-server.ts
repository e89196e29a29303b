import type { AddressInfo } from 'node:net';
import { type Clock, type Logger, type Meter, type Random, sleep, startTicker } from '@pulsemesh/base';
import type { Carrier } from '../carrier.ts';
import { CarrierRegister } from './carrier-register.ts';
import { createAddressJudge } from './client-address.ts';
import { Connections } from './connections.ts';
import type { ServerContext } from './context.ts';
import { type DropLimits, startDropServer } from './drop-server.ts';
import type { Exchange } from './exchange.ts';
import { HttpEndpoints, type HttpHandlers } from './http-handlers.ts';
import { Http1Server } from './http1.ts';
import { Http2Server } from './http2.ts';
import { type LinkServerLimits, linkServerLimits } from './limits.ts';
import { LinkEndpoints } from './link-endpoints.ts';
import { createOriginJudge } from './origins.ts';
import { carrierOver } from './refusal.ts';
import { createServerEvents, type LinkServerCounts } from './server-events.ts';
import { type TlsMaterial, TlsSource, type TlsVersion } from './tls-material.ts';

export interface LinkServerOptions {
  /** Address to listen on: `127.0.0.1`, `::`. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /**
   * Certificate and key; a function is asked again for new ones every `certificateCheckMs` and at `renewCertificate`. Null: plaintext, for
   * a machine's own loopback or behind something that does TLS.
   */
  readonly tls: TlsMaterial | (() => TlsMaterial) | null;
  /** Default `TLSv1.2`, of which only suites with authenticated encryption and ephemeral keys. */
  readonly tlsMin?: TlsVersion;
  /** What else is served on this port. */
  readonly http?: HttpHandlers;
  readonly limits?: Partial<LinkServerLimits>;
  /** Origins of pages that may use the link, `https://host[:port]` each. Default: none but the server's own. */
  readonly origins?: readonly string[];
  /** Addresses and networks whose X-Forwarded-For is believed. Default none. */
  readonly trustedProxies?: readonly string[];
  /** A folder that carries packets in files (air-gapped sites). Default: none. */
  readonly drop?: string;
  readonly dropLimits?: Partial<DropLimits>;
}

export interface LinkServerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Takes each new carrier and starts it: `accept` of a session server. */
  readonly onCarrier: (carrier: Carrier) => void;
}

/** A running link server. Disposing it cuts everything at once; `drain` first is kinder. */
export interface LinkServer extends AsyncDisposable {
  /** `https://host:port`, or `http:` in plaintext. */
  readonly url: string;
  readonly port: number;
  /** SHA-256 of the DER of the certificate new connections are shown; null in plaintext. For the session's welcome. */
  certificateSha256(): Uint8Array | null;
  /** Asks for the certificate now; true where there is a new one. Connections that are open keep the old one. */
  renewCertificate(): boolean;
  readonly stats: LinkServerCounts;
  /** Takes nothing new, answers polls at once and closes carriers in slices over `withinMs`, so that not all come back at once. */
  drain(withinMs: number): Promise<void>;
}

/** Steps a drain is cut into at most. */
const drainSlicesMax = 100;

/**
 * Starts the one server of a link on one port: gRPC, WebSocket, streams, polls and all other HTTP, over TLS or in plaintext.
 * @throws {TlsMaterialError}; {TrustedProxyError}; what the operating system says of host and port.
 */
export async function startLinkServer(options: LinkServerOptions, deps: LinkServerDependencies): Promise<LinkServer> {
  const { clock } = deps;
  const limits = { ...linkServerLimits, ...options.limits };
  const events = createServerEvents(deps);
  const tls = options.tls === null ? null : new TlsSource(options.tls, options.tlsMin ?? 'TLSv1.2', { events });
  const context: ServerContext = {
    limits,
    clock,
    random: deps.random,
    events,
    carriers: new CarrierRegister(limits, { events, onCarrier: deps.onCarrier }),
    addresses: createAddressJudge(options.trustedProxies ?? []),
    judgeOrigin: createOriginJudge(options.origins ?? []),
  };
  const link = new LinkEndpoints(context);
  const http = new HttpEndpoints(options.http ?? {}, context);
  const serve = (exchange: Exchange) => (link.owns(exchange.path) ? link.serve(exchange) : http.serve(exchange));
  await using started = new AsyncDisposableStack();
  const http1 = started.adopt(new Http1Server(context, link, serve), (server) => server.close());
  const http2 = started.adopt(new Http2Server(context, link, serve), (server) => server.close());
  const connections = new Connections(context, tls, {
    h2: (socket, facts) => http2.take(socket, facts),
    http1: (socket, facts) => http1.take(socket, facts),
  });
  await connections.listen(options.host, options.port);
  started.defer(() => connections.close());
  if (options.drop !== undefined) {
    const drop = { folder: options.drop, ...(options.dropLimits === undefined ? {} : { limits: options.dropLimits }) };
    started.use(await startDropServer(drop, { context, logger: deps.logger }));
  }
  const renew = () => {
    const isNew = tls?.refresh() === true;
    if (tls !== null && isNew) connections.useCertificate(tls);
    return isNew;
  };
  if (typeof options.tls === 'function') {
    const ticker = startTicker(
      clock,
      limits.certificateCheckMs,
      () => void renew(),
      () => {},
    );
    started.defer(() => ticker.stop());
  }
  const { port } = connections.server.address() as AddressInfo; // listening on a TCP port
  const running = started.move();
  return {
    url: urlOf(options.host, port, tls !== null),
    port,
    certificateSha256: () => tls?.certificateSha256 ?? null,
    renewCertificate: renew,
    stats: events.stats,
    async drain(withinMs) {
      connections.stopListening();
      context.carriers.isDraining = true;
      link.releasePolls();
      await closeInSlices(context, withinMs);
      http2.goAway();
    },
    async [Symbol.asyncDispose]() {
      context.carriers.isDraining = true;
      for (const carrier of context.carriers.all()) carrier.close(carrierOver.draining());
      await running.disposeAsync();
    },
  };
}

async function closeInSlices(context: ServerContext, withinMs: number): Promise<void> {
  const carriers = context.random.shuffle(context.carriers.all());
  const slices = Math.max(1, Math.min(drainSlicesMax, carriers.length));
  const perSlice = Math.ceil(carriers.length / slices);
  for (let slice = 0; slice < slices; slice += 1) {
    for (const carrier of carriers.slice(slice * perSlice, (slice + 1) * perSlice))
      carrier.close(carrierOver.draining());
    if (slice < slices - 1) await sleep(context.clock, withinMs / slices);
  }
}

function urlOf(host: string, port: number, isTls: boolean): string {
  const isAny = host === '0.0.0.0' || host === '::' || host === '';
  const name = isAny ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${isTls ? 'https' : 'http'}://${name}:${port}`;
}
