import {
  Condition,
  errorForLog,
  type Logger,
  type Meter,
  silentLogger,
  silentMeter,
  type WaitOptions,
} from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { BusyError, FrameTooLargeError, NetworkStoppedError } from './errors.ts';
import type { Channel, NetworkPort, ProtocolName } from './port.ts';
import { encodeRpcMessage, parseRpcMessage, type RpcMessage, subscriptionItemsMax } from './rpc-messages.ts';

/** Who called; the signal aborts when the caller gives up or goes. */
export interface RpcCall {
  readonly from: PeerId;
  readonly signal: AbortSignal;
}

/**
 * Answers one method. A promise is the answer to `call`, an async iterable the pushes to `subscribe`.
 * A thrown {@link Condition} reaches the caller with its code, text and `retryable`; anything else as `internal`.
 */
export type RpcMethod = (body: unknown, call: RpcCall) => Promise<unknown> | AsyncIterable<unknown>;

/** What a method resolves with to leave its caller without any answer (a busy worker stays silent). */
export const noAnswer: unique symbol = Symbol('no answer');

export interface RpcServerOptions {
  /** Refuses callers the port does not trust, with code `untrusted`. Default false. */
  readonly requireTrusted?: boolean;
  /** Requests of one channel being worked on; more are refused with `busy`. Default 256. */
  readonly inFlightMax?: number;
  /** Channels open at once, and as many again for peers not trusted; more are broken at once. Default 512. */
  readonly channelsMax?: number;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

/** Channels of one protocol that one peer may have open: a client needs one. */
export const channelsOfPeerMax = 8;

/** Channels that peers not trusted may have open, all together, on a protocol that only tells them so. */
export const strangersMax = 16;

/** Answer bytes waiting for the transport above which no further request of the channel is read. */
const unsentBytesMax = 4 * 1024 * 1024;

/**
 * Serves `methods` on `protocol` to whoever dials. Dispose to stop: open channels break.
 * @throws {ProtocolTakenError} when the protocol has a handler.
 */
export function serveRpc(
  port: NetworkPort,
  protocol: ProtocolName,
  methods: Readonly<Record<string, RpcMethod>>,
  options: RpcServerOptions = {},
): Disposable {
  const table = new Map(Object.entries(methods));
  const channelsMax = options.channelsMax ?? 512;
  const sessions = new Set<RpcServerSession>();
  const refused = (options.meter ?? silentMeter).counter('rpc_refused_total', 'Rpc channels and requests refused', [
    'reason',
  ]);
  const logger = options.logger ?? silentLogger;
  const open = new Map<PeerId, number>();
  let openCount = 0;
  let strangers = 0;
  const served = port.serve(protocol, async (channel) => {
    // Strangers have a room of their own: however many come, those who are trusted find a channel.
    const isStranger = !port.isTrusted(channel.remote);
    const isRefused = isStranger && options.requireTrusted === true;
    const roomMax = isRefused ? strangersMax : channelsMax;
    const ofPeer = open.get(channel.remote) ?? 0;
    if ((isStranger ? strangers : openCount) >= roomMax || ofPeer >= channelsOfPeerMax) {
      refused.add(1, { reason: 'channels' });
      channel.abort(new BusyError('rpc channels', ofPeer >= channelsOfPeerMax ? channelsOfPeerMax : roomMax));
      return;
    }
    if (isStranger) strangers += 1;
    else openCount += 1;
    open.set(channel.remote, ofPeer + 1);
    try {
      if (isRefused) refused.add(1, { reason: 'untrusted' });
      await (isRefused ? refuseStranger(channel) : serveChannel(channel));
    } catch (error) {
      logger.debug('rpc channel ended', { protocol, peer: channel.remote, code: codeOf(error) });
      channel.abort(error instanceof Condition ? error : new Condition('internal', 'the rpc session failed'));
    } finally {
      if (isStranger) strangers -= 1;
      else openCount -= 1;
      const left = (open.get(channel.remote) ?? 1) - 1;
      if (left > 0) open.set(channel.remote, left);
      else open.delete(channel.remote);
    }
  });
  const serveChannel = async (channel: Channel): Promise<void> => {
    const onRefused = (reason: string) => refused.add(1, { reason });
    const inFlightMax = options.inFlightMax ?? 256;
    const session = new RpcServerSession(channel, table, inFlightMax, port.frameBytesMax, onRefused, logger);
    sessions.add(session);
    try {
      await session.run();
    } finally {
      session.stop();
      sessions.delete(session);
    }
  };
  return {
    [Symbol.dispose]() {
      served[Symbol.dispose]();
      for (const session of sessions) session.stop();
    },
  };
}

// The first question is answered with the reason, so that the caller knows; then the channel ends.
async function refuseStranger(channel: Channel): Promise<void> {
  const frame = await channel.receive();
  if (frame !== null) {
    const { id } = parseRpcMessage(frame);
    const message = 'this peer serves trusted peers only';
    await channel.send(encodeRpcMessage({ kind: 'failure', id, code: 'untrusted', message, retryable: false }));
  }
  await channel.close();
}

interface ServerEntry {
  readonly controller: AbortController;
  credit: number;
  onCredit: (() => void) | undefined;
}

class RpcServerSession {
  readonly #channel: Channel;
  readonly #methods: ReadonlyMap<string, RpcMethod>;
  readonly #inFlightMax: number;
  readonly #frameBytesMax: number;
  readonly #onRefused: (reason: string) => void;
  readonly #logger: Logger;
  readonly #entries = new Map<number, ServerEntry>();
  readonly #ended = new AbortController();
  #unsentBytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(
    channel: Channel,
    methods: ReadonlyMap<string, RpcMethod>,
    inFlightMax: number,
    frameBytesMax: number,
    onRefused: (reason: string) => void,
    logger: Logger,
  ) {
    this.#channel = channel;
    this.#methods = methods;
    this.#inFlightMax = inFlightMax;
    this.#frameBytesMax = frameBytesMax;
    this.#onRefused = onRefused;
    this.#logger = logger;
  }

