import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { Stream } from '@libp2p/interface';
import { type Message, OverlayNode } from '@pulsemesh/overlay/protocol';

/** Counts what all hosts of this process receive: whole messages, bytes of their pubsub streams, bytes of their sockets. */
export class Counting {
  copies = 0;
  pubsubBytes = 0;
  readonly #sockets = new Set<Socket>();
  /** Of sockets that are closed: they are let go, with all that hangs on them. */
  #closedBytes = 0;
  /**
   * Peer ids of attackers that neither carry nor answer any message: so they are spared reading them, as they would be on
   * machines of their own.
   */
  readonly deaf = new Set<string>();

  constructor() {
    const note = (message: unknown) => this.#watchSocket((message as { socket: Socket }).socket); // what these channels carry
    subscribe('net.client.socket', note);
    subscribe('net.server.socket', note);
    this.#watchOverlay();
  }

  /** Of all sockets there ever were. */
  get socketBytes(): number {
    let bytes = this.#closedBytes;
    for (const socket of this.#sockets) bytes += socket.bytesRead;
    return bytes;
  }

  #watchSocket(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#closedBytes += socket.bytesRead;
    });
  }

  /** Called by libp2p for each stream: only what is received counts, as the other end is in this process, too. */
  trackProtocolStream(stream: Stream): void {
    const isPubsub = stream.protocol.startsWith('/meshsub/') || stream.protocol.startsWith('/upsycle/');
    if (!isPubsub || stream.direction === 'outbound') return;
    stream.addEventListener('message', ({ data }) => {
      this.pubsubBytes += data.byteLength;
    });
  }

  trackMultiaddrConnection(): void {}

  /** libp2p asks for functions that are traced; these are left as they are. */
  traceFunction<T>(_name: string, traced: T): T {
    return traced;
  }

  registerMetric = nothing;
  registerMetricGroup = nothing;
  registerCounter = nothing;
  registerCounterGroup = nothing;
  registerHistogram = nothing;
  registerHistogramGroup = nothing;
  registerSummary = nothing;
  registerSummaryGroup = nothing;

  /** Counts whole messages that reach a gossipsub, the one of `peer`, before it looks whether it has them. */
  watch(service: object, peer: string): void {
    if (!('handleReceivedMessage' in service && 'handleIHave' in service)) return;
    const inner = service.handleReceivedMessage as (...given: unknown[]) => unknown; // gossipsub.ts
    const ask = service.handleIHave as (...given: unknown[]) => unknown[]; // gossipsub.ts
    const counting = this;
    service.handleReceivedMessage = async function handle(this: unknown, ...given: unknown[]) {
      if (counting.deaf.has(peer)) return;
      counting.copies += 1;
      await inner.apply(this, given);
    };
    service.handleIHave = function handle(this: unknown, ...given: unknown[]) {
      return counting.deaf.has(peer) ? [] : ask.apply(this, given);
    };
  }

  /** The same for ours, which has one class for all. */
  #watchOverlay(): void {
    const counting = this;
    const inner = OverlayNode.prototype.receive;
    OverlayNode.prototype.receive = function receive(from, message: Message, nowMs) {
      if (aboutEvents.has(message.kind)) {
        if (counting.deaf.has(this.self)) return [];
        if (message.kind === 'event') counting.copies += 1;
      }
      return inner.call(this, from, message, nowMs);
    };
  }
}

const aboutEvents: ReadonlySet<Message['kind']> = new Set(['event', 'have', 'want']);

function nothing() {
  const no = () => {};
  return { update: no, increment: no, decrement: no, reset: no, observe: no, timer: () => no };
}
