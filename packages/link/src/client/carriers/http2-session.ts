import http2, { type ClientHttp2Session } from 'node:http2';
import type { ConnectionFacts } from '../../carrier.ts';
import type { Dialer } from '../../dialer.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import type { ConnectRequest } from './connect.ts';
import { dialTargetOf } from './dial.ts';

/** What the other end may have on the way to us in one stream and in all, bytes. */
const windowBytes = 4 * 1024 * 1024;

/**
 * An HTTP/2 session over a connection of the dialer. The caller closes it ({@link closeHttp2}).
 * Plaintext begins with prior knowledge (RFC 9113 §3.3).
 * @throws {CarrierError} `no-h2` where the TLS ended without HTTP/2; what the dialer throws; `signal.reason`.
 */
export async function openHttp2(
  request: ConnectRequest,
  dialer: Dialer,
): Promise<{ readonly session: ClientHttp2Session; readonly facts: ConnectionFacts }> {
  const { signal } = request;
  const target = dialTargetOf(request.url, ['h2', 'http/1.1']);
  const { socket, facts } = await dialer.connect({ ...target, signal });
  if (target.tls !== undefined && facts.http !== 'h2') {
    socket.destroy();
    const text = 'no HTTP/2: something on the way ends the TLS and speaks HTTP/1.1 only, or the server has none';
    throw new CarrierError('no-h2', text);
  }
  socket.setNoDelay(true);
  const session = http2.connect(request.url, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: windowBytes },
  });
  // A session that dies before it has a stream tells it here; whoever uses it adds a handler of its own.
  session.on('error', () => {});
  session.once('connect', () => session.setLocalWindowSize(windowBytes));
  return { session, facts: { ...facts, http: 'h2' } };
}

/**
 * Resolves when the other end's settings are there: the first thing it says, and only then is it known what it can.
 * @throws {CarrierError} when the session ends before; `signal.reason`.
 */
export function settled(session: ClientHttp2Session, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (done: () => void) => {
      signal.removeEventListener('abort', onAbort);
      done();
    };
    session.once('remoteSettings', () => settle(resolve));
    session.on('error', (error) => settle(() => reject(asCarrierError(error))));
    session.once('close', () =>
      settle(() => reject(new CarrierError('no-h2', 'the connection was closed before HTTP/2 began'))),
    );
  });
}

/** Ends a session and its connection: what is written goes out, nothing is waited for. */
export function closeHttp2(session: ClientHttp2Session): void {
  session.on('error', () => {});
  if (session.destroyed) return;
  session.destroy();
}
