import { errorMessage } from '@pulsemesh/base';
import { createSigner, generateSeed } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { type TransportName, transportNames } from '../carrier.ts';
import { dialTargetOf } from '../client/carriers/dial.ts';
import { connectLink } from '../client/connect-link.ts';
import { createNodeConnectors } from '../client/connectors-node.ts';
import { parseLinkUrl } from '../client/start-link.ts';
import type { Dialer } from '../dialer.ts';
import { createDialer, type DialerOptions, type ProxySetting, type TrustOptions } from '../proxy/index.ts';
import { createRouteChooser, type Route } from '../proxy/routes.ts';
import { createClientSession } from '../session/index.ts';
import type { LinkIdentity } from '../session.ts';
import type { SessionDependencies } from '../session-ends.ts';
import { type ConnectionFindings, examineConnection } from './connection-layers.ts';
import { examineHttp, type HttpFindings } from './http-layers.ts';
import { type DoctorReport, type LayerFinding, layerNames, notTried, type TransportFinding } from './report.ts';
import { examineTransport } from './transport-findings.ts';

export interface DoctorOptions {
  /** The server's URL, as an agent would be given it. */
  readonly url: string;
  /** Default: what the environment says. */
  readonly proxy?: ProxySetting;
  readonly proxyCredentialsFile?: string;
  readonly trust?: TrustOptions;
  /** The server's peer id, where it is known; absent: whoever answers. */
  readonly server?: PeerId;
  /** The longest wait that is tried, milliseconds, 50 … 120000. Default 10 s. */
  readonly idleMsMax?: number;
  /** How long a transport may take until data made a round trip, milliseconds. Default 5 s. */
  readonly attemptMs?: number;
  /** Name and version of the program that asks. */
  readonly software?: string;
}

/**
 * Finds out what stands between this machine and a server: each layer in turn, then each transport alone, then what an agent would
 * choose. It logs in as a guest with a key of its own that is forgotten afterwards. Nothing stays open.
 * @throws {LinkOptionError} on a URL that is none; {@link ProxyConfigError}.
 */
export async function runDoctor(options: DoctorOptions, dependencies: SessionDependencies): Promise<DoctorReport> {
  const url = parseLinkUrl(options.url);
  const dialer = createDialer(dialerOptions(options), dependencies);
  const route = await firstRoute(url, options, dependencies);
  const connection = await examineConnection(url, route, { dialer, clock: dependencies.clock });
  if (!connection.isUsable) return reportOf(url, connection, null, [], null);
  const idleMsMax = Math.min(120_000, Math.max(50, options.idleMsMax ?? 10_000));
  const http = await examineHttp(url, { idleMsMax }, { dialer, clock: dependencies.clock });
  const identity = guestIdentity(dependencies);
  const transports = await examineTransports(url, options, identity, dialer, dependencies);
  const race = await runRace(options, identity, dialer, dependencies);
  return reportOf(url, connection, http, transports, race);
}

async function firstRoute(url: URL, options: DoctorOptions, dependencies: SessionDependencies): Promise<Route> {
  const proxy = options.proxy ?? { kind: 'environment', variables: process.env };
  const file = options.proxyCredentialsFile;
  const choose = createRouteChooser({ proxy, ...(file === undefined ? {} : { credentialsFile: file }) }, dependencies);
  const { host, port, tls } = dialTargetOf(url, []);
  const [route] = await choose({ host, port, isTls: tls !== undefined });
  return route ?? { kind: 'direct' };
}

function dialerOptions(options: DoctorOptions): DialerOptions {
  return {
    ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    ...(options.proxyCredentialsFile === undefined ? {} : { proxyCredentialsFile: options.proxyCredentialsFile }),
    ...(options.trust === undefined ? {} : { trust: options.trust }),
  };
}

function guestIdentity({ random }: SessionDependencies): LinkIdentity {
  const signer = createSigner(generateSeed(random));
  return { ...signer, peerId: peerIdOfEd25519(signer.publicKey) };
}

async function examineTransports(
  url: URL,
  options: DoctorOptions,
  identity: LinkIdentity,
  dialer: Dialer,
  dependencies: SessionDependencies,
): Promise<TransportFinding[]> {
  const connectors = createNodeConnectors({ ...dependencies, dialer });
  const createSession = () =>
    createClientSession(
      {
        identity,
        software: softwareOf(options),
        ...(options.server === undefined ? {} : { server: options.server }),
      },
      dependencies,
    );
  const { attemptMs = 5_000 } = options;
  const findings: TransportFinding[] = [];
  // One after the other: beside each other they would slow each other down, and the figures would be of that.
  for (const name of transportNames) {
    if (name !== 'drop')
      findings.push(await examineTransport(name, { url, connectors, createSession, attemptMs }, dependencies));
  }
  return findings;
}

interface Race {
  readonly chosen: TransportName;
  readonly firstEchoMs: number;
  readonly isIntercepted: boolean | null;
}

async function runRace(
  options: DoctorOptions,
  identity: LinkIdentity,
  dialer: Dialer,
  dependencies: SessionDependencies,
): Promise<Race | null> {
  const startMs = dependencies.clock.monotonicMs();
  try {
    const server = options.server === undefined ? {} : { server: options.server };
    const wanted = { url: options.url, identity, software: softwareOf(options), ...server };
    await using link = await connectLink(wanted, { ...dependencies, dialer });
    const firstEchoMs = Math.round((dependencies.clock.monotonicMs() - startMs) * 10) / 10;
    const { transport, isIntercepted } = link.status;
    return transport === null ? null : { chosen: transport, firstEchoMs, isIntercepted };
  } catch (error) {
    // The transports' findings say what there is to say; a refused guest is no matter of the network.
    dependencies.logger.debug('the race came to nothing', { reason: errorMessage(error) });
    return null;
  }
}

function softwareOf(options: DoctorOptions): string {
  return options.software ?? 'pulsemesh doctor';
}

function reportOf(
  url: URL,
  connection: ConnectionFindings,
  http: HttpFindings | null,
  transports: readonly TransportFinding[],
  race: Race | null,
): DoctorReport {
  const found = [...connection.layers, ...(http?.layers ?? [])];
  const skipped = (name: LayerFinding['name']): LayerFinding => ({
    name,
    state: 'skipped',
    finding: notTried,
    advice: null,
  });
  const best = transports.find((one) => one.ok) ?? null;
  const isOther = isAnother(connection.certificateSha256, http?.serverCertificateSha256 ?? null);
  return {
    url: url.href,
    proxy: connection.proxy,
    issuer: connection.issuer,
    isIntercepted: race?.isIntercepted ?? isOther,
    transports,
    chosen: race?.chosen ?? best?.name ?? null,
    firstEchoMs: race?.firstEchoMs ?? best?.firstEchoMs ?? null,
    layers: layerNames.map((name) => found.find((layer) => layer.name === name) ?? skipped(name)),
  };
}

function isAnother(shown: string | null, served: string | null): boolean | null {
  return shown === null || served === null ? null : shown !== served;
}
