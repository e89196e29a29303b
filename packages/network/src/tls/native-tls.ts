import type { Duplex } from 'node:stream';
import { connect, type SecureContext, TLSSocket } from 'node:tls';
import {
  type ConnectionEncrypter,
  type MessageStream,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  serviceCapabilities,
  type Upgrader,
} from '@libp2p/interface';
import {
  type Clock,
  type Counter,
  createSystemClock,
  createSystemRandom,
  type Meter,
  type Random,
  silentMeter,
} from '@pulsemesh/base';
import { toDuplex } from './duplex.ts';
import { TlsRefusedError } from './errors.ts';
import { HostCredentials } from './host-credentials.ts';
import { type PeerCertificate, PeerCertificates } from './peer-certificate.ts';
import { SecureConnection } from './secure-connection.ts';
import { ClientSessions, type KeptSession } from './sessions.ts';
import { TcpConnection } from './tcp-connection.ts';

export interface NativeTlsInit {
  /** Whether sessions are given out and taken up. Default true. */
  readonly isResuming?: boolean;
}

/** Default: the machine's clock and generator, and a meter that measures nothing. */
export interface NativeTlsDependencies {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly meter?: Meter;
}

/** What libp2p hands to a connection encrypter, as far as it is used here. */
export interface NativeTlsComponents {
  readonly privateKey: PrivateKey;
  readonly upgrader: Pick<Upgrader, 'getStreamMuxers'>;
}

/**
 * TLS 1.3 for libp2p connections (`/tls/1.0.0`) on node's own TLS: the peer of `@libp2p/tls` on the wire, with one
 * certificate per host instead of one per connection, resumed sessions where both ends are this one, and the socket itself
 * handed to OpenSSL where the connection is one of `nativeTcp`. Source: libp2p TLS specification; RFC 8446.
 *
 * A handshake that is refused rejects with a {@link TlsRefusedError}, and the connection is broken. An aborted `signal`
 * rejects with `tls-timed-out`.
 *
 * @example `createLibp2p({ transports: [nativeTcp()], connectionEncrypters: [nativeTls(), noise()], … })`
 */
export function nativeTls(
  init: NativeTlsInit = {},
  dependencies: NativeTlsDependencies = {},
): (components: NativeTlsComponents) => ConnectionEncrypter {
  return (components) => new NativeTls(components, init, dependencies);
}

const protocol = '/tls/1.0.0';
/** Agreed on by ALPN where no multiplexer is. */
const alpnLibp2p = 'libp2p';

interface Handshake {
  readonly connection: MessageStream;
  readonly socket: TLSSocket;
  readonly options: SecureConnectionOptions;
  /** The session a client offered. */
  readonly offered: KeptSession | undefined;
  readonly isServer: boolean;
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = protocol;
  readonly [Symbol.toStringTag] = '@pulsemesh/native-tls';
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption'];
  readonly #muxers: () => Map<string, StreamMuxerFactory>;
  readonly #clock: Clock;
  readonly #credentials: HostCredentials;
  readonly #certificates = new PeerCertificates();
  readonly #sessions: ClientSessions | undefined;
  readonly #handshakes: Counter;
  readonly #refusals: Counter;

  constructor(components: NativeTlsComponents, init: NativeTlsInit, dependencies: NativeTlsDependencies) {
    const { clock = createSystemClock(), random = createSystemRandom(), meter = silentMeter } = dependencies;
    this.#clock = clock;
    this.#muxers = () => components.upgrader.getStreamMuxers();
    this.#credentials = new HostCredentials(components.privateKey, { clock, random }, init.isResuming !== false);
    this.#sessions = init.isResuming === false ? undefined : new ClientSessions({ clock });
    this.#handshakes = meter.counter('tls_handshakes_total', 'TLS handshakes done', ['side', 'kind']);
    this.#refusals = meter.counter('tls_refusals_total', 'TLS handshakes refused or failed', ['side', 'kind']);
  }

  secureInbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    return this.#secure(connection, options, true);
  }

  secureOutbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    return this.#secure(connection, options, false);
  }

  async #secure(
    connection: MessageStream,
    options: SecureConnectionOptions,
    isServer: boolean,
  ): Promise<SecuredConnection> {
    const side = isServer ? 'server' : 'client';
    let socket: TLSSocket | undefined;
    try {
      const context = await this.#credentials.context();
      if (connection.status !== 'open') throw new TlsRefusedError('closed');
      const expected = options.remotePeer?.toString();
      const offered = isServer || expected === undefined ? undefined : this.#sessions?.find(expected);
      socket = this.#start(connection, context, { options, isServer, offered });
      const secured = await this.#finish({ connection, socket, options, offered, isServer });
      this.#handshakes.add(1, { side, kind: socket.isSessionReused() ? 'resumed' : 'full' });
      return secured;
    } catch (error) {
      const refused = error instanceof TlsRefusedError ? error : new TlsRefusedError('handshake-failed', error);
      this.#refusals.add(1, { side, kind: refused.refusal });
      if (options.remotePeer !== undefined && !isServer) this.#sessions?.forget(options.remotePeer.toString());
      connection.abort(refused);
      socket?.destroy();
      throw refused;
    }
  }

  #start(
    connection: MessageStream,
    secureContext: SecureContext,
    { options, isServer, offered }: Pick<Handshake, 'options' | 'isServer' | 'offered'>,
  ): TLSSocket {
    const muxers = options.skipStreamMuxerNegotiation === true ? [] : [...this.#muxers().keys()];
    const common = { secureContext, rejectUnauthorized: false, ALPNProtocols: [...muxers, alpnLibp2p] };
    const secure = (raw: Duplex) => {
      if (isServer) return new TLSSocket(raw, { ...common, isServer, requestCert: true });
      return connect({ ...common, socket: raw, ...(offered === undefined ? {} : { session: offered.session }) });
    };
    const direct = connection instanceof TcpConnection ? connection.secureWith(secure) : undefined;
    return direct ?? secure(toDuplex(connection));
  }

  async #finish(handshake: Handshake): Promise<SecuredConnection> {
    const { connection, socket, options, isServer } = handshake;
    const sessions = isServer || this.#sessions === undefined ? undefined : collectSessions(socket);
    socket.on('error', () => {}); // told by the promise below, later by the connection
    await shakeHands(socket, options.signal);
    const streamMuxer = this.#muxerOf(socket);
    const peer = await this.#whoIs(handshake);
    if (options.remotePeer?.equals(peer.certificate.peer) === false) throw new TlsRefusedError('wrong-peer');
    if (socket.destroyed) throw new TlsRefusedError('closed');
    const text = peer.certificate.peer.toString();
    sessions?.forEach((session) => {
      this.#sessions?.keep(text, { session, server: peer.certificate, provenAtMs: peer.provenAtMs });
    });
    return {
      connection: new SecureConnection(connection, socket),
      remotePeer: peer.certificate.peer,
      ...(streamMuxer === undefined ? {} : { streamMuxer }),
    };
  }

  #muxerOf(socket: TLSSocket): StreamMuxerFactory | undefined {
    const chosen = socket.alpnProtocol;
    if (typeof chosen !== 'string') throw new TlsRefusedError('not-libp2p');
    if (chosen === alpnLibp2p) return undefined;
    const muxer = this.#muxers().get(chosen);
    if (muxer === undefined) throw new TlsRefusedError('unknown-muxer');
    return muxer;
  }

  /**
   * Whose connection it is. A client that resumed has no certificate to look at: the session was offered because a full
   * handshake had proved this peer, and nobody else can take it up. A server finds its client's certificate in the session.
   */
  async #whoIs({ socket, offered, isServer }: Handshake): Promise<Proven> {
    if (!isServer && socket.isSessionReused()) {
      if (offered === undefined) throw new TlsRefusedError('no-certificate');
      return { certificate: offered.server, provenAtMs: offered.provenAtMs };
    }
    const shown = socket.getPeerX509Certificate();
    if (shown === undefined) throw new TlsRefusedError('no-certificate');
    const certificate = await this.#certificates.verify(shown, this.#clock.now());
    return { certificate, provenAtMs: this.#clock.monotonicMs() };
  }
}

interface Proven {
  readonly certificate: PeerCertificate;
  readonly provenAtMs: number;
}

function shakeHands(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (refused?: TlsRefusedError) => {
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('secure', onSecure).removeListener('error', onError).removeListener('close', onClose);
      if (refused === undefined) resolve();
      else reject(refused);
    };
    const onSecure = () => settle();
    const onError = (error: Error) => settle(new TlsRefusedError('handshake-failed', error));
    const onClose = () => settle(new TlsRefusedError('closed'));
    const onAbort = () => settle(new TlsRefusedError('timed-out', signal?.reason));
    socket.once('secure', onSecure).once('error', onError).once('close', onClose);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}

/** Sessions the server gives: the first ones may come before it is known who it is, later ones at any time. */
function collectSessions(socket: TLSSocket): { forEach(keep: (session: Buffer) => void): void } {
  let last: Buffer | undefined;
  let keep = (session: Buffer) => {
    last = session;
  };
  socket.on('session', (session) => keep(session));
  return {
    forEach(action) {
      keep = action;
      if (last !== undefined) action(last);
    },
  };
}