  async run(): Promise<void> {
    const wait: WaitOptions = { signal: this.#ended.signal };
    for (;;) {
      if (this.#unsentBytes > unsentBytesMax) await this.#untilRoom();
      const frame = await this.#channel.receive(wait);
      if (frame === null) return await this.#channel.close();
      this.#take(parseRpcMessage(frame));
    }
  }

  stop(): void {
    if (this.#ended.signal.aborted) return;
    const reason = new NetworkStoppedError();
    this.#ended.abort(reason);
    for (const entry of this.#entries.values()) entry.controller.abort(reason);
    this.#entries.clear();
    this.#releaseRoom();
  }

  #take(message: RpcMessage): void {
    switch (message.kind) {
      case 'request':
      case 'subscribe':
        this.#start(message.id, message.method, message.body);
        return;
      case 'cancel':
        this.#entries.get(message.id)?.controller.abort(new Condition('cancelled', 'the caller gave up'));
        return;
      case 'credit': {
        const entry = this.#entries.get(message.id);
        if (entry === undefined) return;
        entry.credit = Math.min(entry.credit + message.count, subscriptionItemsMax);
        entry.onCredit?.();
        return;
      }
      case 'answer':
      case 'failure':
      case 'item':
      case 'end':
        return; // a caller has no business sending these; harmless
    }
  }

  #start(id: number, name: string, body: unknown): void {
    const method = this.#methods.get(name);
    if (method === undefined) {
      this.#fail(id, new Condition('no-such-method', 'no such method'));
      return;
    }
    if (this.#entries.size >= this.#inFlightMax || this.#entries.has(id)) {
      this.#onRefused('busy');
      this.#fail(id, new BusyError('requests of a channel', this.#inFlightMax));
      return;
    }
    const entry: ServerEntry = {
      controller: new AbortController(),
      credit: subscriptionItemsMax,
      onCredit: undefined,
    };
    this.#entries.set(id, entry);
    void this.#work(id, entry, method, body);
  }

  async #work(id: number, entry: ServerEntry, method: RpcMethod, body: unknown): Promise<void> {
    try {
      const result = method(body, { from: this.#channel.remote, signal: entry.controller.signal });
      if (isIterable(result)) await this.#push(id, entry, result);
      else {
        const answer = await result;
        if (answer !== noAnswer && !entry.controller.signal.aborted) this.#send({ kind: 'answer', id, body: answer });
      }
    } catch (error) {
      if (!entry.controller.signal.aborted) this.#fail(id, error);
    } finally {
      if (this.#entries.get(id) === entry) this.#entries.delete(id);
    }
  }

  async #push(id: number, entry: ServerEntry, items: AsyncIterable<unknown>): Promise<void> {
    const { signal } = entry.controller;
    const iterator = items[Symbol.asyncIterator]();
    const aborted = Promise.withResolvers<{ done: true; value: undefined }>();
    const onAbort = () => {
      aborted.resolve({ done: true, value: undefined });
      entry.onCredit?.();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      for (;;) {
        while (entry.credit === 0 && !signal.aborted) {
          await new Promise<void>((resolve) => {
            entry.onCredit = resolve;
          });
        }
        const next = await Promise.race([iterator.next(), aborted.promise]);
        if (signal.aborted) return;
        if (next.done) return this.#send({ kind: 'end', id });
        entry.credit -= 1;
        this.#send({ kind: 'item', id, body: next.value });
        if (this.#unsentBytes > unsentBytesMax) await this.#untilRoom();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      // Not awaited: an iterator stuck in its own wait would hold the entry for ever.
      void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  #fail(id: number, error: unknown): void {
    if (!(error instanceof Condition)) {
      this.#logger.error('rpc method failed', { peer: this.#channel.remote, ...errorForLog(error) });
    }
    this.#send(
      error instanceof Condition
        ? { kind: 'failure', id, code: error.code, message: error.message, retryable: error.retryable }
        : { kind: 'failure', id, code: 'internal', message: 'the peer failed to answer', retryable: true },
    );
  }

  #send(message: RpcMessage): void {
    if (this.#ended.signal.aborted) return;
    const frame = encodeRpcMessage(message);
    if (frame.byteLength > this.#frameBytesMax) {
      if (message.kind !== 'failure')
        this.#fail(message.id, new FrameTooLargeError(frame.byteLength, this.#frameBytesMax));
      return;
    }
    this.#unsentBytes += frame.byteLength;
    this.#channel
      .send(frame, { signal: this.#ended.signal })
      .catch(() => this.stop())
      .finally(() => {
        this.#unsentBytes -= frame.byteLength;
        if (this.#unsentBytes * 2 <= unsentBytesMax) this.#releaseRoom();
      });
  }

  async #untilRoom(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#room ??= Promise.withResolvers<void>();
    await this.#room.promise;
  }

  #releaseRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function isIterable(value: Promise<unknown> | AsyncIterable<unknown>): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value;
}

function codeOf(error: unknown): string {
  return error instanceof Condition ? error.code : 'internal';
}
