import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import { multiaddr } from '@multiformats/multiaddr';
import { createSeededRandom } from '@pulsemesh/base';
import { expect, it } from 'vitest';
import { createHostCertificate } from './host-certificate.ts';
import { createQuietLogger } from './quiet-logger.ts';
import { TcpConnection } from './tcp-connection.ts';
import { newIdentity } from './test-hosts.ts';

const validity = { notBeforeMs: Date.UTC(2020, 0), notAfterMs: Date.UTC(2049, 0) };
const { cert, key } = await createHostCertificate(await newIdentity(), validity, { random: createSeededRandom(1) });
const secureContext = createSecureContext({ cert, key });
const asServer = (socket: Socket) => new TLSSocket(socket, { isServer: true, secureContext });

async function connectPair() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  const connection = new TcpConnection({
    socket: far,
    remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
    direction: 'inbound',
    log: createQuietLogger().forComponent(''),
    idleMs: 60_000,
  });
  near.on('error', () => {});
  return { near, far, connection };
}

it('passes bytes before it is secured, and puts back what nobody took', async () => {
  const { near, connection } = await connectPair();
  const heard = new Promise<string>((resolve) => {
    connection.addEventListener('message', (event) => resolve(Buffer.from(event.data.subarray()).toString()), {
      once: true,
    });
  });
  near.write('plain');
  expect(await heard).toBe('plain');
  const client = tlsConnect({ socket: near, rejectUnauthorized: false });
  // The first of the handshake is read by the connection, as no one told it to stop.
  await expect.poll(() => connection.readBufferLength).toBeGreaterThan(100);
  const secured = connection.secureWith(asServer);
  expect(secured).toBeDefined();
  await once(client, 'secureConnect');
  client.write('secret');
  expect(String((await once(secured as TLSSocket, 'data'))[0])).toBe('secret');
  await connection.close();
  expect(connection.status).toBe('closed');
  client.destroy();
});

it('is secured once, and not after its end', async () => {
  const { near, connection } = await connectPair();
  expect(connection.secureWith(asServer)).toBeDefined();
  expect(connection.secureWith(asServer)).toBeUndefined();
  connection.abort(new Error('over'));
  near.destroy();
  const other = await connectPair();
  other.connection.abort(new Error('over'));
  expect(other.connection.secureWith(asServer)).toBeUndefined();
  other.near.destroy();
});

it.each([
  ['the socket, then its TLS', (socket: Socket, secured: TLSSocket) => [socket, secured]],
  ['the TLS, then its socket', (socket: Socket, secured: TLSSocket) => [secured, socket]],
])('lives through the destruction of %s', async (_order, inOrder) => {
  const { near, far, connection } = await connectPair();
  const client = tlsConnect({ socket: near, rejectUnauthorized: false });
  client.on('error', () => {});
  const secured = connection.secureWith(asServer);
  if (secured === undefined) throw new Error('not secured');
  secured.on('error', () => {});
  await once(secured, 'secure');
  const closed = once(far, 'close');
  for (const socket of inOrder(far, secured)) socket.destroy(new Error('broken'));
  await closed;
  expect(connection.status).not.toBe('open');
  client.destroy();
});
