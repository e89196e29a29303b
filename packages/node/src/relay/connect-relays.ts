import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, type Condition, errorCode, errorMessage, startTicker } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import { Enrolment } from '@pulsemesh/identity/authority';
import { createFileMemory, type Link, type LinkStatus, startLink, type TransportName } from '@pulsemesh/link';
import { parsePeerId } from '@pulsemesh/wire';
import { type RelaySessionView, relayTransports } from '../api/types.ts';
import { ConfigError } from '../config/config-error.ts';
import type { NodeConfig } from '../config/node-config.ts';
import type { RelayClientSettings } from '../config/relay-settings.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { version } from '../version.ts';
import { agentFileNames, networkMemoryFile, writeCertificates } from './agent.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { RelayAccess } from './relay-access.ts';
import { LinkRelayConnection } from './relay-connection.ts';
import { type RelaySessions, UnknownRelayError } from './relay-sessions.ts';

relayTransports satisfies readonly TransportName[];

const credentialBytesMax = 256 * 1024;
const measurePeriodMs = 5_000;

interface RelayLink {
  readonly settings: RelayClientSettings;
  readonly link: Link;
}

/**
 * Starts the sessions with the relays of the configuration. Does not wait for them: a node starts also where no relay answers.
 * @throws {ConfigError} for a file that cannot be used; what `startLink` throws for settings that cannot.
 */
