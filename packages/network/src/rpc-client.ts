import {
  type Clock,
  Condition,
  type Logger,
  type Meter,
  silentLogger,
  silentMeter,
  TimeoutError,
  type Timer,
  type WaitOptions,
} from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { BusyError, FrameTooLargeError, NetworkStoppedError, PeerUnreachableError } from './errors.ts';
import type { NetworkPort, ProtocolName } from './port.ts';
import { RpcLink } from './rpc-link.ts';

export interface RpcCallOptions extends WaitOptions {
  /** Dialling included. Default 10,000. */
  readonly timeoutMs?: number;
}

/** Calls methods that peers serve with `serveRpc`. One channel per peer and protocol is kept and shared. */
export interface RpcClient extends AsyncDisposable {
  /**
   * The remote's answer, as decoded CBOR (parse it: the remote is not trusted).
   * @throws {RemoteError} with the remote's code; {@link PeerUnreachableError}, {@link ProtocolRefusedError},
   *   {@link BusyError}, {@link TimeoutError} (all retryable); {@link FrameTooLargeError}; `signal.reason`.
   */
  call(peer: PeerId, protocol: ProtocolName, method: string, body: unknown, options?: RpcCallOptions): Promise<unknown>;
  /**
   * What the remote pushes, until either side ends: ends normally when the remote does or the loop is left,
   * throws as {@link RpcClient.call} does when it broke or `signal` aborts.
   */
  subscribe(
    peer: PeerId,
    protocol: ProtocolName,
    method: string,
    body: unknown,
    options?: WaitOptions,
  ): AsyncIterable<unknown>;
}

export interface RpcClientOptions {
  /** Calls and subscriptions of one channel at once; more are refused with `busy`. Default 256. */
  readonly inFlightMax?: number;
  /** Channels kept at once; more are refused with `busy`. Default 1,024. */
  readonly channelsMax?: number;
  /** A channel without calls for so long is closed. Default 60,000; below the 120 s after which libp2p breaks it. */
  readonly idleMs?: number;
  /** Default for {@link RpcCallOptions.timeoutMs}. */
  readonly timeoutMs?: number;
}

export interface RpcClientDependencies {
  readonly port: NetworkPort;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

/** Makes a client. Dispose to close its channels: what is in flight rejects with {@link NetworkStoppedError}. */
export function createRpcClient(dependencies: RpcClientDependencies & RpcClientOptions): RpcClient {
  return new Client(dependencies);
}

class Client implements RpcClient {
  readonly #port: NetworkPort;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls: { add(amount?: number, labels?: Readonly<Record<string, string>>): void };
  readonly #options: Required<RpcClientOptions>;
  readonly #links = new Map<string, RpcLink>();
  #isStopped = false;

  constructor(from: RpcClientDependencies & RpcClientOptions) {
    this.#port = from.port;
    this.#clock = from.clock;
    this.#logger = from.logger ?? silentLogger;
    this.#calls = (from.meter ?? silentMeter).counter('rpc_calls_total', 'Rpc calls made, by how they ended', ['end']);
    this.#options = {
      inFlightMax: from.inFlightMax ?? 256,
      channelsMax: from.channelsMax ?? 1024,
      idleMs: from.idleMs ?? 60_000,
      timeoutMs: from.timeoutMs ?? 10_000,
    };
  }

  async call(
    peer: PeerId,
    protocol: ProtocolName,
    method: string,
    body: unknown,
    options: RpcCallOptions = {},
  ): Promise<unknown> {
    options.signal?.throwIfAborted();
    try {
      const link = this.#linkTo(peer, protocol);
      const answer = await this.#exchange(link, protocol, method, body, options);
      this.#calls.add(1, { end: 'answer' });
      return answer;
    } catch (error) {
      this.#calls.add(1, { end: error instanceof Condition ? error.name : 'other' });
      throw error;
    }
  }

  #exchange(
    link: RpcLink,
    protocol: ProtocolName,
    method: string,
    body: unknown,
    options: RpcCallOptions,
  ): Promise<unknown> {
    const { signal } = options;
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const settle = () => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const request = link.request('request', method, body, {
        onAnswer: (answer) => {
          settle();
          resolve(answer);
        },
        onFailure: (error) => {
          settle();
          reject(error);
        },
      });
      const giveUp = (error: unknown) => {
        request.cancel();
        settle();
        reject(error);
      };
      const onAbort = () => giveUp(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      timer = this.#clock.setTimer(() => giveUp(new TimeoutError(`${protocol} ${method}`, timeoutMs)), timeoutMs);
    });
  }

  async *subscribe(
    peer: PeerId,
    protocol: ProtocolName,
    method: string,
    body: unknown,
    options: WaitOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const { signal } = options;
    signal?.throwIfAborted();
    const items: unknown[] = [];
    let failure: { readonly reason: unknown } | undefined;
    let isEnded = false;
    let wake: (() => void) | undefined;
    const request = this.#linkTo(peer, protocol).request('subscribe', method, body, {
      onItem: (item) => {
        items.push(item);
        wake?.();
      },
      onAnswer: () => {
        isEnded = true;
        wake?.();
      },
      onFailure: (error) => {
        failure = { reason: error };
        wake?.();
      },
    });
    const onAbort = () => {
      failure ??= { reason: signal?.reason };
      wake?.();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        if (signal?.aborted) throw signal.reason;
        if (items.length > 0) {
          const item = items.shift();
          request.credit(1);
          yield item;
        } else if (failure !== undefined) throw failure.reason;
        else if (isEnded) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      request.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #linkTo(peer: PeerId, protocol: ProtocolName): RpcLink {
    if (this.#isStopped) throw new NetworkStoppedError();
    const key = `${peer} ${protocol}`;
    const known = this.#links.get(key);
    if (known !== undefined && !known.isClosed) return known;
    if (this.#links.size >= this.#options.channelsMax) throw new BusyError('rpc channels', this.#options.channelsMax);
    const link = new RpcLink(
      { peer, protocol, inFlightMax: this.#options.inFlightMax, idleMs: this.#options.idleMs },
      {
        port: this.#port,
        clock: this.#clock,
        onClosed: () => {
          if (this.#links.get(key) === link) this.#links.delete(key);
          this.#logger.debug('rpc channel closed', { peer, protocol });
        },
      },
    );
    this.#links.set(key, link);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link.stop(new NetworkStoppedError())));
  }
}
