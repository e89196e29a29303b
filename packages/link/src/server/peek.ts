import type { Socket } from 'node:net';
import type { Clock } from '@pulsemesh/base';

/** What an HTTP/2 client that needs no negotiation says first (RFC 9113 §3.4). No HTTP/1 request begins like this. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Tells by the first bytes which HTTP a plaintext connection speaks, and puts them back. `onKnown(null)`: nothing telling came
 * within `timeoutMs`, or the connection ended; then it is destroyed.
 */
export function peekProtocol(
  socket: Socket,
  timeoutMs: number,
  deps: { readonly clock: Clock },
  onKnown: (http: 'h2' | 'http/1.1' | null) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const finish = (http: 'h2' | 'http/1.1' | null) => {
    timer.cancel();
    socket.off('readable', onReadable);
    socket.off('close', onGone);
    if (http === null) socket.destroy();
    else if (seen.length > 0) socket.unshift(seen);
    onKnown(http);
  };
  const onGone = () => finish(null);
  const onReadable = () => {
    const piece = socket.read() as Buffer | null;
    // Readable without bytes: the end came.
    if (piece === null) return finish(null);
    seen = seen.length === 0 ? piece : Buffer.concat([seen, piece]);
    const compared = Math.min(seen.length, preface.length);
    if (seen.compare(preface, 0, compared, 0, compared) !== 0) finish('http/1.1');
    else if (compared === preface.length) finish('h2');
  };
  const timer = deps.clock.setTimer(() => finish(null), timeoutMs);
  socket.on('readable', onReadable);
  socket.once('close', onGone);
}