export async function connectRelays(
  config: Pick<NodeConfig, 'relays' | 'dataDirectory'>,
  identity: Identity,
  deps: NodeDependencies,
): Promise<RelaySessions> {
  await using stack = new AsyncDisposableStack();
  const links: RelayLink[] = [];
  const enrolment = await Enrolment.open(join(config.dataDirectory, agentFileNames.enrolment), identity, deps);
  const memory = createFileMemory(join(config.dataDirectory, networkMemoryFile), deps);
  for (const [index, settings] of config.relays.entries()) {
    const options = { ...linkOptions(index, settings, deps), identity, memory };
    // `pulsemesh enrol` on this data directory made the node a member of that relay.
    const isEnrolled = enrolment?.relayPeer === settings.peerId && settings.certificateFile === undefined;
    const keeper = enrolment === null || !isEnrolled ? null : stack.use(keeperOf(enrolment, config, deps));
    const link = startLink(keeper === null ? options : { ...options, certificates: keeper.certificates }, deps);
    links.push({ settings, link: stack.use(link) });
    keeper?.renewOver(link);
  }
  measure(links, deps, stack);
  const streams = new RelayAccess(
    links.map(({ settings, link }) => new LinkRelayConnection(parsePeerId(settings.peerId), link)),
  );
  const [first] = links;
  assert(first !== undefined, 'called where there are relays');
  const { url, peerId } = first.settings;
  const rest = stack.move();
  return {
    streams,
    first: { relay: { url, peerId: parsePeerId(peerId) }, link: first.link },
    status: () => links.map(({ settings, link }) => sessionView(settings, link.status)),
    async move(relay, transport) {
      const found = links.find(({ settings }) => settings.peerId === relay);
      if (found === undefined) throw new UnknownRelayError();
      await found.link.use(transport);
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function keeperOf(
  enrolment: Enrolment,
  { dataDirectory }: Pick<NodeConfig, 'dataDirectory'>,
  deps: NodeDependencies,
): CertificateKeeper {
  const onRenewed = () => writeCertificates(enrolment, dataDirectory);
  const onEnded = ({ code }: Condition) =>
    deps.logger.error('no more certificates for the relay: enrol anew', { code });
  return new CertificateKeeper(enrolment, { onRenewed, onEnded }, deps);
}

/** How the link to the relay number `index` of a configuration is started, but for the identity. @throws {ConfigError}. */
export function linkOptions(index: number, settings: RelayClientSettings, deps: NodeDependencies) {
  const { url, peerId, proxy, proxyCredentialsFile, caFile, invitationFile, certificateFile } = settings;
  const name = (setting: string) => `relays.${index}.${setting}`;
  return {
    url,
    server: parsePeerId(peerId),
    software: `pulsemesh/${version} node/${process.versions.node}`,
    ...(proxy === undefined ? {} : { proxy: { kind: 'fixed', url: proxy } as const }),
    ...(proxyCredentialsFile === undefined ? {} : { proxyCredentialsFile }),
    ...(caFile === undefined ? {} : { trust: { caFiles: [caFile] } }),
    ...(invitationFile === undefined ? {} : { invitation: readInvitation(name('invitationFile'), invitationFile) }),
    ...(certificateFile === undefined
      ? {}
      : { certificates: certificatesOf(name('certificateFile'), certificateFile, deps) }),
  };
}

/** A session as an operator sees it. */
export function sessionView({ url, peerId }: RelayClientSettings, status: LinkStatus): RelaySessionView {
  const active = status.session?.carriers.find((carrier) => carrier.isActive);
  const isUp = status.state === 'up' && status.session?.state === 'up';
  const isOver = status.state === 'refused' || status.state === 'closed';
  return {
    relay: peerId,
    url,
    state: isOver ? 'closed' : isUp ? 'up' : 'connecting',
    transport: status.transport,
    rttMs: status.rttMs,
    migrations: status.session?.migrations ?? 0,
    isIntercepted: status.isIntercepted,
    tls: active?.connection.tls ?? null,
    proxy: active?.connection.proxy ?? null,
  };
}

/** The invitation is kept as one line of base64url, as it is handed out. */
function readInvitation(setting: string, file: string): Uint8Array {
  return Buffer.from(readCredential(setting, file).trim(), 'base64url');
}

/** Read again at each login: whoever keeps the file renews it. What cannot be read then leaves those read before. */
function certificatesOf(setting: string, file: string, { logger }: NodeDependencies): () => readonly Uint8Array[] {
  let latest = readCertificates(setting, file);
  return () => {
    try {
      latest = readCertificates(setting, file);
    } catch (error) {
      logger.warn('the certificates for a relay cannot be read any more', { code: errorCode(error) });
    }
    return latest;
  };
}

function readCertificates(setting: string, file: string): Uint8Array[] {
  const pems = readCredential(setting, file).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (pems === null) throw new ConfigError(setting, 'the file holds no certificate (PEM)');
  try {
    return pems.map((pem) => new X509Certificate(pem).raw);
  } catch (error) {
    throw new ConfigError(setting, 'the file holds a certificate that cannot be read', error);
  }
}

function readCredential(setting: string, file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > credentialBytesMax) throw new ConfigError(setting, `longer than ${credentialBytesMax} bytes`);
    return text;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(setting, `cannot be read (${errorMessage(error)})`, error);
  }
}

/** Tells the metrics what the sessions run on; relays are named by their host. */
function measure(links: readonly RelayLink[], deps: NodeDependencies, stack: AsyncDisposableStack): void {
  const { meter, clock } = deps;
  const up = meter.gauge('relay_session_up', 'Whether the session with a relay is up', ['relay']);
  const rtt = meter.gauge('relay_session_rtt_ms', 'Round trip to a relay, milliseconds', ['relay']);
  const moves = meter.gauge('relay_session_moves', 'Times the present session changed its connection', ['relay']);
  const on = meter.gauge('relay_session_transport', '1 for the transport a session runs on', ['relay', 'transport']);
  const opened = meter.gauge('relay_session_intercepted', 'Whether somebody opens the TLS to a relay', ['relay']);
  const look = () => {
    for (const { settings, link } of links) {
      const relay = new URL(settings.url).host;
      const view = sessionView(settings, link.status);
      up.set(view.state === 'up' ? 1 : 0, { relay });
      rtt.set(view.rttMs ?? 0, { relay });
      moves.set(view.migrations, { relay });
      opened.set(view.isIntercepted === true ? 1 : 0, { relay });
      for (const transport of relayTransports) on.set(view.transport === transport ? 1 : 0, { relay, transport });
    }
  };
  look();
  const ticker = startTicker(clock, measurePeriodMs, look, () => {});
  stack.defer(() => ticker.stop());
}
