import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type ListenerEvents,
  type Logger,
  serviceCapabilities,
  type Transport,
  TypedEventEmitter,
  transportSymbol,
  type Upgrader,
} from '@libp2p/interface';
import { getNetConfig, getThinWaistAddresses, ipPortToMultiaddr } from '@libp2p/utils';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { assert, Condition } from '@pulsemesh/base';
import { TcpConnection } from './tcp-connection.ts';

export const tcpLimits = {
  /** Sockets one listener holds, those whose negotiation is under way included; more are closed as they come. */
  socketsMax: 1_024,
  /** A connection on which nothing passes for so long is broken. Multiplexers keep live ones alive. */
  idleMs: 120_000,
} as const;

/**
 * A libp2p transport over TCP (`/ip4|ip6|dns…/tcp/PORT`) like `@libp2p/tcp`, whose connections hand their socket to
 * `nativeTls`.
 */
export function nativeTcp(): (components: { readonly logger: ComponentLogger }) => Transport {
  return ({ logger }) => new TcpTransport(logger.forComponent('pulsemesh:tcp'));
}

class TcpTransport implements Transport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = '@pulsemesh/native-tcp';
  readonly [serviceCapabilities] = ['@libp2p/transport'];
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const socket = await open(address, options.signal);
    const connection = new TcpConnection({
      socket,
      remoteAddr: address,
      direction: 'outbound',
      log: this.#log.newScope('connection'),
      idleMs: tcpLimits.idleMs,
    });
    try {
      return await options.upgrader.upgradeOutbound(connection, options);
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Condition('upgrade-failed', 'the upgrade failed'));
      throw error;
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new TcpListener(upgrader, this.#log.newScope('listener'));
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(isTcp);
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(isTcp);
  }
}

const hosts: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6']);

/** A host, a TCP port, and at most a peer id after them. */
function isTcp(address: Multiaddr): boolean {
  const [host, port, ...rest] = address.getComponents().filter(({ name }) => name !== 'ip6zone');
  if (host === undefined || port === undefined || !hosts.has(host.name) || port.name !== 'tcp') return false;
  return rest.length === 0 || (rest.length === 1 && rest[0]?.name === 'p2p');
}

async function open(address: Multiaddr, signal: AbortSignal | undefined): Promise<Socket> {
  signal?.throwIfAborted();
  const { host, port, ...rest } = getNetConfig(address);
  assert(port !== undefined, 'libp2p dials what dialFilter let through');
  const zone = 'zone' in rest && rest.zone !== undefined ? `%${rest.zone}` : '';
  const socket = connect({ host: `${host}${zone}`, port, noDelay: true, keepAlive: true });
  try {
    await once(socket, 'connect', signal === undefined ? {} : { signal });
    return socket;
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw error;
  }
}

/** Link-local addresses of IPv6 come with the link they are on, which multiaddrs name apart. */
function remoteAddr(address: string, port: number): Multiaddr {
  const [host = address, zone] = address.split('%');
  return zone === undefined ? ipPortToMultiaddr(host, port) : multiaddr(`/ip6zone/${zone}/ip6/${host}/tcp/${port}`);
}

class TcpListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #upgrader: Upgrader;
  readonly #log: Logger;
  readonly #server: Server;
  readonly #connections = new Set<TcpConnection>();
  readonly #closed = new AbortController();
  #address: Multiaddr | undefined;

  constructor(upgrader: Upgrader, log: Logger) {
    super();
    this.#upgrader = upgrader;
    this.#log = log;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = tcpLimits.socketsMax;
    this.#server.on('close', () => void this.safeDispatchEvent('close'));
  }

  /** @throws what the system says when the address cannot be bound. */
  async listen(address: Multiaddr): Promise<void> {
    const { host, port, type } = getNetConfig(address);
    this.#address = address;
    this.#server.listen({ host, port, ipv6Only: type === 'ip6' });
    await once(this.#server, 'listening');
    this.#server.on('error', (error) => void this.safeDispatchEvent('error', { detail: error }));
    this.safeDispatchEvent('listening');
  }

  getAddrs(): Multiaddr[] {
    const bound = this.#server.address() as AddressInfo | null; // never a pipe: only TCP is listened on
    if (bound === null || this.#address === undefined) return [];
    return getThinWaistAddresses(this.#address, bound.port);
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#closed.abort(new Condition('stopped', 'the listener was closed'));
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.abort(new Condition('stopped', 'the listener was closed'));
    await closed;
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined || this.#closed.signal.aborted) {
      socket.on('error', () => {}).destroy(); // gone before it was looked at
      return;
    }
    const connection = new TcpConnection({
      socket,
      remoteAddr: remoteAddr(remoteAddress, remotePort),
      direction: 'inbound',
      log: this.#log.newScope('connection'),
      idleMs: tcpLimits.idleMs,
    });
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    this.#upgrader.upgradeInbound(connection, { signal: this.#closed.signal }).catch((error: unknown) => {
      connection.abort(error instanceof Error ? error : new Condition('upgrade-failed', 'the upgrade failed'));
    });
  }
}
