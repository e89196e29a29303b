import {
  type CircuitRelayTransportComponents,
  circuitRelayTransport,
  RELAY_V2_HOP_CODEC,
} from '@libp2p/circuit-relay-v2';
import {
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type ListenerEvents,
  serviceCapabilities,
  serviceDependencies,
  start,
  stop,
  type Transport,
  TypedEventEmitter,
  transportSymbol,
} from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { type Clock, errorMessage, type Logger, type Random, sleep, withTimeout } from '@pulsemesh/base';
import { isRelayed, relayedListen } from '../relayed-address.ts';

export const circuitLimits = {
  /** A lost reservation is asked for again after so long; each failure doubles the wait, up to the last, ± a quarter. */
  retryFirstMs: 500,
  retryLastMs: 2_400,
  /** One attempt: connecting, and the reservation. */
  attemptMs: 4_000,
} as const;

export interface KeptCircuitsDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * libp2p's transport through circuit relays (`/…/p2p/RELAY/p2p-circuit`), whose reservations are kept: libp2p withdraws one
 * when its relay goes away and never asks for it again (libp2p/js-libp2p#3601). A relay that is away at the start is waited
 * for as well, instead of failing the start. Relays are those listed as listen addresses; none is searched for.
 */
export function keptCircuits(
  dependencies: KeptCircuitsDependencies,
): (components: CircuitRelayTransportComponents) => Transport {
  return (components) => new KeptCircuits(circuitRelayTransport()(components), components, dependencies);
}

type Parts = KeptCircuitsDependencies & Pick<CircuitRelayTransportComponents, 'connectionManager'>;

class KeptCircuits implements Transport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = '@pulsemesh/kept-circuits';
  readonly [serviceCapabilities] = ['@libp2p/transport', '@libp2p/circuit-relay-v2-transport'];
  readonly [serviceDependencies] = ['@libp2p/identify'];
  readonly #inner: Transport;
  readonly #parts: Parts;

  constructor(inner: Transport, components: CircuitRelayTransportComponents, dependencies: KeptCircuitsDependencies) {
    this.#inner = inner;
    this.#parts = { ...dependencies, connectionManager: components.connectionManager };
  }

  async start(): Promise<void> {
    await start(this.#inner);
  }

  async stop(): Promise<void> {
    await stop(this.#inner);
  }

  dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    return this.#inner.dial(address, options);
  }

  createListener(options: CreateListenerOptions): Listener {
    return new KeptReservation(this.#inner.createListener(options), this.#parts);
  }

  /** Not the bare `/p2p-circuit`, which asks libp2p to search for relays and Pulsemesh to use its own. */
  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => isRelayed(address) && address.toString() !== relayedListen);
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#inner.dialFilter(addresses);
  }
}

/** One listen address at one relay: libp2p's listener for it is told to listen again whenever it has lost its place. */
class KeptReservation extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #inner: Listener;
  readonly #parts: Parts;
  readonly #closed = new AbortController();
  #address: Multiaddr | undefined;
  #isTrying = false;

  constructor(inner: Listener, parts: Parts) {
    super();
    this.#inner = inner;
    this.#parts = parts;
    inner.addEventListener('listening', () => {
      this.safeDispatchEvent('listening');
      this.#keep();
    });
    inner.addEventListener('error', (event) => void this.safeDispatchEvent('error', { detail: event.detail }));
  }

  async listen(address: Multiaddr): Promise<void> {
    this.#address = address;
    this.#keep();
  }

  getAddrs(): Multiaddr[] {
    return this.#inner.getAddrs();
  }

  updateAnnounceAddrs(addresses: Multiaddr[]): void {
    this.#inner.updateAnnounceAddrs(addresses);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#inner.close();
    this.safeDispatchEvent('close');
  }

  /** Tries, with growing pauses, until there is a reservation or the listener is closed. */
  #keep(): void {
    if (this.#isTrying || this.#closed.signal.aborted || this.#hasPlace()) return;
    this.#isTrying = true;
    this.#tryUntilThere()
      .catch(() => {}) // closed
      .finally(() => {
        this.#isTrying = false;
        this.#keep(); // lost again while the last attempt ended
      });
  }

  async #tryUntilThere(): Promise<void> {
    const { clock, random, logger } = this.#parts;
    const { signal } = this.#closed;
    for (let failures = 0; !this.#hasPlace(); failures += 1) {
      signal.throwIfAborted();
      try {
        await this.#reserve();
        logger.info('a place at a circuit relay is reserved', {});
      } catch (error) {
        if (failures === 0) logger.info('a circuit relay gives no place yet', { text: errorMessage(error) });
        const waitMs = Math.min(circuitLimits.retryLastMs, circuitLimits.retryFirstMs * 2 ** Math.min(failures, 8));
        await sleep(clock, waitMs * (0.75 + random.float() / 2), { signal });
      }
    }
  }

  async #reserve(): Promise<void> {
    const { clock, connectionManager } = this.#parts;
    const address = this.#address;
    if (address === undefined) return;
    await withTimeout(
      clock,
      'reserving a place at a circuit relay',
      circuitLimits.attemptMs,
      async (signal) => {
        const relay = await connectionManager.openConnection(address.decapsulate('/p2p-circuit'), { signal });
        // libp2p never again asks a relay that once did not speak the protocol, as one that is starting does not.
        const stream = await relay.newStream(RELAY_V2_HOP_CODEC, { signal });
        stream.abort(new Error('only asked whether it is spoken'));
        await this.#inner.listen(address);
        if (!this.#hasPlace()) throw new Error('the relay gave no place');
      },
      { signal: this.#closed.signal },
    );
  }

  #hasPlace(): boolean {
    return this.#inner.getAddrs().length > 0;
  }
}
