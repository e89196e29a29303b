import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import type { Carrier, CarrierHandler } from '../carrier.ts';
import type { Dialer } from '../dialer.ts';
import { createTestAuthority } from '../testing/index.ts';
import { type LinkServer, type LinkServerDependencies, type LinkServerOptions, startLinkServer } from './index.ts';

/** One authority for all tests of a file: making keys takes longer than most tests. */
export const testAuthority = createTestAuthority('Link server tests');

/** Certificate and key in the form the server takes. */
export function issueTlsMaterial(): { cert: string; key: string } {
  const { certificatePem, keyPem } = testAuthority.issue();
  return { cert: certificatePem, key: keyPem };
}

/** A server on a free loopback port. By default every carrier echoes. */
export function startTestServer(
  options: Partial<LinkServerOptions> = {},
  deps: Partial<LinkServerDependencies> = {},
): Promise<LinkServer> {
  return startLinkServer(
    { host: '127.0.0.1', port: 0, tls: null, ...options },
    {
      clock: createSystemClock(),
      random: createSystemRandom(),
      logger: silentLogger,
      meter: silentMeter,
      onCarrier: startEcho,
      ...deps,
    },
  );
}

/** Starts a carrier that says what it hears. */
export function startEcho(carrier: Carrier): void {
  carrier.start({ ...silentHandler, onPacket: (packet) => carrier.send(packet) });
}

/** A handler that does nothing. */
export const silentHandler: CarrierHandler = { onPacket() {}, onWritable() {}, onClosed() {} };

/** Connects directly, and can cut what it connected. */
export function createTestDialer(): Dialer & { cutAll(): void } {
  const sockets = new Set<Socket>();
  return {
    connect({ host, port, tls }) {
      return new Promise((resolve, reject) => {
        const socket =
          tls === undefined
            ? connectTcp({ host, port, noDelay: true })
            : connectTls({
                host,
                port,
                ca: testAuthority.certificatePem,
                ALPNProtocols: [...tls.alpn],
                servername: 'localhost',
              });
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.once('error', reject);
        socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
          const facts =
            tls === undefined
              ? { tls: 'plaintext' }
              : { tls: (socket as TLSSocket).getProtocol() ?? '', http: String((socket as TLSSocket).alpnProtocol) };
          resolve({ socket, facts });
        });
      });
    },
    cutAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** What a raw connection said until it ended. */
export function readToEnd(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      text += piece;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}

/** Sends bytes over a connection of its own and gives what came back until the server closed it. */
export function exchangeRaw(port: number, bytes: string | Uint8Array): Promise<string> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  const answer = readToEnd(socket);
  socket.write(bytes);
  return answer;
}
