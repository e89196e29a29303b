import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { io } from 'socket.io-client';
import type { Contender } from '../contender.ts';

/** Socket.IO 4.8 on one transport. */
export function socketIo(transport: 'websocket' | 'polling'): Contender {
  return {
    name: `Socket.IO 4.8 ${transport}`,
    async listen({ tls }) {
      const http = tls === null ? createHttpServer() : createHttpsServer({ ...tls, minVersion: 'TLSv1.3' });
      const server = new Server(http, { transports: [transport], serveClient: false });
      const connections = new Map<number, Socket>();
      server.on('connection', (socket) => {
        const id = Number(socket.handshake.query['id']);
        connections.set(id, socket);
        socket.on('m', (to: number, payload: Buffer) => connections.get(to)?.emit('m', payload));
        socket.on('disconnect', () => connections.delete(id));
      });
      http.listen(0, '127.0.0.1');
      await once(http, 'listening');
      return { port: (http.address() as AddressInfo).port, stop: async () => void server.close() };
    },
    async connect({ port, tls, id, onMessage }) {
      const url = `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`;
      const trust = tls === null ? {} : { ca: tls.cert };
      const socket = io(url, { transports: [transport], query: { id }, forceNew: true, reconnection: false, ...trust });
      socket.on('m', onMessage);
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('connect_error', reject);
      });
      return { send: (to, payload) => void socket.emit('m', to, payload), close: () => void socket.disconnect() };
    },
  };
}
