import { Condition, type WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { PeerUnreachableError } from './errors.ts';
import type { ByteStream, ByteStreamHandler, RelayedStreams, RelayView } from './relayed-streams.ts';

const highWaterBytes = 256 * 1024;

/** A relay in this process, for tests: joins the streams of its clients, can lose their sessions, and sees what passes. */
export class MemoryRelay {
  readonly peerId: PeerId;
  /** Called with every piece that passes: what a relay can read. */
  onPassing: (bytes: Uint8Array) => void = () => {};
  readonly #clients = new Map<PeerId, MemoryRelayClient>();

  constructor(peerId: PeerId) {
    this.peerId = peerId;
  }

  /** A client's access, its session up. */
  join(peer: PeerId): MemoryRelayClient {
    const client = new MemoryRelayClient(this, peer);
    this.#clients.set(peer, client);
    return client;
  }

  clientOf(peer: PeerId): MemoryRelayClient | undefined {
    const client = this.#clients.get(peer);
    return client?.isUp ? client : undefined;
  }
}

/** One peer's session with a {@link MemoryRelay}. */
export class MemoryRelayClient implements RelayedStreams {
  readonly #relay: MemoryRelay;
  readonly #self: PeerId;
  readonly #streams = new Set<MemoryStream>();
  readonly #watchers = new Set<() => void>();
  #handler: ((stream: ByteStream, from: PeerId, relay: PeerId) => void) | undefined;
  #isUp = true;

  constructor(relay: MemoryRelay, self: PeerId) {
    this.#relay = relay;
    this.#self = self;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The session is lost with all its streams, or there again. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    const lost = new Condition('session-lost', 'the relay session was lost', { retryable: true });
    if (!isUp) for (const stream of [...this.#streams]) stream.abort(lost);
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** The peer dies without a word: the relay keeps its streams in case it comes back, and the other ends are told nothing. */
  die(): void {
    for (const stream of this.#streams) stream.mute();
  }

  relays(): readonly RelayView[] {
    return [{ peerId: this.#relay.peerId, isUp: this.#isUp }];
  }

  async dial(relay: PeerId, peer: PeerId, options: WaitOptions = {}): Promise<ByteStream> {
    options.signal?.throwIfAborted();
    const other = relay === this.#relay.peerId && this.#isUp ? this.#relay.clientOf(peer) : undefined;
    if (other === undefined) throw new PeerUnreachableError(peer);
    const near = new MemoryStream((bytes) => this.#relay.onPassing(bytes));
    const far = new MemoryStream((bytes) => this.#relay.onPassing(bytes));
    near.join(far, () => this.#streams.delete(near));
    far.join(near, () => other.#streams.delete(far));
    this.#streams.add(near);
    other.#streams.add(far);
    if (other.#handler === undefined) far.abort(new Condition('refused', 'the peer takes no streams'));
    else other.#handler(far, this.#self, relay);
    return near;
  }

  listen(handler: (stream: ByteStream, from: PeerId, relay: PeerId) => void): Disposable {
    this.#handler = handler;
    return {
      [Symbol.dispose]: () => {
        this.#handler = undefined;
      },
    };
  }

  onChange(handler: () => void): Disposable {
    this.#watchers.add(handler);
    return { [Symbol.dispose]: () => void this.#watchers.delete(handler) };
  }
}

type Arrival = { readonly bytes: Uint8Array } | 'end' | { readonly reason: Condition };

class MemoryStream implements ByteStream {
  readonly #watch: (bytes: Uint8Array) => void;
  readonly #arrived: Arrival[] = [];
  #twin: MemoryStream | undefined;
  #forget: () => void = () => {};
  #handler: ByteStreamHandler | undefined;
  #waitingBytes = 0;
  #isHoldingBack = false;
  #isPaused = false;
  #hasEnded = false;
  #isOtherDone = false;
  #isOver = false;
  #isDelivering = false;
  #isMuted = false;

  constructor(watch: (bytes: Uint8Array) => void) {
    this.#watch = watch;
  }

  join(twin: MemoryStream, forget: () => void): void {
    this.#twin = twin;
    this.#forget = forget;
  }

  start(handler: ByteStreamHandler): void {
    this.#handler = handler;
    this.#deliverSoon();
  }

  send(bytes: Uint8Array): boolean {
    if (this.#hasEnded || this.#isOver) return true;
    this.#watch(bytes);
    return this.#twin?.arrive({ bytes: bytes.slice() }) ?? true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliverSoon();
  }

  end(): void {
    if (this.#hasEnded || this.#isOver) return;
    this.#hasEnded = true;
    this.#twin?.arrive('end');
    if (this.#isOtherDone) this.#finish(null);
  }

  abort(reason: Condition): void {
    if (this.#isOver) return;
    this.#twin?.arrive({
      reason: new Condition('stream-reset', 'the other end broke the stream', { retryable: true }),
    });
    this.#finish(reason);
  }

  /** Nothing comes or goes here any more. */
  mute(): void {
    this.#isMuted = true;
    this.#twin = undefined;
  }

  arrive(arrival: Arrival): boolean {
    if (this.#isOver || this.#isMuted) return true;
    this.#arrived.push(arrival);
    if (typeof arrival === 'object' && 'bytes' in arrival) this.#waitingBytes += arrival.bytes.byteLength;
    this.#deliverSoon();
    this.#isHoldingBack ||= this.#waitingBytes >= highWaterBytes;
    return !this.#isHoldingBack;
  }

  drained(): void {
    if (!this.#isOver) this.#handler?.onDrain();
  }

  #deliverSoon(): void {
    if (this.#isDelivering || this.#handler === undefined) return;
    this.#isDelivering = true;
    queueMicrotask(() => {
      this.#isDelivering = false;
      this.#deliver();
      if (!this.#isHoldingBack || this.#waitingBytes >= highWaterBytes) return;
      this.#isHoldingBack = false;
      this.#twin?.drained();
    });
  }

  #deliver(): void {
    for (let next = this.#arrived[0]; next !== undefined && !this.#isOver; next = this.#arrived[0]) {
      if (typeof next === 'object' && 'reason' in next) {
        this.#finish(next.reason);
        return;
      }
      if (this.#isPaused) return;
      this.#arrived.shift();
      if (next === 'end') {
        this.#isOtherDone = true;
        this.#handler?.onEnd();
        if (this.#hasEnded) this.#finish(null);
      } else {
        this.#waitingBytes -= next.bytes.byteLength;
        this.#handler?.onData(next.bytes);
      }
    }
  }

  #finish(reason: Condition | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#arrived.length = 0;
    this.#forget();
    this.#handler?.onClosed(reason);
  }
}
