import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Condition, errorMessage } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import { type Admission, createSessionServer, type LoginClaim } from '@pulsemesh/link';
import { type HttpHandlers, type LinkServer, startLinkServer, type TlsMaterial } from '@pulsemesh/link/server';
import { type MailboxEngine, type Relay, startRelay } from '@pulsemesh/relay';
import type { PeerId } from '@pulsemesh/wire';
import { ConfigError } from '../config/config-error.ts';
import type { RelayServiceSettings } from '../config/relay-settings.ts';
import { bearerOf, isToken, loadOrCreateToken } from '../gateway/bearer-token.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { openEngine } from './open-engine.ts';

export interface RelayServiceOptions extends RelayServiceSettings {
  /** Where mailboxes and the token for the metrics lie. */
  readonly dataDirectory: string;
  /** The only agents that are let in; undefined: everybody. */
  readonly allow?: readonly string[];
}

/** A relay that is up. Disposing it cuts everybody off at once; `drain` first is kinder. */
export interface RelayService extends AsyncDisposable {
  readonly peerId: PeerId;
  /** `https://host:port`, `http:` in plaintext. */
  readonly url: string;
  readonly port: number;
  /** Says goodbye to all within the time, and finishes what is being stored. */
  drain(withinMs: number): Promise<void>;
  /** Resolves when the engine failed, with why: the process must stop. Null once disposed. */
  readonly failed: Promise<Condition | null>;
}

/**
 * Starts a messaging server on one port: the link, `/healthz`, and `/metrics` for whoever shows the token that lies in the data
 * directory.
 * @throws {ConfigError} for files or an engine that cannot be used; {TlsMaterialError}; what the engine throws when it cannot be
 * opened; what the operating system says of host and port.
 */
export async function startRelayService(
  options: RelayServiceOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<RelayService> {
  await using stack = new AsyncDisposableStack();
  const engine: MailboxEngine = stack.use(await openEngine(options, deps));
  // In front of the sessions in the stack, behind them in time: their last words go out through it.
  const door = stack.adopt({ server: undefined as LinkServer | undefined }, async ({ server }) => {
    await server?.[Symbol.asyncDispose]();
  });
  const certificateSha256 = () => door.server?.certificateSha256() ?? null;
  const sessions = stack.use(
    createSessionServer({ identity, certificateSha256, admit: createAdmission(options.allow) }, deps),
  );
  const relay = stack.use(startRelay({ engine, sessions }, deps));
  const token = loadOrCreateToken(join(options.dataDirectory, 'metrics-token'), deps.random);
  const server = await startLinkServer(
    {
      host: options.host,
      port: options.port,
      tls: options.tls === undefined ? null : tlsSource(options.tls),
      http: httpHandlers(relay, () => deps.meter.text(), token),
    },
    { ...deps, onCarrier: (carrier) => sessions.accept(carrier) },
  );
  door.server = server;
  if (options.allow === undefined) deps.logger.warn('anybody who reaches this relay may use it', { url: server.url });
  const rest = stack.move();
  return {
    peerId: identity.peerId,
    url: server.url,
    port: server.port,
    async drain(withinMs) {
      await Promise.all([relay.drain(withinMs), server.drain(withinMs)]);
    },
    failed: relay.failed,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function createAdmission(allow: readonly string[] | undefined): (claim: LoginClaim) => Admission {
  if (allow === undefined) return () => ({ kind: 'admitted' });
  const allowed = new Set<string>(allow);
  return ({ peerId }) =>
    allowed.has(peerId)
      ? { kind: 'admitted' }
      : { kind: 'refused', code: 'not-admitted', text: 'this relay does not know you: ask its operator to let you in' };
}

// Asked again now and then, so that a renewed certificate needs no restart.
function tlsSource({ certFile, keyFile }: NonNullable<RelayServiceSettings['tls']>): () => TlsMaterial {
  const read = (setting: string, file: string) => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new ConfigError(setting, `cannot be read (${errorMessage(error)})`, error);
    }
  };
  return () => ({ cert: read('relay.tls.certFile', certFile), key: read('relay.tls.keyFile', keyFile) });
}

function httpHandlers(relay: Relay, metrics: () => Promise<string>, token: string): HttpHandlers {
  return {
    '/healthz': async () => {
      const { state, agentsOnline } = await relay.health();
      return Response.json({ status: state, agentsOnline }, { status: state === 'serving' ? 200 : 503 });
    },
    '/metrics': async (request) => {
      const given = bearerOf(request.headers.get('authorization') ?? undefined);
      if (!isToken(given, token)) return Response.json({ code: 'no-access' }, { status: 401 });
      return new Response(await metrics(), { headers: { 'content-type': 'text/plain; version=0.0.4' } });
    },
  };
}
