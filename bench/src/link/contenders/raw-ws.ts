import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { type Contender, headerBytes, withHeader } from '../contender.ts';

/** `ws` as its README uses it: a frame in, a frame out. */
export const rawWs: Contender = {
  name: 'ws 8.23',
  async listen({ tls }) {
    const http = tls === null ? createHttpServer() : createHttpsServer({ ...tls, minVersion: 'TLSv1.3' });
    const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: 1 << 20 });
    const connections = new Map<number, WebSocket>();
    server.on('connection', (socket, request) => {
      const id = Number(request.url?.slice(1));
      connections.set(id, socket);
      socket.on('message', (data: Buffer) => connections.get(data.readUInt32BE(0))?.send(data));
      socket.on('close', () => connections.delete(id));
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return {
      port: (http.address() as AddressInfo).port,
      stop: async () => {
        for (const socket of server.clients) socket.terminate();
        server.close();
        http.close();
      },
    };
  },
  async connect({ port, tls, id, onMessage }) {
    const url = `${tls === null ? 'ws' : 'wss'}://127.0.0.1:${port}/${id}`;
    const socket = new WebSocket(url, { perMessageDeflate: false, ...(tls === null ? {} : { ca: tls.cert }) });
    socket.on('message', (data: Buffer) => onMessage(data.subarray(headerBytes)));
    await once(socket, 'open');
    return { send: (to, payload) => socket.send(withHeader(to, payload)), close: () => socket.terminate() };
  },
};
