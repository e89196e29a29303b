import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Clock, Condition, errorCode, errorMessage, withTimeout } from '@pulsemesh/base';
import { dialTargetOf } from '../client/carriers/dial.ts';
import type { Dialer } from '../dialer.ts';
import { hostAndPort } from '../proxy/proxy-server.ts';
import type { Route } from '../proxy/routes.ts';
import { connectTcp } from '../proxy/tcp-connect.ts';
import { issuerOf } from '../proxy/tls-over.ts';
import type { LayerFinding, LayerName } from './report.ts';

/** What the connection itself told. */
export interface ConnectionFindings {
  readonly layers: readonly LayerFinding[];
  readonly proxy: string | null;
  readonly issuer: string | null;
  /** SHA-256 of the certificate that was shown, lower-case hex. */
  readonly certificateSha256: string | null;
  /** True when a request can be sent. */
  readonly isUsable: boolean;
}

export interface ConnectionDependencies {
  readonly dialer: Dialer;
  readonly clock: Clock;
}

/** One step may take so long, milliseconds. */
const stepMs = 10_000;

type Step = (findings: LayerFinding[]) => Promise<void>;

/** Looks at name, TCP, proxy, TLS and ALPN, each only when the one before it is fine. Never throws. */
export async function examineConnection(
  url: URL,
  route: Route,
  dependencies: ConnectionDependencies,
): Promise<ConnectionFindings> {
  const layers: LayerFinding[] = [];
  const seen = { issuer: null as string | null, certificateSha256: null as string | null };
  const proxy = route.kind === 'proxy' ? hostAndPort(route.proxy.host, route.proxy.port) : null;
  const steps: Step[] = [
    (found) => examineName(url, route, dependencies, found),
    (found) => examineTcp(url, route, dependencies, found),
    (found) => examineProxy(url, proxy, dependencies, found),
    (found) => examineTls(url, proxy, dependencies, found, seen),
  ];
  for (const step of steps) {
    await step(layers);
    if (layers.some((layer) => layer.state === 'blocked')) break;
  }
  return { layers, proxy, ...seen, isUsable: !layers.some((layer) => layer.state === 'blocked') };
}

async function examineName(
  url: URL,
  route: Route,
  { clock }: ConnectionDependencies,
  found: LayerFinding[],
): Promise<void> {
  const host = route.kind === 'proxy' ? route.proxy.host : dialTargetOf(url, []).host;
  const whose = route.kind === 'proxy' ? 'the proxy’s name' : 'the name';
  if (isIP(host) !== 0) return void found.push(ok('dns', `${host} is an address: no name to look up.`));
  try {
    const addresses = await withTimeout(clock, 'name', stepMs, () => lookup(host, { all: true }));
    found.push(
      ok(
        'dns',
        `${whose} ${host} resolves to ${addresses
          .map((one) => one.address)
          .slice(0, 4)
          .join(', ')}.`,
      ),
    );
  } catch (error) {
    found.push(
      blocked(
        'dns',
        `${whose} ${host} does not resolve here (${errorCode(error)}).`,
        route.kind === 'proxy'
          ? 'Check the name of the proxy, and which name servers this machine uses.'
          : `If names outside are only resolved by a proxy, name it with --proxy; else let this machine’s name server resolve ${host}.`,
      ),
    );
  }
}

async function examineTcp(
  url: URL,
  route: Route,
  { clock }: ConnectionDependencies,
  found: LayerFinding[],
): Promise<void> {
  const { host, port } = route.kind === 'proxy' ? route.proxy : dialTargetOf(url, []);
  const place = hostAndPort(host, port);
  try {
    const startMs = clock.monotonicMs();
    const socket = await withTimeout(clock, 'connection', stepMs, (signal) => connectTcp(host, port, { signal }));
    socket.destroy();
    found.push(ok('tcp', `${place} takes connections (${Math.round(clock.monotonicMs() - startMs)} ms).`));
  } catch (error) {
    const how = { ECONNREFUSED: 'refuses connections', ECONNRESET: 'resets connections' }[errorCode(error)];
    found.push(
      blocked(
        'tcp',
        `${place} ${how ?? `does not answer (${errorCode(error)})`}.`,
        route.kind === 'proxy'
          ? 'Check that the proxy runs there and that this machine may use it.'
          : `Allow outbound TCP to ${place} in the firewall, or name the proxy to use with --proxy.`,
      ),
    );
  }
}

