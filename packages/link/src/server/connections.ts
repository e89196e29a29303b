import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { ConnectionFacts } from '../carrier.ts';
import { plainAddress } from './client-address.ts';
import { ConnectionGuard } from './connection-guard.ts';
import type { ServerContext } from './context.ts';
import { refuseRaw } from './http1.ts';
import { peekProtocol } from './peek.ts';
import { refusals } from './refusal.ts';
import type { ConnectionRefusal } from './server-events.ts';
import { fingerprint, type TlsSource } from './tls-material.ts';

/** Takes connections over by the HTTP they speak. */
export interface ConnectionTakers {
  h2(socket: Socket, facts: ConnectionFacts): void;
  http1(socket: Socket, facts: ConnectionFacts): void;
}

/** Connections that wait for the server to accept them, in the operating system. */
const backlog = 1024;

/** The one listening port: lets connections in, does TLS, and finds out which HTTP each speaks. */
export class Connections {
  readonly server: Server;
  readonly #context: ServerContext;
  readonly #guard: ConnectionGuard;
  readonly #takers: ConnectionTakers;
  readonly #tls: TlsServer | null;
  readonly #sockets = new Set<Socket>();

  constructor(context: ServerContext, tls: TlsSource | null, takers: ConnectionTakers) {
    this.#context = context;
    this.#takers = takers;
    this.#guard = new ConnectionGuard(context.limits, { clock: context.clock });
    this.#tls = tls === null ? null : this.#createTls(tls);
    this.server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#enter(socket),
    );
  }

  /** @throws what `listen` reports: the port is taken, the address is not ours. */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog }, () => {
        this.server.off('error', reject);
        // Accepting can fail later, out of file descriptors for one: that connection is lost, the server goes on.
        this.server.on('error', () => this.#context.events.connectionRefused('full'));
        resolve();
      });
    });
  }

  /** From now on connections are shown this certificate; those there are keep theirs. */
  useCertificate(tls: TlsSource): void {
    this.#tls?.setSecureContext(tls.options());
  }

  /** Takes no more connections. */
  stopListening(): void {
    this.server.close(() => {});
  }

  /** Cuts all that are left. Resolves when they are gone. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else if (this.#sockets.size === 0) resolve();
      else this.server.once('close', resolve);
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #enter(socket: Socket): void {
    const { events, addresses } = this.#context;
    const address = plainAddress(socket.remoteAddress ?? '');
    const isExempt = addresses.isTrustedProxy(address);
    const refusal = this.#guard.enter(address, isExempt);
    // A connection that breaks says so to whoever uses it; here nobody does yet.
    socket.on('error', () => {});
    if (refusal !== null) return void this.#refuse(socket, refusal);
    events.connectionOpened();
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#guard.leave(address, isExempt);
      this.#sockets.delete(socket);
      events.connectionClosed();
    });
    if (this.#tls !== null) this.#tls.emit('connection', socket);
    else this.#takePlaintext(socket, address);
  }

  /** Before TLS nothing can be said; in plaintext one sentence is. */
  #refuse(socket: Socket, cause: ConnectionRefusal): void {
    const { connectionsMax, connectionsPerAddressMax, connectionsPerAddressPerSecond } = this.#context.limits;
    this.#context.events.connectionRefused(cause);
    if (this.#tls !== null) return void socket.destroy();
    if (cause === 'full') refuseRaw(socket, refusals.busy('connectionsMax', connectionsMax));
    else if (cause === 'address') {
      refuseRaw(socket, refusals.perAddress('connectionsPerAddressMax', connectionsPerAddressMax));
    } else refuseRaw(socket, refusals.perAddress('connectionsPerAddressPerSecond', connectionsPerAddressPerSecond));
  }

  #takePlaintext(socket: Socket, remoteAddress: string): void {
    const { limits, clock, events } = this.#context;
    peekProtocol(socket, limits.headersMs, { clock }, (http) => {
      if (http === null) events.connectionRefused('silent');
      else if (http === 'h2') this.#takers.h2(socket, { tls: 'plaintext', http, remoteAddress });
      else this.#takers.http1(socket, { tls: 'plaintext', http, remoteAddress });
    });
  }

  #createTls(source: TlsSource): TlsServer {
    const { limits, events } = this.#context;
    const server = createTlsServer({ ...source.options(), handshakeTimeout: limits.headersMs });
    server.on('secureConnection', (socket) => this.#takeSecure(socket));
    server.on('tlsClientError', (_error, socket) => {
      events.connectionRefused('handshake');
      socket.destroy();
    });
    return server;
  }

  #takeSecure(socket: TLSSocket): void {
    const shown = socket.getX509Certificate();
    const http = socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
    const facts: ConnectionFacts = {
      tls: socket.getProtocol() ?? 'unknown',
      http,
      remoteAddress: plainAddress(socket.remoteAddress ?? ''),
      ...(shown === undefined ? {} : { certificateSha256: fingerprint(shown) }),
    };
    socket.on('error', () => {});
    if (http === 'h2') this.#takers.h2(socket, facts);
    else this.#takers.http1(socket, facts);
  }
}
