import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import {
  assert,
  Condition,
  type Logger,
  raceSignal,
  silentLogger,
  silentMeter,
  type WaitOptions,
  withTimeout,
} from '@pulsemesh/base';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import type { Announcement } from '../announcement.ts';
import { createChannelPair } from '../channel-pair.ts';
import {
  FrameTooLargeError,
  NetworkStoppedError,
  PeerUnreachableError,
  ProtocolRefusedError,
  ProtocolTakenError,
} from '../errors.ts';
import { Hello, helloProtocol } from '../hello.ts';
import type { Libp2pNetwork, Libp2pNetworkDependencies, Libp2pNetworkOptions } from '../libp2p-network.ts';
import type { Channel, Evidence, LivePeer, ProtocolName, RoleName } from '../port.ts';
import { type PubSub, pubSubLimits } from '../pubsub.ts';
import { relayedListen } from '../relayed-address.ts';
import { defaultRoster, Roster } from '../roster.ts';
import { roleKey } from '../workers.ts';
import { Directory } from './directory.ts';
import { type Host, hostLimits } from './host.ts';
import { inboxBytesMax, StreamChannel } from './stream-channel.ts';

export const frameBytesMax = 2 * 1024 * 1024;

type Handler = (channel: Channel) => Promise<void>;

/** The port over one libp2p host. Made and started by `startDriver`. */
export class Driver implements Libp2pNetwork {
  readonly self: PeerId;
  readonly frameBytesMax = frameBytesMax;
  readonly pubsub: PubSub | undefined;
  readonly #options: Libp2pNetworkOptions;
  readonly #dependencies: Libp2pNetworkDependencies;
  readonly #logger: Logger;
  readonly #host: Host;
  readonly #roster: Roster;
  readonly #trusted: ReadonlySet<string> | undefined;
  readonly #startedMs: number;
  readonly #handlers = new Map<ProtocolName, Handler>();
  readonly #topics = new Map<string, Set<(data: Uint8Array, from: PeerId) => void>>();
  readonly #watchers = new Set<() => void>();
  readonly #owned = new AsyncDisposableStack();
  readonly #stopped = new AbortController();
  #hello: Hello | undefined;
  #directory: Directory | undefined;
  #seenRevision = -1;

