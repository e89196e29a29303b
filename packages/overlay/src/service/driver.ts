import type { Connection, PeerStore, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { type Clock, errorForLog, type Logger, type Random, type Timer } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { descriptorMemory } from '../codec.ts';
import type { Message } from '../message.ts';
import type { OverlayNode } from '../node/overlay-node.ts';
import type { DeliveredEvent, NodeOutput } from '../overlay-node-types.ts';
import type { Topic } from '../topic.ts';
import type { ServiceCounters } from './counters.ts';
import { type InboundHandlers, InboundStream } from './inbound-stream.ts';
import { Links } from './links.ts';
import { PeerPaces } from './pace.ts';
import { SteadyTime } from './steady-time.ts';

export interface DriverOptions {
  readonly protocol: string;
  readonly linksMax: number;
  readonly outboundBytesMax: number;
  readonly maxInboundStreams: number;
  readonly maxOutboundStreams: number;
  readonly runOnLimitedConnection: boolean;
}

export interface DriverDependencies {
  readonly registrar: Registrar;
  readonly connectionManager: ConnectionManager;
  readonly peerStore: PeerStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly count: ServiceCounters;
  /** The node's own addresses now. */
  readonly addresses: () => readonly string[];
  readonly onEvent: (event: DeliveredEvent) => void;
  readonly onSubscription: (peer: PeerId, topic: Topic, isSubscribed: boolean) => void;
  readonly onWake: () => void;
  /** Whether a peer is connected from a local network, and where it can be dialled there. */
  readonly isLocal: (peer: PeerId) => boolean;
  readonly localAddressesOf: (peer: PeerId) => readonly string[];
}

/** Runs one {@link OverlayNode} on libp2p: its sockets, its timer, its clock. Started once, stopped once. */
export class Driver {
  readonly #options: DriverOptions;
  readonly #deps: DriverDependencies;
  readonly #node: OverlayNode;
  readonly #links: Links;
  readonly #inbound = new Set<InboundStream>();
  readonly #paces = new PeerPaces();
  readonly #time: SteadyTime;
  #outputs: NodeOutput[] = [];
  #isPerforming = false;
  #isStopped = false;
  #topologyId: string | undefined;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #addresses = '';

  constructor(node: OverlayNode, options: DriverOptions, dependencies: DriverDependencies) {
    this.#node = node;
    this.#options = options;
    this.#deps = dependencies;
    this.#time = new SteadyTime(dependencies.clock);
    const { count } = dependencies;
    this.#links = new Links(options, {
      ...dependencies,
      self: node.self,
      stoodStillMs: () => this.#time.stoodStillMs,
      onConnected: (peer, isByOthers) => this.#connected(peer, isByOthers),
      onDisconnected: (peer, why) => this.#gone(peer, why),
      onUnreachable: (peer) => this.run((nowMs) => node.unreachable(peer, nowMs)),
      onDropped: (messages) => {
        for (const { kind } of messages) count.dropped.add(1, { kind: kind === 'event' ? 'event' : 'gossip' });
      },
      onDialled: (isConnected) => count.dials.add(1, { result: isConnected ? 'connected' : 'failed' }),
      addressesOf: (peer) => [...dependencies.localAddressesOf(peer), ...node.addressesOf(peer)],
      wanted: () => this.#wanted(),
    });
  }

  async start(): Promise<void> {
    const { registrar } = this.#deps;
    const { protocol, maxInboundStreams, maxOutboundStreams, runOnLimitedConnection } = this.#options;
    this.run((nowMs) => this.#node.start([], nowMs));
    const onStream = (stream: Stream, connection: Connection) => this.#accept(stream, connection);
    await registrar.handle(protocol, onStream, { maxInboundStreams, maxOutboundStreams, runOnLimitedConnection });
    this.#topologyId = await registrar.register(protocol, {
      notifyOnLimitedConnection: runOnLimitedConnection,
      onConnect: (_peer, connection) => this.#take(connection),
    });
    this.#links.start();
  }

  /** What is queued in this turn is still sent; then every stream ends. */
  async stop(): Promise<void> {
    const { registrar } = this.#deps;
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#time.stop();
    if (this.#topologyId !== undefined) registrar.unregister(this.#topologyId);
    await registrar.unhandle(this.#options.protocol).catch(() => {});
    await this.#links.stop();
    for (const stream of this.#inbound) stream.abort(new Error('the service stops'));
    this.#inbound.clear();
  }

  connected(): PeerId[] {
    return this.#links.connected();
  }

  /** Lets the node do something, and does what it asks for. */
  run(action: (nowMs: number) => readonly NodeOutput[]): void {
    if (this.#isStopped) return;
    this.#perform(action(this.#time.now()));
  }

  /** Tells the node its own addresses, where they are others than before. */
  addressesChanged(): void {
    const addresses = this.#deps.addresses();
    if (addresses.join() === this.#addresses) return;
    this.#addresses = addresses.join();
    this.run((nowMs) => this.#node.setAddresses(addresses, nowMs));
  }

  /** In order, also where doing one thing makes the node ask for more. */
  #perform(outputs: readonly NodeOutput[]): void {
    this.#outputs.push(...outputs);
    if (this.#isPerforming) return;
    this.#isPerforming = true;
    try {
      for (let at = 0; at < this.#outputs.length; at += 1) this.#do(this.#outputs[at] as NodeOutput);
    } finally {
      this.#outputs = [];
      this.#isPerforming = false;
    }
    this.#wakeInTime();
  }

  #do(output: NodeOutput): void {
    if (this.#isStopped) return;
    switch (output.kind) {
      case 'send':
        this.#links.send(output.to, output.message);
        break;
      case 'deliver':
        this.#deps.onEvent(output.event);
        break;
      case 'subscription':
        this.#deps.onSubscription(output.peer, output.topic, output.isSubscribed);
        break;
    }
  }

  /** One timer, for when the node next wants to be woken. Waking early does no harm, so that it is seldom set anew. */
  #wakeInTime(): void {
    const { dueAtMs } = this.#node;
    if (this.#isStopped || dueAtMs >= this.#timerAtMs || dueAtMs === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    this.#timerAtMs = dueAtMs;
    const { clock } = this.#deps;
    const delayMs = Math.min(timerMsMax, Math.max(0, dueAtMs - this.#time.now()));
    const atMs = clock.monotonicMs() + delayMs;
    this.#timer = clock.setTimer(() => this.#wake(clock.monotonicMs() - atMs), delayMs);
  }

  #wake(lateMs: number): void {
    this.#time.cameLate(lateMs);
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.run((nowMs) => this.#node.wake(nowMs));
    this.#wakeInTime();
    this.#deps.onWake();
  }

  #wanted(): readonly PeerId[] {
    this.addressesChanged(); // here because it is asked for regularly: addresses come and go while libp2p runs
    return this.#node.wantedLinks();
  }

  #take(connection: Connection): void {
    if (this.#isStopped || connection.remotePeer.type !== 'Ed25519') return;
    this.#links.take(connection);
  }

  #accept(stream: Stream, connection: Connection): void {
    if (this.#isStopped || connection.remotePeer.type !== 'Ed25519') {
      stream.abort(new Error('not spoken to'));
      return;
    }
    const from = connection.remotePeer.toString() as PeerId; // libp2p's text form is ours
    const handlers: InboundHandlers = {
      onMessages: (messages, signatures) => {
        this.#takeMessages(from, messages);
        this.#hold(from, messages.filter(({ kind }) => kind === 'event').length, signatures, inbound);
      },
      onMalformed: (error, signatures) => {
        this.#hold(from, 0, signatures, inbound);
        this.#deps.count.malformed.add();
        this.#deps.logger.debug('a peer sent what is no message', { peer: from, ...errorForLog(error) });
      },
    };
    const inbound = new InboundStream(stream, descriptorMemory, handlers, connection.multiplexer);
    this.#inbound.add(inbound);
    stream.addEventListener('close', () => this.#inbound.delete(inbound));
    // Who sent too much is not read sooner because it opens another stream.
    this.#hold(from, 0, 0, inbound);
    stream.addEventListener('remoteCloseWrite', () => this.#links.parting(from, connection));
    this.#links.take(connection);
  }

  #takeMessages(from: PeerId, messages: readonly Message[]): void {
    if (this.#isStopped) return;
    this.#links.heard(from);
    for (const message of messages) this.run((nowMs) => this.#node.receive(from, message, nowMs));
  }

  /** Reads nothing more of a peer for a while that sends events, or descriptors never seen, faster than it may. */
  #hold(from: PeerId, events: number, signatures: number, stream: InboundStream): void {
    if (this.#isStopped) return;
    const { clock, count } = this.#deps;
    const waitMs = this.#paces.take(from, { events, signatures }, clock.monotonicMs());
    if (waitMs === 0) return;
    count.pauses.add();
    stream.pause();
    clock.setTimer(() => stream.resume(), waitMs);
  }

  #connected(peer: PeerId, isByOthers: boolean): void {
    // Libp2p redials those whom we tagged: what the overlay knows already is no news from outside.
    const isSeed = isByOthers && this.#node.addressesOf(peer).length === 0;
    this.run((nowMs) => this.#node.connected(peer, nowMs, isSeed));
    if (this.#deps.isLocal(peer)) this.run((nowMs) => this.#node.greet(peer, nowMs));
  }

  #gone(peer: PeerId, why: 'closed' | 'lost'): void {
    this.run((nowMs) => this.#node.disconnected(peer, nowMs, why));
  }
}

/** What timers take at most. */
const timerMsMax = 60_000;
