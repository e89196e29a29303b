import net, { type Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import type { ConnectionFacts } from '../carrier.ts';
import type { DialedConnection, Dialer, DialTarget } from '../dialer.ts';
import { asCarrierError } from './errors.ts';

export interface DirectDialerOptions {
  /** PEM certificates to trust instead of Node's own. */
  readonly ca?: readonly string[];
}

/** Connects without a proxy. For tests and for servers that stand in the same machine room. */
export function createDirectDialer(options: DirectDialerOptions = {}): Dialer {
  return { connect: (target) => connect(target, options) };
}

async function connect(target: DialTarget, options: DirectDialerOptions): Promise<DialedConnection> {
  target.signal?.throwIfAborted();
  const socket = begin(target, options);
  await ready(socket, target);
  return { socket, facts: factsOf(socket) };
}

function begin({ host, port, tls: secure }: DialTarget, { ca }: DirectDialerOptions): Socket | TLSSocket {
  if (secure === undefined) return net.connect({ host, port });
  const isName = net.isIP(secure.servername) === 0;
  return tls.connect({
    host,
    port,
    ...(isName ? { servername: secure.servername } : {}),
    ALPNProtocols: [...secure.alpn],
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca: [...ca] }),
  });
}

function ready(socket: Socket, { signal, tls: secure }: DialTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      done();
    };
    const onError = (error: Error) => settle(() => reject(asCarrierError(error)));
    const onAbort = () => {
      socket.destroy();
      settle(() => reject(signal?.reason));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => settle(resolve));
  });
}

function factsOf(socket: Socket | TLSSocket): ConnectionFacts {
  if (!(socket instanceof tls.TLSSocket)) return { tls: 'plaintext' };
  const certificate = socket.getPeerX509Certificate();
  return {
    tls: socket.getProtocol() ?? 'unknown',
    http: socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1',
    ...(certificate === undefined ? {} : { certificateSha256: toHex(sha256(certificate.raw)) }),
  };
}
