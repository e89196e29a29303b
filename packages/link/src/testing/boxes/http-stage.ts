import { Agent, createServer, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Clock } from '@pulsemesh/base';
import type { TestAuthority } from './certificates.ts';
import type { BoxTarget, HttpContext, HttpRules } from './http-context.ts';
import { forwardRequest } from './http1-forward.ts';
import { forwardUpgrade } from './http1-upgrade.ts';
import { createHttp2Forwarder } from './http2-forward.ts';
import { listen, type Stage } from './stage.ts';

/**
 * A box that terminates TLS with a certificate of `authority` (where the server has TLS), applies the rules to HTTP, and speaks to
 * the server itself.
 */
export async function startHttpStage(
  target: BoxTarget,
  rules: HttpRules,
  authority: TestAuthority,
  names: readonly string[],
  dependencies: { readonly clock: Clock; readonly tap: (bytes: Uint8Array) => void },
): Promise<Stage> {
  const agent = target.tls === undefined ? new Agent({ keepAlive: true }) : new TlsAgent({ keepAlive: true });
  const context: HttpContext = { rules, target, ...dependencies, agent };
  const http1 = createHttp1(context);
  const http2 = createHttp2Forwarder(context);
  const front = target.tls === undefined ? createNetServer() : createTlsServer(tlsOptions(rules, authority, names));
  front.on('tlsClientError', () => {});
  front.on(target.tls === undefined ? 'connection' : 'secureConnection', (socket) => {
    socket.setNoDelay(true);
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') http2.take(socket);
    else http1.emit('connection', socket);
  });
  return listen(front as NetServer, () => {
    http2.close();
    agent.destroy();
  });
}

function tlsOptions(rules: HttpRules, authority: TestAuthority, names: readonly string[]): TlsOptions {
  const own = authority.issue({ names });
  return {
    cert: own.certificatePem + authority.certificatePem,
    key: own.keyPem,
    maxVersion: rules.tlsVersionMax ?? 'TLSv1.3',
    ALPNProtocols: rules.isHttp2 === true ? ['h2', 'http/1.1'] : ['http/1.1'],
  };
}

function createHttp1(context: HttpContext): NetServer {
  // Requests end when the rules say so, not by Node's own limits.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (request, response) =>
    forwardRequest(request, response, context),
  );
  server.on('clientError', (_error, socket) => socket.destroy());
  const upgrade = context.rules.upgrade ?? 'pass';
  // Without a listener an Upgrade is a request like any other; its headers go the way of all hop-by-hop headers.
  if (upgrade !== 'strip') {
    server.on('upgrade', (request: IncomingMessage, socket, head) => forwardUpgrade(request, socket, head, context));
  }
  return server;
}
