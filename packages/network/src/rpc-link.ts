import { type Clock, Condition, type Timer } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { BusyError, FrameTooLargeError, PeerUnreachableError, ProtocolRefusedError, RemoteError } from './errors.ts';
import type { Channel, NetworkPort, ProtocolName } from './port.ts';
import { encodeRpcMessage, parseRpcMessage, type RpcMessage, subscriptionItemsMax } from './rpc-messages.ts';

export interface RpcLinkOptions {
  readonly peer: PeerId;
  readonly protocol: ProtocolName;
  readonly inFlightMax: number;
  readonly idleMs: number;
}

export interface RpcLinkDependencies {
  readonly port: NetworkPort;
  readonly clock: Clock;
  readonly onClosed: () => void;
}

/** Bytes waiting for the transport above which further requests are refused. */
export const unsentBytesMax = 16 * 1024 * 1024;

/** How a request is told of what came of it: any number of items, then one answer or one failure. */
export interface RpcListener {
  readonly onItem?: (item: unknown) => void;
  readonly onAnswer: (answer: unknown) => void;
  readonly onFailure: (error: unknown) => void;
}

/** A request under way. */
export interface RpcRequest {
  /** Forgets the request and tells the remote; nothing more is heard of it. Harmless when it has ended. */
  cancel(): void;
  /** Lets the remote push `count` more items. */
  credit(count: number): void;
}

/** One kept channel to one peer for one protocol: requests by number, answers in any order. */
export class RpcLink {
  readonly #options: RpcLinkOptions;
  readonly #dependencies: RpcLinkDependencies;
  readonly #requests = new Map<number, RpcListener>();
  readonly #stopped = new AbortController();
  #channel: Channel | undefined;
  /** Frames written before the channel is open; bounded by `inFlightMax` (a cancelled one leaves a short frame). */
  #early: Uint8Array[] = [];
  #unsentBytes = 0;
  #nextId = 0;
  #idle: Timer | undefined;
  #owedCredit = new Map<number, number>();
  isClosed = false;

  constructor(options: RpcLinkOptions, dependencies: RpcLinkDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    void this.#run();
  }

  /**
   * Sends a request.
   * @throws {BusyError} with `inFlightMax` requests under way; {@link FrameTooLargeError}.
   */
  request(kind: 'request' | 'subscribe', method: string, body: unknown, listener: RpcListener): RpcRequest {
    const { inFlightMax } = this.#options;
    if (this.#unsentBytes > unsentBytesMax) throw new BusyError('unsent bytes of a channel', unsentBytesMax);
    if (this.#requests.size >= inFlightMax || this.#early.length >= 2 * inFlightMax) {
      throw new BusyError('calls of a channel', inFlightMax);
    }
    const id = this.#nextId;
    const frame = encodeRpcMessage({ kind, id, method, body });
    const { frameBytesMax } = this.#dependencies.port;
    if (frame.byteLength > frameBytesMax) throw new FrameTooLargeError(frame.byteLength, frameBytesMax);
    this.#nextId += 1;
    this.#requests.set(id, listener);
    this.#idle?.cancel();
    this.#idle = undefined;
    this.#write(frame);
    return {
      cancel: () => {
        if (!this.#requests.delete(id)) return;
        this.#owedCredit.delete(id);
        if (!this.isClosed) this.#write(encodeRpcMessage({ kind: 'cancel', id }));
        this.#rest();
      },
      credit: (count) => this.#credit(id, count),
    };
  }

  /** Ends the link; what is under way fails with `reason`. */
  async stop(reason: Condition): Promise<void> {
    this.#stopped.abort(reason);
    this.#close(reason);
    await this.#channel?.close();
  }

  async #run(): Promise<void> {
    const { peer, protocol } = this.#options;
    const { port } = this.#dependencies;
    const wait = { signal: this.#stopped.signal };
    try {
      const channel = await port.dial(peer, protocol, wait);
      this.#channel = channel;
      if (this.#stopped.signal.aborted) return await channel.close();
      for (const frame of this.#early.splice(0)) this.#write(frame);
      this.#rest();
      for (;;) {
        const frame = await channel.receive(wait);
        if (frame === null) break;
        this.#take(parseRpcMessage(frame));
      }
      // A clean end says that the peer is there: no evidence against it.
      this.#close(new PeerUnreachableError(peer));
      await channel.close();
    } catch (error) {
      this.#broke(error);
    }
  }

  #broke(error: unknown): void {
    if (this.isClosed) return;
    const { peer } = this.#options;
    const wasWanted = this.#requests.size > 0;
    this.#channel?.abort(new Condition('rpc-broken', 'the rpc channel broke', { cause: error }));
    const isItsAnswer = error instanceof ProtocolRefusedError || error instanceof BusyError;
    const isKnown = isItsAnswer || error instanceof PeerUnreachableError;
    this.#close(isKnown ? error : new PeerUnreachableError(peer, error));
    if (wasWanted && !isItsAnswer) this.#dependencies.port.report(peer, 'unreachable');
  }

  #close(reason: Condition): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#idle?.cancel();
    this.#early = [];
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    this.#dependencies.onClosed();
    for (const request of requests) request.onFailure(reason);
  }

  #take(message: RpcMessage): void {
    const listener = this.#requests.get(message.id);
    if (listener === undefined) return; // cancelled meanwhile
    switch (message.kind) {
      case 'item':
        listener.onItem?.(message.body);
        return;
      case 'answer':
        this.#end(message.id);
        listener.onAnswer(message.body);
        return;
      case 'end':
        this.#end(message.id);
        listener.onAnswer(undefined);
        return;
      case 'failure': {
        this.#end(message.id);
        const { code, retryable } = message;
        listener.onFailure(new RemoteError(this.#options.peer, code, message.message, retryable));
        return;
      }
      case 'request':
      case 'subscribe':
      case 'cancel':
      case 'credit':
        return; // a server has no business sending these; harmless
    }
  }

  #end(id: number): void {
    this.#requests.delete(id);
    this.#owedCredit.delete(id);
    this.#rest();
  }

  // Half a window at a time: one credit message for many items.
  #credit(id: number, count: number): void {
    if (!this.#requests.has(id)) return;
    const owed = (this.#owedCredit.get(id) ?? 0) + count;
    if (owed * 2 < subscriptionItemsMax) {
      this.#owedCredit.set(id, owed);
      return;
    }
    this.#owedCredit.set(id, 0);
    this.#write(encodeRpcMessage({ kind: 'credit', id, count: owed }));
  }

  #write(frame: Uint8Array): void {
    if (this.#channel === undefined) {
      this.#early.push(frame);
      return;
    }
    this.#unsentBytes += frame.byteLength;
    this.#channel
      .send(frame, { signal: this.#stopped.signal })
      .catch((error: unknown) => this.#broke(error))
      .finally(() => {
        this.#unsentBytes -= frame.byteLength;
      });
  }

  #rest(): void {
    if (this.#requests.size > 0 || this.isClosed || this.#channel === undefined) return;
    this.#idle ??= this.#dependencies.clock.setTimer(() => {
      const channel = this.#channel;
      this.#close(new PeerUnreachableError(this.#options.peer));
      this.#stopped.abort(new Condition('idle', 'the channel was idle'));
      void channel?.close();
    }, this.#options.idleMs);
  }
}
