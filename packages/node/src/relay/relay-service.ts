import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import { readAuthoritySettings } from '@pulsemesh/identity/authority';
import type { Admission, LoginClaim } from '@pulsemesh/link';
import type { TlsMaterial } from '@pulsemesh/link/server';
import { type RelayServer, startRelayServer } from '@pulsemesh/relay';
import { ConfigError } from '../config/config-error.ts';
import type { RelayServiceSettings } from '../config/relay-settings.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { openEngine } from './open-engine.ts';
import { authorityFolderName, openRelayAuthority } from './relay-authority.ts';

export interface RelayServiceOptions extends RelayServiceSettings {
  /** Where mailboxes lie. */
  readonly dataDirectory: string;
  /**
   * The agents that are let in without more. Undefined: everybody (beyond this machine only with `open`), unless an identity authority lies in the data directory: then
   * who shows its certificate, or an invitation of this relay.
   */
  readonly allow?: readonly string[];
}

/**
 * Starts a messaging server on one port: the link, `/health`, `/metrics` for who asks from this machine, and the
 * identity authority where `pulsemesh authority init` made one in the data directory.
 * @throws {ConfigError} for files or an engine that cannot be used, and for a relay that everybody could reach and use without `open`; {TlsMaterialError}; what the engine throws when it cannot be
 * opened; what the operating system says of host and port.
 */
export async function startRelayService(
  options: RelayServiceOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<RelayServer> {
  const { host, port, tls, allow, dataDirectory } = options;
  const place = join(dataDirectory, authorityFolderName);
  const isForEverybody = allow === undefined && (await readAuthoritySettings(place)) === null;
  if (isForEverybody && options.open !== true && !isLoopback(host)) throw new ConfigError('relay.open', openText);
  await using stack = new AsyncDisposableStack();
  const authority = await openRelayAuthority(
    { dataDirectory, relay: identity.peerId, ...(allow === undefined ? {} : { allow }) },
    deps,
  );
  stack.use(authority);
  const listen = { host, port, tls: tls === undefined ? null : tlsSource(tls) };
  const server = await startRelayServer(
    {
      identity,
      engine: await openEngine(options, deps),
      listen: authority === null ? listen : { ...listen, http: authority.http },
      admit: authority?.admit ?? createAdmission(allow),
    },
    { ...deps, metricsText: () => deps.meter.text() },
  );
  stack.use(server);
  authority?.serveOn(server);
  if (isForEverybody) deps.logger.warn('anybody who reaches this relay may use it', { url: server.url });
  const rest = stack.move();
  return { ...server, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

const openText =
  'anybody who reaches this relay could use it: make an authority with `pulsemesh authority init`, name peers with --allow, or say --open';

/** Reached from this machine alone. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
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