  constructor(options: Libp2pNetworkOptions, dependencies: Libp2pNetworkDependencies, host: Host) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#logger = dependencies.logger ?? silentLogger;
    this.#host = host;
    this.pubsub = host.pubsub;
    this.self = host.libp2p.peerId.toString() as PeerId; // libp2p's text form is ours
    this.#startedMs = Math.floor(dependencies.clock.now());
    const { peers } = options.trust;
    this.#trusted = peers === 'all' ? undefined : new Set(peers);
    this.#roster = new Roster(
      this.self,
      { ...defaultRoster, ...options.roster },
      { random: dependencies.random, isTrusted: (peer) => this.isTrusted(peer) },
    );
  }

  async start(): Promise<void> {
    const { libp2p } = this.#host;
    const { clock, random, meter } = this.#dependencies;
    this.#owned.defer(() => this.#host.close());
    this.#owned.defer(() => libp2p.stop());
    this.#listenToMessages();
    await this.#knowStoredPeers();
    // Before the start, so that the first identify already says that hello is spoken here.
    const hello = new Hello(this.#announcement(), {
      roster: this.#roster,
      transport: {
        dial: (peer, protocol, wait) => this.dial(peer, protocol, wait),
        serve: (protocol, handler) => this.serve(protocol, handler),
        publish: (topic, data) => this.publish(topic, data),
        subscribe: (topic, handler) => this.subscribe(topic, handler),
        connect: (peer, addresses) => this.#connect(peer, addresses),
        hangUp: (peer) => void libp2p.hangUp(peerIdFromString(peer)).catch(() => {}),
      },
      clock,
      random,
      logger: this.#logger,
      mayVouch: (peer) => this.#options.allow?.includes(peer) ?? true,
      hasPubSub: this.pubsub !== undefined,
      onChange: () => this.#rosterMayHaveChanged(),
    });
    this.#hello = hello;
    await libp2p.register(helloProtocol, {
      onConnect: (peer) => hello.connected(peer.toString() as PeerId),
      onDisconnect: (peer) => hello.disconnected(peer.toString() as PeerId),
    });
    await libp2p.start();
    this.#owned.use(hello);
    for (const topic of this.#topics.keys()) this.pubsub?.subscribe(topic);
    libp2p.addEventListener('self:peer:update', () => this.#announceAgain());
    this.#announceAgain();
    this.#watchRelays();
    this.#directory = this.#owned.use(
      new Directory({
        routing: libp2p.contentRouting,
        clock,
        random,
        logger: this.#logger,
        meter: meter ?? silentMeter,
      }),
    );
    for (const role of this.#options.roles) this.provide(roleKey(role));
    this.#dialConfigured();
    hello.dialNow();
    this.#logger.info('the network is up', { peer: this.self, roles: this.#options.roles.join(' ') });
  }

  addresses(): readonly string[] {
    return this.#host.libp2p.getMultiaddrs().map((address) => address.toString());
  }

  connections(): readonly PeerId[] {
    return this.#host.libp2p
      .getPeers()
      .map((peer) => peer.toString() as PeerId)
      .sort();
  }

  async dial(peer: PeerId, protocol: ProtocolName, options: WaitOptions = {}): Promise<Channel> {
    options.signal?.throwIfAborted();
    if (this.#stopped.signal.aborted) throw new NetworkStoppedError();
    if (peer === this.self) return this.#dialSelf(protocol);
    const open = async (signal: AbortSignal): Promise<Channel> => {
      const id = peerIdFromString(peer);
      const connection =
        this.#openConnection(id) ?? (await this.#host.libp2p.dial(this.#targetOf(peer, id), { signal }));
      const stream = await connection.newStream(protocol, { signal, maxOutboundStreams: hostLimits.streamsMax });
      return new StreamChannel(stream, peer, frameBytesMax);
    };
    try {
      return await withTimeout(this.#dependencies.clock, 'dialling a peer', hostLimits.dialMs, open, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
        throw new ProtocolRefusedError(peer, protocol, error);
      }
      throw new PeerUnreachableError(peer, error);
    }
  }

  serve(protocol: ProtocolName, handler: Handler): Disposable {
    if (this.#handlers.has(protocol)) throw new ProtocolTakenError(protocol);
    this.#handlers.set(protocol, handler);
    const { libp2p } = this.#host;
    const onStream = (stream: Stream, connection: Connection) => {
      const remote = connection.remotePeer.toString() as PeerId;
      this.#handle(new StreamChannel(stream, remote, frameBytesMax), handler);
    };
    const limits = { maxInboundStreams: hostLimits.streamsMax, maxOutboundStreams: hostLimits.streamsMax };
    this.#say('serving a protocol', libp2p.handle(protocol, onStream, limits));
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(protocol) !== handler) return;
        this.#handlers.delete(protocol);
        this.#say('ending a protocol', libp2p.unhandle(protocol));
      },
    };
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    if (this.#stopped.signal.aborted) throw new NetworkStoppedError();
    assert(this.pubsub !== undefined, 'a bootstrap publishes nothing');
    const { messageBytesMax } = pubSubLimits;
    if (data.byteLength > messageBytesMax) throw new FrameTooLargeError(data.byteLength, messageBytesMax);
    await this.pubsub.publish(topic, data);
  }

  subscribe(topic: string, handler: (data: Uint8Array, from: PeerId) => void): Disposable {
    assert(this.pubsub !== undefined, 'a bootstrap subscribes to nothing');
    const handlers = this.#topics.get(topic) ?? new Set();
    handlers.add(handler);
    if (!this.#topics.has(topic)) {
      this.#topics.set(topic, handlers);
      if (this.#host.libp2p.status === 'started') this.pubsub.subscribe(topic);
    }
    return {
      [Symbol.dispose]: () => {
        handlers.delete(handler);
        if (handlers.size > 0 || this.#topics.get(topic) !== handlers) return;
        this.#topics.delete(topic);
        if (this.#host.libp2p.status === 'started') this.pubsub?.unsubscribe(topic);
      },
    };
  }

  provide(key: string): void {
    this.#directory?.provide(key);
  }

  withdraw(key: string): void {
    this.#directory?.withdraw(key);
  }

  async lookUp(key: string, options: WaitOptions = {}): Promise<readonly PeerId[]> {
    if (this.#directory === undefined || this.#stopped.signal.aborted) throw new NetworkStoppedError();
    return this.#directory.lookUp(key, options);
  }

  livePeers(role?: RoleName): readonly LivePeer[] {
    return this.#roster.livePeers(role);
  }

  onRosterChange(handler: () => void): Disposable {
    this.#watchers.add(handler);
    return { [Symbol.dispose]: () => void this.#watchers.delete(handler) };
  }

  report(peer: PeerId, evidence: Evidence): void {
    this.#roster.report(peer, evidence, this.#dependencies.clock.monotonicMs());
    this.#rosterMayHaveChanged();
  }

  isTrusted(peer: PeerId): boolean {
    return peer === this.self || this.#trusted === undefined || this.#trusted.has(peer);
  }

  /** Stops `part` before the network itself. */
  own(part: AsyncDisposable): void {
    this.#owned.use(part);
  }

  /** An elected bootstrap, which no allow-list can name: some allowed peer said that it is one. */
  isVouchedFor(peer: PeerId): boolean {
    return this.#roster.isVouched(peer);
  }

  isSuccessor(peer: PeerId): boolean {
    return this.#roster.isSuccessor(peer);
  }

  /** `peer` is about to be this node's own elected bootstrap. */
  vouch(peer: PeerId): void {
    this.#roster.vouch(peer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new NetworkStoppedError());
    this.#watchers.clear();
    try {
      await this.#owned.disposeAsync();
    } catch (error) {
      this.#logger.warn('the network did not stop cleanly', { text: error instanceof Error ? error.message : '' });
    }
  }

  #announcement(): Announcement {
    const all = this.#host.libp2p.getMultiaddrs().map((address) => withoutPeer(address));
    const distant = all.filter((address) => !isLoopback(address));
    const isLocalToo = this.#options.announceLoopback ?? distant.every((address) => address.includes(relayedListen));
    return {
      roles: this.#options.roles,
      addresses: (isLocalToo ? all : distant).slice(0, 16),
      pid: this.#options.pid ?? process.pid,
      startedMs: this.#startedMs,
      isSuccessor: this.#options.isSuccessor === true,
      isLeaving: false,
    };
  }

  #announceAgain(): void {
    const announcement = this.#announcement();
    if (this.#hello?.announcement.addresses.join() !== announcement.addresses.join())
      this.#hello?.announce(announcement);
  }

  // What could not be reached for want of a relay can be tried now.
  #watchRelays(): void {
    const { relayed } = this.#options;
    if (relayed === undefined) return;
    const upNow = () => new Set(relayed.relays().flatMap((relay) => (relay.isUp ? [relay.peerId] : [])));
    let up = upNow();
    const watch = relayed.onChange(() => {
      const before = up;
      up = upNow();
      this.#announceAgain(); // libp2p itself takes a second to notice
      if ([...up].every((relay) => before.has(relay))) return;
      this.#roster.redialSoon(this.#dependencies.clock.monotonicMs());
    });
    this.#owned.use(watch);
  }

  #dialSelf(protocol: ProtocolName): Channel {
    const handler = this.#handlers.get(protocol);
    if (handler === undefined) throw new ProtocolRefusedError(this.self, protocol);
    const ends = [this.self, this.self] as const;
    const [near, far] = createChannelPair({ ends, frameBytesMax, highWaterBytes: inboxBytesMax });
    this.#handle(far, handler);
    return near;
  }

  #handle(channel: Channel, handler: Handler): void {
    handler(channel).catch((error: unknown) => {
      channel.abort(error instanceof Condition ? error : new Condition('internal', 'the handler failed'));
    });
  }

  #openConnection(id: Libp2pPeerId): Connection | undefined {
    return this.#host.libp2p.getConnections(id).find((connection) => connection.status === 'open');
  }

  // What the peer said of itself, else what libp2p finds in its peer store and the DHT.
  #targetOf(peer: PeerId, id: Libp2pPeerId): Libp2pPeerId | Multiaddr[] {
    const addresses = this.#roster.livePeers().find((live) => live.id === peer)?.addresses ?? [];
    return addresses.length === 0 ? id : toMultiaddrs(peer, addresses);
  }

  async #connect(peer: PeerId, addresses: readonly string[]): Promise<void> {
    const targets = toMultiaddrs(peer, addresses);
    if (this.#openConnection(peerIdFromString(peer)) !== undefined) return;
    if (targets.length === 0) throw new PeerUnreachableError(peer);
    await raceSignal(this.#host.libp2p.dial(targets), this.#stopped.signal);
  }

  async #knowStoredPeers(): Promise<void> {
    const nowMs = this.#dependencies.clock.monotonicMs();
    for (const { id, addresses } of await this.#host.libp2p.peerStore.all({ limit: 128 })) {
      const known = addresses.slice(0, 16).map((address) => withoutPeer(address.multiaddr));
      this.#roster.hinted({ id: id.toString() as PeerId, addresses: known, isSuccessor: false }, nowMs);
    }
  }

  #dialConfigured(): void {
    const { clock } = this.#dependencies;
    const byPeer = new Map<PeerId, string[]>();
    for (const text of this.#options.bootstrap) {
      const address = multiaddr(text);
      // The last one: those before it are relays.
      const id = address.getComponents().findLast((component) => component.name === 'p2p')?.value;
      if (id === undefined) this.#dialNameless(address);
      else byPeer.set(parsePeerId(id), [...(byPeer.get(parsePeerId(id)) ?? []), withoutPeer(address)]);
    }
    for (const [id, addresses] of byPeer) this.#roster.pin({ id, addresses, isSuccessor: false }, clock.monotonicMs());
  }

  // An address without a peer id: whoever answers there is remembered; until then it is tried again.
  #dialNameless(address: Multiaddr): void {
    if (this.#stopped.signal.aborted) return;
    const { clock } = this.#dependencies;
    this.#host.libp2p.dial(address).then(
      (connection) => {
        const id = connection.remotePeer.toString() as PeerId;
        this.#roster.pin({ id, addresses: [withoutPeer(address)], isSuccessor: false }, clock.monotonicMs());
      },
      () => void clock.setTimer(() => this.#dialNameless(address), 5_000),
    );
  }

  #listenToMessages(): void {
    this.pubsub?.addEventListener('message', (event) => {
      const message = event.detail;
      if (message.type !== 'signed' || message.data.byteLength > pubSubLimits.messageBytesMax) return;
      const from = message.from.toString() as PeerId;
      for (const handler of this.#topics.get(message.topic) ?? []) handler(message.data, from);
    });
  }

  #rosterMayHaveChanged(): void {
    if (this.#roster.revision === this.#seenRevision || this.#stopped.signal.aborted) return;
    this.#seenRevision = this.#roster.revision;
    for (const watcher of [...this.#watchers]) watcher();
  }

  #say(what: string, promise: Promise<void>): void {
    promise.catch((error: unknown) => {
      this.#logger.warn('libp2p refused', { what, text: error instanceof Error ? error.message : '' });
    });
  }
}

function toMultiaddrs(peer: PeerId, addresses: readonly string[]): Multiaddr[] {
  const parsed: Multiaddr[] = [];
  for (const address of addresses) {
    try {
      parsed.push(multiaddr(`${address}/p2p/${peer}`));
    } catch {
      // another peer's word: an address that is none is passed over
    }
  }
  return parsed;
}

function withoutPeer(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '');
}

export function isLoopback(address: string): boolean {
  return address.startsWith('/ip4/127.') || address.startsWith('/ip6/::1/');
}
