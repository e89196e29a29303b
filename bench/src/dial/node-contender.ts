import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { TlsPair } from '../link/contender.ts';
import { type Contender, pieceBytes } from './contender.ts';

/** node:tls alone: TLS 1.3, a full handshake each time; with or without a certificate of the client. */
export function nodeContender(name: string, isMutual: boolean): Contender {
  return {
    name,
    async listen(pair) {
      const server = createServer(
        { ...pair, minVersion: 'TLSv1.3', requestCert: isMutual, rejectUnauthorized: false },
        drain,
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return {
        address: String((server.address() as AddressInfo).port),
        stop: async () => void server.close(),
      };
    },
    async createDialler(address, pair) {
      const open = () => openSocket(Number(address), isMutual ? pair : {});
      return {
        async dial() {
          const socket = await open();
          return async () => {
            socket.end();
            await once(socket, 'close');
          };
        },
        async send(bytes) {
          const socket = await open();
          const piece = new Uint8Array(pieceBytes).fill(7);
          for (let sent = 0; sent < bytes; sent += pieceBytes) if (!socket.write(piece)) await once(socket, 'drain');
          socket.end();
          await once(socket, 'close'); // after the other side has read to the end
        },
        stop: async () => {},
      };
    },
  };
}

async function openSocket(port: number, options: Partial<TlsPair>): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ...options,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
    ALPNProtocols: ['libp2p'],
  });
  socket.setNoDelay(true).resume();
  await once(socket, 'secureConnect');
  return socket;
}

function drain(socket: TLSSocket): void {
  socket.on('error', () => {}).resume();
}
