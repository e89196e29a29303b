import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { createDialer, createSessionServer, type Dialer, type ProxySetting, type TrustOptions } from '@pulsemesh/link';
import { startLinkServer } from '@pulsemesh/link/server';
import { type Box, type BoxKind, boxKinds, createTestAuthority, startBox } from '@pulsemesh/link/testing';
import { Server } from 'socket.io';

export const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

export const serverIdentity = identityOfSeed(new Uint8Array(32).fill(0xfe));

/** How a client gets to a server through its box. */
export interface Way {
  readonly url: string;
  readonly proxy: ProxySetting;
  readonly trust: TrustOptions;
  /** Goes this way; for HTTP clients that take an agent. */
  readonly dialer: Dialer;
}

/** Two servers that echo, each behind a box of the same kind: our link, and a plain HTTPS server with Socket.IO and `POST /echo`. */
export interface BoxWorld extends AsyncDisposable {
  readonly link: Way;
  readonly peer: Way;
}

/** Starts both servers and their boxes. The caller disposes the world. */
export async function startBoxWorld(kind: BoxKind): Promise<BoxWorld> {
  await using starting = new AsyncDisposableStack();
  const authority = createTestAuthority('Pulsemesh bench');
  const issued = authority.issue();
  const tls = { cert: issued.certificatePem, key: issued.keyPem };
  const linkPort = await startLink(tls, starting);
  const peerPort = await startPeer(tls, starting);
  const wayTo = async (port: number) => {
    const target = { host: '127.0.0.1', port, tls: { ca: authority.certificatePem } };
    const box = starting.use(await startBox({ rules: boxKinds[kind], target }, dependencies));
    return wayThrough(box, authority.certificatePem);
  };
  const [link, peer] = [await wayTo(linkPort), await wayTo(peerPort)];
  const running = starting.move();
  return { link, peer, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function wayThrough(box: Box, caPem: string): Way {
  const trust = { caPems: [caPem, box.authority?.certificatePem ?? caPem], isExclusive: true };
  const proxy: ProxySetting =
    box.proxyUrl === null
      ? { kind: 'none' }
      : { kind: 'fixed', url: box.proxyUrl.replace('//', '//agent:correct%20horse@') };
  const url = box.direct === null ? 'https://localhost' : `https://localhost:${box.direct.port}`;
  return { url, proxy, trust, dialer: createDialer({ proxy, trust }, dependencies) };
}

interface TlsPems {
  readonly cert: string;
  readonly key: string;
}

async function startLink(tls: TlsPems, owner: AsyncDisposableStack): Promise<number> {
  const sessions = createSessionServer(
    { identity: serverIdentity, certificateSha256: () => server.certificateSha256() },
    dependencies,
  );
  sessions.onSession((session) => {
    session.serve('echo', (stream) => {
      stream.consume(
        (message) => (message === null ? stream.end() : stream.write(message)),
        () => undefined,
      );
    });
  });
  const server = await startLinkServer(
    { host: '127.0.0.1', port: 0, tls },
    { ...dependencies, onCarrier: (carrier) => sessions.accept(carrier) },
  );
  owner.use(server);
  owner.use(sessions);
  return server.port;
}

async function startPeer(tls: TlsPems, owner: AsyncDisposableStack): Promise<number> {
  const https = createServer({ ...tls }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => response.end(Buffer.concat(pieces)));
  });
  const server = new Server(https, { serveClient: false });
  server.on('connection', (socket) => socket.on('m', (payload: Buffer) => socket.emit('m', payload)));
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  owner.defer(async () => {
    await server.close();
    https.closeAllConnections();
  });
  return (https.address() as AddressInfo).port; // listening on a TCP port
}
