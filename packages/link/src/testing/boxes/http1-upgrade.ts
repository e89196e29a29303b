import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpContext } from './http-context.ts';
import { requestServer } from './http1-forward.ts';
import { splice } from './stage.ts';

// RFC 6455 §1.3.
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A WebSocket's Upgrade through the box. */
export function forwardUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, context: HttpContext): void {
  socket.on('error', () => socket.destroy());
  switch (context.rules.upgrade) {
    case 'refuse':
      socket.end('HTTP/1.1 403 Forbidden\r\nVia: 1.1 test-box\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    case 'swallow':
      acceptAndSwallow(request, socket);
      return;
    default:
      passOn(request, socket, head, context);
  }
}

function acceptAndSwallow(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${acceptSuffix}`).digest('base64');
  const wanted = request.headers['sec-websocket-protocol'];
  const protocol = wanted === undefined ? '' : `Sec-WebSocket-Protocol: ${wanted.split(',')[0]}\r\n`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol}\r\n`,
  );
  socket.resume();
}

function passOn(request: IncomingMessage, socket: Duplex, head: Buffer, context: HttpContext): void {
  const upstream = requestServer(context, { method: request.method, path: request.url, headers: request.rawHeaders });
  const { requestMsMax } = context.rules;
  const timer = requestMsMax === undefined ? undefined : context.clock.setTimer(() => socket.destroy(), requestMsMax);
  socket.on('close', () => {
    timer?.cancel();
    upstream.destroy();
  });
  upstream.on('error', () => socket.destroy());
  upstream.on('upgrade', (answer, back, early) => {
    socket.write(rawHead(answer));
    socket.write(early);
    back.write(head);
    splice(socket, back);
    socket.on('data', context.tap);
    back.on('data', context.tap);
  });
  upstream.on('response', (answer) => {
    socket.write(rawHead(answer));
    answer.pipe(socket);
  });
  upstream.end();
}

function rawHead(answer: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
    lines.push(`${answer.rawHeaders[index]}: ${answer.rawHeaders[index + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