async function examineProxy(
  url: URL,
  proxy: string | null,
  { dialer }: ConnectionDependencies,
  found: LayerFinding[],
): Promise<void> {
  if (proxy === null) {
    return void found.push({
      name: 'proxy',
      state: 'skipped',
      finding: 'No proxy is configured for this URL, neither by an option nor by the environment.',
      advice: null,
    });
  }
  const { host, port } = dialTargetOf(url, []);
  try {
    const { socket } = await dialer.connect({ host, port });
    socket.destroy();
    found.push(ok('proxy', `The proxy ${proxy} makes a tunnel to ${hostAndPort(host, port)}.`));
  } catch (error) {
    found.push(blocked('proxy', sentence(error), proxyAdvice(error, hostAndPort(host, port))));
  }
}

function proxyAdvice(error: unknown, target: string): string {
  switch (error instanceof Condition ? error.code : '') {
    case 'proxy-auth':
      return 'Give user and password in the proxy’s URL (http://user:password@host:port) or a credentials file; or let this machine pass without a password.';
    case 'proxy-refused':
      return `Allow CONNECT to ${target} in the proxy, for this machine or this user.`;
    case 'proxy-protocol':
      return 'Check that host and port are those of the HTTP proxy.';
    default:
      return 'Check the proxy’s settings.';
  }
}

async function examineTls(
  url: URL,
  proxy: string | null,
  { dialer }: ConnectionDependencies,
  found: LayerFinding[],
  seen: { issuer: string | null; certificateSha256: string | null },
): Promise<void> {
  if (url.protocol !== 'https:' && url.protocol !== 'wss:') {
    found.push({ ...ok('tls', 'The URL asks for plaintext: there is no TLS.'), state: 'skipped' });
    found.push({ ...ok('alpn', 'Without TLS no protocol is negotiated.'), state: 'skipped' });
    return;
  }
  try {
    const { socket, facts } = await dialer.connect(dialTargetOf(url, ['h2', 'http/1.1']));
    seen.issuer = 'getPeerCertificate' in socket ? issuerOf(socket) : null;
    seen.certificateSha256 = facts.certificateSha256 ?? null;
    socket.destroy();
    const shown = `the certificate is issued by "${seen.issuer}"`;
    found.push(
      facts.tls === 'TLSv1.2'
        ? limited('tls', `TLS 1.2 is all that is offered; ${shown}.`, 'Let whatever ends TLS here speak TLS 1.3.')
        : ok('tls', `${facts.tls ?? 'TLS'}; ${shown}.`),
    );
    found.push(
      facts.http === 'h2'
        ? ok('alpn', 'HTTP/2 is negotiated.')
        : limited('alpn', 'HTTP/2 is not offered: gRPC cannot be used.', http2Advice(proxy)),
    );
  } catch (error) {
    found.push(blocked('tls', sentence(error), tlsAdvice(error)));
  }
}

function http2Advice(proxy: string | null): string {
  const what = proxy === null ? 'the box that ends TLS on the way' : `the proxy ${proxy}`;
  return `Nothing has to be done; HTTP/2 would pass if ${what} left this host’s TLS alone, or spoke HTTP/2 itself.`;
}

function tlsAdvice(error: unknown): string {
  switch (error instanceof Condition ? error.code : '') {
    case 'certificate-untrusted':
      return 'If an inspecting proxy is meant to be there, give its CA certificate with --ca (or put it into this machine’s store); else exempt this host from inspection.';
    case 'certificate-expired':
    case 'certificate-not-yet-valid':
      return 'Compare this machine’s clock with another one; if it is right, the certificate has to be renewed.';
    case 'certificate-name':
      return 'Use the name the certificate is for, or have that name added to it.';
    default:
      return 'Something on the way does not let TLS to this host pass: allow it, or exempt this host from inspection.';
  }
}

function ok(name: LayerName, finding: string): LayerFinding {
  return { name, state: 'ok', finding: capital(finding), advice: null };
}

function limited(name: LayerName, finding: string, advice: string): LayerFinding {
  return { name, state: 'limited', finding: capital(finding), advice };
}

function blocked(name: LayerName, finding: string, advice: string): LayerFinding {
  return { name, state: 'blocked', finding: capital(finding), advice };
}

function sentence(error: unknown): string {
  const text = errorMessage(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
