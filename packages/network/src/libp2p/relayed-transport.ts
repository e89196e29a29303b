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
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { assert, type Clock, Condition, errorMessage } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { parseRelayedAddress, relayedAddress, relayedListen } from '../relayed-address.ts';
import { type ByteStream, type RelayedStreams, relaysMax } from '../relayed-streams.ts';
import { RelayedConnection } from './relayed-connection.ts';

/**
 * A libp2p transport over streams that relays join. Connections are upgraded as any other: encrypted end to end, checked
 * to be with the peer that the address names, multiplexed, without libp2p's limits for circuits. It opens no socket.
 */
export function relayedTransport(
  access: RelayedStreams,
  dependencies: { readonly clock: Clock },
): (components: { readonly logger: ComponentLogger }) => Transport {
  return ({ logger }) =>
    new RelayedTransport(access, dependencies.clock, logger.forComponent('pulsemesh:relayed-transport'));
}

class RelayedTransport implements Transport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = '@pulsemesh/relayed-transport';
  readonly [serviceCapabilities] = ['@libp2p/transport'];
  readonly #access: RelayedStreams;
  readonly #clock: Clock;
  readonly #log: Logger;

  readonly #latest: LatestConnections;

  constructor(access: RelayedStreams, clock: Clock, log: Logger) {
    this.#latest = new LatestConnections(clock);
    this.#access = access;
    this.#clock = clock;
    this.#log = log;
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const target = parseRelayedAddress(address);
    assert(target !== null, 'libp2p dials what dialFilter let through');
    const stream = await this.#access.dial(target.relay, target.peer, { signal: options.signal });
    const connection = new RelayedConnection({
      stream,
      remoteAddr: address,
      direction: 'outbound',
      log: this.#log.newScope('connection'),
      clock: this.#clock,
    });
    try {
      const upgraded = await options.upgrader.upgradeOutbound(connection, options);
      this.#latest.opened(target.peer, connection);
      return upgraded;
    } catch (error) {
      connection.abort(brokenUpgrade(error));
      throw error;
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new RelayedListener(this.#access, { upgrader, clock: this.#clock, log: this.#log, latest: this.#latest });
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => address.toString() === relayedListen);
  }

  /** Only through relays that this peer knows: of others it knows no way to them. */
  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    const known = new Set<string>(this.#access.relays().map((relay) => relay.peerId));
    return addresses.filter((address) => {
      const target = parseRelayedAddress(address);
      return target !== null && known.has(target.relay);
    });
  }
}

/** A connection of a peer that is older than this ends when the peer opens another, milliseconds. */
const replaceAfterMs = 1_000;

/**
 * The open relayed connections with each peer. A peer that comes again has most likely started anew: earlier connections, which a
 * relay keeps for a while in case the peer's session comes back, would let calls wait for nothing, so they end. A young one may be
 * the other half of both dialling at once, and stays.
 */
class LatestConnections {
  readonly #clock: Clock;
  readonly #open = new Map<PeerId, Map<RelayedConnection, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  opened(peer: PeerId, connection: RelayedConnection): void {
    const own = this.#open.get(peer) ?? new Map<RelayedConnection, number>();
    this.#open.set(peer, own.set(connection, this.#clock.monotonicMs()));
    connection.addEventListener('close', () => {
      own.delete(connection);
      if (own.size === 0 && this.#open.get(peer) === own) this.#open.delete(peer);
    });
  }

  cameAgain(peer: PeerId, connection: RelayedConnection): void {
    const beforeMs = this.#clock.monotonicMs() - replaceAfterMs;
    for (const [earlier, sinceMs] of [...(this.#open.get(peer) ?? [])])
      if (sinceMs < beforeMs) earlier.abort(new Condition('replaced', 'the peer came again', { retryable: true }));
    this.opened(peer, connection);
  }
}

interface ListenerParts {
  readonly latest: LatestConnections;
  readonly upgrader: Upgrader;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Takes what comes through any relay; its addresses come and go with the sessions. */
class RelayedListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #access: RelayedStreams;
  readonly #parts: ListenerParts;
  readonly #owned = new DisposableStack();
  readonly #closed = new AbortController();
  #addresses = '';

  constructor(access: RelayedStreams, parts: ListenerParts) {
    super();
    this.#access = access;
    this.#parts = parts;
  }

  async listen(): Promise<void> {
    this.#owned.use(this.#access.listen((stream, from, relay) => void this.#accept(stream, from, relay)));
    this.#owned.use(this.#access.onChange(() => this.#tellIfChanged()));
    this.#addresses = this.#text();
    this.safeDispatchEvent('listening');
  }

  getAddrs(): Multiaddr[] {
    return this.#access
      .relays()
      .filter((relay) => relay.isUp)
      .slice(0, relaysMax)
      .map((relay) => relayedAddress(relay.peerId));
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#owned.dispose();
    this.#closed.abort(new Condition('stopped', 'the listener was closed'));
    this.safeDispatchEvent('close');
  }

  async #accept(stream: ByteStream, from: PeerId, relay: PeerId): Promise<void> {
    const { upgrader, clock, log, latest } = this.#parts;
    const connection = new RelayedConnection({
      stream,
      remoteAddr: multiaddr(`${relayedAddress(relay)}/p2p/${from}`),
      direction: 'inbound',
      log: log.newScope('connection'),
      clock,
    });
    try {
      await upgrader.upgradeInbound(connection, { signal: this.#closed.signal });
      latest.cameAgain(from, connection);
    } catch (error) {
      connection.abort(brokenUpgrade(error));
    }
  }

  // libp2p asks for the addresses again when it hears of a listener.
  #tellIfChanged(): void {
    const now = this.#text();
    if (now === this.#addresses) return;
    this.#addresses = now;
    this.safeDispatchEvent('listening');
  }

  #text(): string {
    return this.getAddrs().join();
  }
}

function brokenUpgrade(error: unknown): Condition {
  if (error instanceof Condition) return error;
  return new Condition('upgrade-failed', errorMessage(error), { retryable: true, cause: error });
}
