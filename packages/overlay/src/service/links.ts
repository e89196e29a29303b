import {
  type Connection,
  KEEP_ALIVE,
  type PeerId as Libp2pPeerId,
  type PeerStore,
  type Stream,
} from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import {
  type Clock,
  errorForLog,
  type Logger,
  type Random,
  startTicker,
  type Ticker,
  withTimeout,
} from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Message } from '../message.ts';
import { DialMemory, dialLimits, isTurnedAway } from './dial-memory.ts';
import { carriesOthers, isKeptBefore } from './doubles.ts';
import { PeerLink } from './peer-link.ts';
import { inboundMost, roomBelow, unneededOf } from './unneeded.ts';

/** Limits of all links together. */
export const linksLimits = {
  dialsAtOnceMax: 8,
  /** Peers waiting to be dialled; more are told unreachable at once. */
  dialsWaitingMax: 256,
  dialMs: 10_000,
  /** A dial that fails while this process stood still for longer says nothing about the peer. */
  stoodStillMsMax: 1_000,
  /** How often wanted links are looked after. */
  tendMs: 1_000,
  /** Of two connections with one peer one is closed after so long: by then both ends know of both. */
  doubleMs: 5_000,
} as const;

/** What the connection manager weighs a ring neighbour's connection with (gossipsub gives its mesh the same). */
const wantedTag = 'upsycle';
const wantedTagValue = 100;
/** What libp2p's circuit relay server tags those with who have a place there. */
const placeTag = 'circuit-relay-source';

export interface LinksOptions {
  readonly protocol: string;
  /**
   * Links above this are closed, of those that this service opened and nobody else uses; above one and a half of it also of
   * those that peers opened.
   */
  readonly linksMax: number;
  readonly outboundBytesMax: number;
  readonly maxOutboundStreams: number;
  readonly runOnLimitedConnection: boolean;
}

export interface LinksDependencies {
  /** The peer whose links these are. */
  readonly self: PeerId;
  readonly connectionManager: Pick<ConnectionManager, 'getConnections' | 'openConnection' | 'getMaxConnections'>;
  readonly peerStore: Pick<PeerStore, 'get' | 'merge'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `isByOthers`: this end opened the connection, and not these links. */
  readonly onConnected: (peer: PeerId, isByOthers: boolean) => void;
  /** `closed`: an end let the connection go for want of room; `lost`: nobody knows why. */
  readonly onDisconnected: (peer: PeerId, why: 'closed' | 'lost') => void;
  /** For how long this process stood still in all, milliseconds: a dial that ran out meanwhile says nothing about the peer. */
  readonly stoodStillMs: () => number;
  /** A peer that something was to be sent to cannot be had. */
  readonly onUnreachable: (peer: PeerId) => void;
  readonly onDropped: (messages: readonly Message[]) => void;
  readonly onDialled: (isConnected: boolean) => void;
  readonly addressesOf: (peer: PeerId) => readonly string[];
  /** Peers to stay connected to, most wanted first. */
  readonly wanted: () => readonly PeerId[];
}

/**
 * Connections as the overlay needs them: opens one for whom there is something to send, keeps those that are wanted, and
 * closes what it opened itself and nobody uses, least recently used first. Of two that dialled each other at once both go
 * on over one connection, and the dialler of the other closes it.
 */
export class Links {
  readonly #options: LinksOptions;
  readonly #deps: LinksDependencies;
  readonly #links = new Map<PeerId, PeerLink>();
  readonly #watched = new WeakMap<Connection, PeerLink>();
  readonly #memory: DialMemory;
  readonly #waiting = new Set<PeerId>();
  readonly #dialling = new Set<PeerId>();
  readonly #stopped = new AbortController();
  #tagged = new Set<PeerId>();
  #isClosing = false;
  #ticker: Ticker | undefined;

  constructor(options: LinksOptions, dependencies: LinksDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#memory = new DialMemory(dependencies.random);
  }

  start(): void {
    const { clock, logger } = this.#deps;
    const onError = (error: unknown) => logger.error('links could not be looked after', errorForLog(error));
    this.#ticker = startTicker(clock, linksLimits.tendMs, () => this.tend(), onError);
  }

  /** Ends every stream; connections this service opened are left to the connection manager. */
  async stop(): Promise<void> {
    this.#ticker?.stop();
    this.#stopped.abort();
    this.#waiting.clear();
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }

  connected(): PeerId[] {
    return [...this.#links.values()].flatMap((link) => (link.connection === undefined ? [] : [link.peer]));
  }

  isConnected(peer: PeerId): boolean {
    return this.#links.get(peer)?.connection !== undefined;
  }

  /** Sends, connecting first where need be. */
  send(peer: PeerId, message: Message): void {
    if (this.#stopped.signal.aborted) return;
    const link = this.#linkTo(peer);
    link.send(message);
    if (link.connection !== undefined || this.#wait(peer, true)) return;
    // Whoever had no room a moment ago may have it at the next look.
    if (!this.#memory.isFull(peer)) this.#unreachable(peer);
  }

  /** The peer was heard from: its link counts as used. */
  heard(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    link.lastUsedMs = this.#deps.clock.monotonicMs();
    link.isParting = false;
  }

  /** The peer has said all it has to say: it is about to let the connection go. A process that dies says no such thing. */
  parting(peer: PeerId, connection: Connection): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    // Where there are two connections the peer only goes on over the other one.
    const isMove = link.connection !== undefined && isKeptBefore(this.#deps.self, link.connection, connection);
    if (!isMove) link.isParting = true;
  }

  /** A connection to a peer that speaks the protocol. */
  take(connection: Connection): void {
    if (this.#stopped.signal.aborted || connection.status !== 'open') return;
    if (connection.limits !== undefined && !this.#options.runOnLimitedConnection) return;
    const link = this.#linkTo(textOf(connection.remotePeer));
    if (link.connection === connection) return;
    this.#watch(link, connection);
    if (link.connection !== undefined) {
      if (isKeptBefore(this.#deps.self, connection, link.connection)) link.moveTo(connection);
      return;
    }
    link.connection = connection;
    link.sinceMs = this.#deps.clock.monotonicMs();
    link.refusals = 0;
    this.#memory.succeeded(link.peer);
    this.#waiting.delete(link.peer);
    this.#deps.onConnected(link.peer, connection.direction === 'outbound' && !this.#dialling.has(link.peer));
    link.flushSoon();
    // Soon nobody could dial us: not at the next look, now.
    if (this.#aboveRoom() > 0) void this.#closeUnneeded(new Set(this.#deps.wanted()));
  }

  /** Dials what is wanted, tags it, and closes what is too much. */
  tend(): void {
    if (this.#stopped.signal.aborted) return;
    const wanted = this.#deps.wanted();
    for (const peer of wanted) if (!this.isConnected(peer)) this.#wait(peer);
    // A stream that broke a moment ago is not opened anew in haste, but is by and by.
    for (const link of this.#links.values()) {
      if (link.connection === undefined) this.#wait(link.peer, true);
      else if (!link.isIdle) link.flushSoon();
    }
    this.#tag(new Set(wanted));
    this.#closeDoubles();
    void this.#closeUnneeded(new Set(wanted));
    if (this.#waiting.size > 0) this.#dialNext();
  }

  #linkTo(peer: PeerId): PeerLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      const { protocol, outboundBytesMax, maxOutboundStreams, runOnLimitedConnection } = this.#options;
      const { clock, logger, onDropped } = this.#deps;
      link = new PeerLink(peer, {
        outboundBytesMax,
        onDropped,
        monotonicMs: () => clock.monotonicMs(),
        openStream: (connection): Promise<Stream> =>
          this.#inTime('opening a stream', (signal) =>
            connection.newStream(protocol, { maxOutboundStreams, runOnLimitedConnection, signal }),
          ),
        onOpenFailed: (error) => logger.debug('no stream could be opened', { peer, ...errorForLog(error) }),
      });
      this.#links.set(peer, link);
    }
    return link;
  }

  /** Puts a peer in line to be dialled, with something to send or only to be connected; false when it may not be. */
  #wait(peer: PeerId, isToSend = false): boolean {
    if (this.#dialling.has(peer) || this.#waiting.has(peer)) return true;
    const isFull = this.#waiting.size >= linksLimits.dialsWaitingMax;
    const nowMs = this.#deps.clock.monotonicMs();
    const mayDial = isToSend ? this.#memory.mayDialToSend(peer, nowMs) : this.#memory.mayDial(peer, nowMs);
    if (isFull || !mayDial) return false;
    this.#waiting.add(peer);
    queueMicrotask(() => this.#dialNext());
    return true;
  }

  #dialNext(): void {
    for (const peer of this.#waiting) {
      if (this.#dialling.size >= linksLimits.dialsAtOnceMax || this.#stopped.signal.aborted) return;
      // Libp2p counts only what is dialled to us: what we dial beyond its limit closes some other connection, whosever it is.
      if (!this.#hasRoom()) {
        void this.#closeUnneeded(new Set(this.#deps.wanted()));
        return;
      }
      this.#waiting.delete(peer);
      if (!this.isConnected(peer)) void this.#dial(peer);
    }
  }

  async #dial(peer: PeerId): Promise<void> {
    const { connectionManager, clock, logger, onDialled } = this.#deps;
    this.#dialling.add(peer);
    const addresses = targetsOf(peer, this.#deps.addressesOf(peer));
    const stoodStillMs = this.#deps.stoodStillMs();
    try {
      const id = peerIdFromString(peer);
      const before = [...connectionManager.getConnections(id)];
      // Without an address of our own knowledge libp2p looks into its peer store.
      const target = addresses.length > 0 ? addresses : id;
      const connection = await this.#inTime('dialling a peer', (signal) =>
        connectionManager.openConnection(target, { signal }),
      );
      const isNew = !before.includes(connection) && connection.direction === 'outbound';
      if (isNew) this.#linkTo(peer).dialled = connection;
      onDialled(true);
      this.take(connection);
      if (!this.isConnected(peer)) this.#unreachable(peer); // a limited connection, or one that closed at once
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      const isFull = isTurnedAway(error);
      this.#memory.failed(peer, clock.monotonicMs(), isFull);
      logger.debug('a peer could not be dialled', { peer, addresses: addresses.length, ...errorForLog(error) });
      onDialled(false);
      if (isFull) {
        this.#turnedAway(peer);
        return;
      }
      // Where no address is known nothing is known of the peer's life either: its answers will be missed, or it comes itself.
      const isExcused = this.#deps.stoodStillMs() - stoodStillMs > linksLimits.stoodStillMsMax;
      if (addresses.length > 0 && !isExcused) this.#unreachable(peer);
      else if (!this.isConnected(peer)) this.#links.delete(peer);
    } finally {
      this.#dialling.delete(peer);
      this.#dialNext();
    }
  }

  #inTime<T>(what: string, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withTimeout(this.#deps.clock, what, linksLimits.dialMs, action, { signal: this.#stopped.signal });
  }

  #unreachable(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link?.connection !== undefined) return;
    this.#links.delete(peer);
    // Not within a call of the node's, which gave what is sent here.
    queueMicrotask(() => {
      if (!this.isConnected(peer)) this.#deps.onUnreachable(peer);
    });
  }

  /** The peer lives, and has no room: what is to be sent waits for some more tries, and nobody holds it for dead. */
  #turnedAway(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link === undefined || link.connection !== undefined) return;
    link.refusals += 1;
    if (!link.isIdle && link.refusals < dialLimits.fullTriesMax) return;
    this.#links.delete(peer);
    this.#deps.onDropped(link.clear());
  }

  #closed(link: PeerLink, connection: Connection): void {
    if (link.dialled === connection) link.dialled = undefined;
    if (link.connection !== connection || this.#links.get(link.peer) !== link) return;
    link.connection = undefined;
    const why = link.isParting ? 'closed' : 'lost';
    link.isParting = false;
    const others = this.#deps.connectionManager.getConnections(peerIdFromString(link.peer));
    for (const other of others) if (other !== connection && link.connection === undefined) this.#use(link, other);
    if (link.connection !== undefined) return;
    this.#links.delete(link.peer);
    void link.close();
    this.#deps.onDisconnected(link.peer, why);
    if (this.#waiting.size > 0 && this.#hasRoom()) this.#dialNext();
  }

  /** Once for a link and a connection, however many streams come over it. */
  #watch(link: PeerLink, connection: Connection): void {
    if (this.#watched.get(connection) === link) return;
    this.#watched.set(connection, link);
    connection.addEventListener('close', () => this.#closed(link, connection), { once: true });
  }

  /** Goes on over another connection that was there all along. */
  #use(link: PeerLink, connection: Connection): void {
    if (connection.status !== 'open') return;
    if (connection.limits !== undefined && !this.#options.runOnLimitedConnection) return;
    this.#watch(link, connection);
    link.connection = connection;
    link.flushSoon();
  }

  /** Closes what both ends have gone on from, when nothing travels over it any more. Only its dialler does. */
  #closeDoubles(): void {
    const { clock, self } = this.#deps;
    const nowMs = clock.monotonicMs();
    for (const link of this.#links.values()) {
      const { dialled, connection } = link;
      const isOpen = dialled?.status === 'open' && connection !== undefined;
      if (!isOpen || !isKeptBefore(self, connection, dialled)) {
        link.doubleSinceMs = undefined;
        continue;
      }
      link.doubleSinceMs ??= nowMs;
      // A stream of ours, of either end, that is still there has something to send.
      if (nowMs - link.doubleSinceMs >= linksLimits.doubleMs && !carriesOthers(dialled, [])) close(dialled);
    }
  }

  /** One after another, since the peer store is asked about each; not again while that goes on. */
  async #closeUnneeded(wanted: ReadonlySet<PeerId>): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    try {
      const nowMs = this.#deps.clock.monotonicMs();
      const connected = [...this.#links.values()].filter((link) => link.connection !== undefined);
      for (const link of connected) if (wanted.has(link.peer)) link.lastWantedMs = nowMs;
      const choice = unneededOf(connected, { ...this.#options, wanted, nowMs });
      const ours = await this.#part(choice.ours, choice.surplus);
      await this.#part(choice.anyone, this.#excess() - ours);
      await this.#part(choice.useless, choice.useless.length);
    } finally {
      this.#isClosing = false;
    }
  }

  /** How many links there are above what peers may make it, or above what leaves room below libp2p's own limit. */
  #excess(): number {
    return Math.max(this.connected().length - inboundMost(this.#options.linksMax), this.#aboveRoom());
  }

  #aboveRoom(): number {
    const { connectionManager } = this.#deps;
    return connectionManager.getConnections().length - connectionManager.getMaxConnections() + this.#room();
  }

  #hasRoom(): boolean {
    return this.#aboveRoom() + this.#dialling.size < this.#room();
  }

  #room(): number {
    return roomBelow(this.#deps.connectionManager.getMaxConnections());
  }

  /** Closes the first `count` of these that nobody else in this program wants kept. Says how many. */
  async #part(links: readonly PeerLink[], count: number): Promise<number> {
    let closed = 0;
    for (const link of links) {
      if (closed >= count) break;
      const { connection } = link;
      if (connection?.status !== 'open' || (await this.#isKept(link.peer))) continue;
      if (link.connection !== connection || this.#stopped.signal.aborted) continue;
      link.isParting = true;
      close(connection);
      closed += 1;
    }
    return closed;
  }

  /** A circuit relay that gave us a place, a peer that has its place with us, whom the DHT holds on to. */
  async #isKept(peer: PeerId): Promise<boolean> {
    try {
      const { tags } = await this.#deps.peerStore.get(peerIdFromString(peer));
      return [...tags.keys()].some((tag) => tag.startsWith(KEEP_ALIVE) || tag === placeTag);
    } catch {
      return false; // nobody the peer store knows
    }
  }

  #tag(wanted: ReadonlySet<PeerId>): void {
    const put = (peer: PeerId, tag: { value: number } | undefined) => {
      const writing = this.#deps.peerStore.merge(peerIdFromString(peer), { tags: { [wantedTag]: tag } });
      writing.catch((error: unknown) => this.#deps.logger.debug('a peer could not be tagged', errorForLog(error)));
    };
    for (const peer of wanted) if (!this.#tagged.has(peer)) put(peer, { value: wantedTagValue });
    for (const peer of this.#tagged) if (!wanted.has(peer)) put(peer, undefined);
    this.#tagged = new Set(wanted);
  }
}

function close(connection: Connection): void {
  connection.close().catch(() => connection.abort(new Error('did not close')));
}

function textOf(peer: Libp2pPeerId): PeerId {
  return peer.toString() as PeerId; // libp2p's text form is ours
}

function targetsOf(peer: PeerId, addresses: readonly string[]): Multiaddr[] {
  return addresses.flatMap((address) => {
    try {
      return [multiaddr(`${address}/p2p/${peer}`)];
    } catch {
      return []; // another peer's word: an address that is none is passed over
    }
  });
}
