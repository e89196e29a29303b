import type { Condition, Logger, Meter, Random } from '@pulsemesh/base';
import type { Clock } from '@pulsemesh/base/clock';
import {
  createSessionServer,
  type LinkIdentity,
  type SessionLimits,
  type SessionServer,
  type SessionServerOptions,
} from '@pulsemesh/link';
import { type HttpHandlers, type LinkServer, type LinkServerOptions, startLinkServer } from '@pulsemesh/link/server';
import type { MailboxEngine } from '../engine.ts';
import type { RelayLimits } from './limits.ts';
import { type Relay, startRelay } from './relay.ts';

export interface RelayServerOptions {
  readonly identity: LinkIdentity;
  /** Disposed with the server. */
  readonly engine: MailboxEngine;
  /** Where to listen, with which certificate, and what else to serve on that port. */
  readonly listen: LinkServerOptions;
  /** Who may come: by certificate, by invitation. Default: everybody. */
  readonly admit?: SessionServerOptions['admit'];
  readonly limits?: Partial<RelayLimits>;
  readonly sessionLimits?: Partial<SessionLimits>;
}

export interface RelayServerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Prometheus text, given at `/metrics` to who asks from this machine. Default: not served. */
  readonly metricsText?: () => Promise<string>;
}

/** A relay on a port. Disposing cuts everything; `drain` first is kinder. */
export interface RelayServer extends AsyncDisposable {
  readonly url: string;
  readonly relay: Relay;
  readonly link: LinkServer;
  /** For other methods on the same sessions: enrolment, say. */
  readonly sessions: SessionServer;
  /** Takes nobody new, says goodbye to all within the time, finishes what is being stored. */
  drain(withinMs: number): Promise<void>;
  /** Resolves when the engine failed: the process should stop. Null once disposed. */
  readonly failed: Promise<Condition | null>;
}

/**
 * Starts the messaging server on one port: the link's transports, `/health`, `/metrics`, and what `listen.http` adds.
 * @throws as `startLinkServer` does; the engine is disposed then.
 */
export async function startRelayServer(
  options: RelayServerOptions,
  dependencies: RelayServerDependencies,
): Promise<RelayServer> {
  const { identity, engine, admit, limits, sessionLimits } = options;
  await using stack = new AsyncDisposableStack();
  stack.use(engine);
  let link: LinkServer | null = null;
  const sessions = createSessionServer(
    {
      identity,
      certificateSha256: () => link?.certificateSha256() ?? null,
      ...(admit === undefined ? {} : { admit }),
      ...(sessionLimits === undefined ? {} : { limits: sessionLimits }),
    },
    dependencies,
  );
  stack.use(sessions);
  const relay = startRelay({ engine, sessions, ...(limits === undefined ? {} : { limits }) }, dependencies);
  stack.use(relay);
  const http = { ...healthHandlers(relay, dependencies.metricsText), ...options.listen.http };
  const onCarrier = sessions.accept.bind(sessions);
  const listening = await startLinkServer({ ...options.listen, http }, { ...dependencies, onCarrier });
  link = listening;
  stack.use(listening);
  const running = stack.move();
  return {
    url: listening.url,
    relay,
    link: listening,
    sessions,
    failed: relay.failed,
    async drain(withinMs) {
      // Goodbyes go out on carriers that still stand.
      await relay.drain(withinMs);
      await listening.drain(0);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);
/** With one of these it was a proxy on this machine that asked, for somebody else. */
const forwardedHeaders = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'];

function healthHandlers(relay: Relay, metricsText: (() => Promise<string>) | undefined): HttpHandlers {
  return {
    // Numbers of the whole relay only: whoever reaches the port may ask.
    async '/health'() {
      const { state, engine } = await relay.health();
      return Response.json({ state, engine }, { status: state === 'serving' ? 200 : 503 });
    },
    async '/metrics'({ headers }, { remoteAddress }) {
      const isOwn = loopback.has(remoteAddress) && !forwardedHeaders.some((name) => headers.has(name));
      if (metricsText === undefined || !isOwn) return new Response(null, { status: 404 });
      return new Response(await metricsText(), { headers: { 'content-type': 'text/plain; version=0.0.4' } });
    },
  };
}
