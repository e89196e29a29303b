import { type Clock, type Logger, type Random, startTicker, type Ticker } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Announcement, announcementLimits, encodeHello, type HelloMessage, parseHello } from './announcement.ts';
import { PeerUnreachableError } from './errors.ts';
import type { Channel, NetworkPort, ProtocolName } from './port.ts';
import type { Roster } from './roster.ts';

export const helloProtocol: ProtocolName = '/pulsemesh/hello/1';
/** Published announcements: for peers that have no connection to each other. */
export const peersTopic = 'pulsemesh/peers/1';

export const helloPeriods = {
  tickMs: 250,
  beatMs: 1_500,
  /** Between two lists of new peers to one neighbour. */
  hintsMs: 250,
  /** Between two published announcements: each costs every subscriber milliseconds of CPU. */
  publishMs: 10_000,
  /** A broken hello channel is opened again after so long. */
  reopenMs: 1_000,
} as const;

/** What the driver does for the roster. */
export interface HelloTransport extends Pick<NetworkPort, 'dial' | 'serve' | 'publish' | 'subscribe'> {
  connect(peer: PeerId, addresses: readonly string[]): Promise<void>;
  hangUp(peer: PeerId): void;
}

export interface HelloDependencies {
  readonly roster: Roster;
  readonly transport: HelloTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Whose word on an elected bootstrap counts. */
  readonly mayVouch: (peer: PeerId) => boolean;
  /** False for bootstraps, which do not publish. */
  readonly hasPubSub: boolean;
  /** Told after the roster may have changed. */
  readonly onChange: () => void;
}

interface Neighbour {
  channel: Channel | undefined;
  openMs: number;
  isSending: boolean;
  /** Of whom it was told, and with which addresses. */
  readonly told: Map<PeerId, string>;
}

/**
 * Keeps the roster fed: on each connection a channel each way carries who I am, whom I know, and a beat that
 * says the process still runs. Needs the driver to say who is connected.
 */
export class Hello implements AsyncDisposable {
  readonly #dependencies: HelloDependencies;
  readonly #neighbours = new Map<PeerId, Neighbour>();
  readonly #owned = new DisposableStack();
  readonly #ticker: Ticker;
  #announcement: Announcement;
  #revision = -1;
  #beatMs = 0;
  #hintsMs = 0;
  #publishMs: number;
  #isStopped = false;

  constructor(announcement: Announcement, dependencies: HelloDependencies) {
    this.#dependencies = dependencies;
    this.#announcement = announcement;
    const { roster, transport, clock, random, logger, hasPubSub } = dependencies;
    roster.setSelf(announcement);
    this.#owned.use(transport.serve(helloProtocol, (channel) => this.#listen(channel)));
    if (hasPubSub) this.#owned.use(transport.subscribe(peersTopic, (data, from) => this.#published(data, from)));
    this.#publishMs = clock.monotonicMs() + 1_000 * (1 + random.float());
    this.#ticker = startTicker(
      clock,
      helloPeriods.tickMs,
      () => this.#tick(),
      (error) => logger.error('the roster’s tick failed', { text: error instanceof Error ? error.message : '' }),
    );
  }

  get announcement(): Announcement {
    return this.#announcement;
  }

  /** Tells everybody what has changed about this peer. */
  announce(announcement: Announcement): void {
    this.#announcement = announcement;
    this.#dependencies.roster.setSelf(announcement);
    for (const [peer, neighbour] of this.#neighbours)
      this.#send(peer, neighbour, { kind: 'announcement', announcement });
    this.#settle();
  }

  /** The transport has a connection to `peer`, and `peer` speaks the hello protocol. */
  connected(peer: PeerId): void {
    if (this.#isStopped || this.#neighbours.has(peer)) return;
    const neighbour: Neighbour = { channel: undefined, openMs: 0, isSending: false, told: new Map() };
    this.#neighbours.set(peer, neighbour);
    this.#dependencies.roster.connected(peer, this.#nowMs());
    void this.#open(peer, neighbour);
  }

  disconnected(peer: PeerId): void {
    this.#neighbours.delete(peer);
    this.#dependencies.roster.disconnected(peer, this.#nowMs());
    this.#settle();
  }

  /** Says goodbye, so that nobody has to notice. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#ticker.stop();
    this.#owned.dispose();
    const frame = encodeHello({ kind: 'announcement', announcement: { ...this.#announcement, isLeaving: true } });
    const neighbours = [...this.#neighbours.values()];
    this.#neighbours.clear();
    const farewell = neighbours.map(async ({ channel }) => {
      await channel?.send(frame);
      await channel?.close();
    });
    await Promise.allSettled(farewell);
  }

  async #open(peer: PeerId, neighbour: Neighbour): Promise<void> {
    neighbour.openMs = this.#nowMs() + helloPeriods.reopenMs;
    try {
      const channel = await this.#dependencies.transport.dial(peer, helloProtocol);
      if (this.#neighbours.get(peer) !== neighbour) return await channel.close();
      neighbour.channel = channel;
      neighbour.told.clear();
      this.#send(peer, neighbour, { kind: 'announcement', announcement: this.#announcement });
      this.#tellPeers(peer, neighbour);
      // Nothing comes this way; the wait ends when the channel does.
      while ((await channel.receive()) !== null);
      neighbour.channel = undefined;
      await channel.close();
    } catch {
      neighbour.channel = undefined; // opened again by the tick while the connection is there
    }
  }

  async #listen(channel: Channel): Promise<void> {
    const { roster, logger } = this.#dependencies;
    for (;;) {
      const frame = await channel.receive();
      if (frame === null) return await channel.close();
      const message = parseHello(frame);
      switch (message.kind) {
        case 'announcement':
          roster.announced(channel.remote, message.announcement, 'directly', this.#nowMs());
          logger.debug('a peer said who it is', { peer: channel.remote, isLeaving: message.announcement.isLeaving });
          break;
        case 'beat':
          roster.heard(channel.remote, this.#nowMs());
          break;
        case 'peers':
          for (const hint of message.peers) {
            if (hint.isSuccessor && this.#dependencies.mayVouch(channel.remote)) roster.vouch(hint.id);
            roster.hinted(hint, this.#nowMs());
          }
          this.dialNow();
          break;
      }
      this.#settle();
    }
  }

  #published(data: Uint8Array, from: PeerId): void {
    try {
      const message = parseHello(data);
      if (message.kind !== 'announcement') return;
      this.#dependencies.roster.announced(from, message.announcement, 'published', this.#nowMs());
      this.#settle();
    } catch {
      // not an announcement of ours: nothing to learn from it
    }
  }

  #tick(): void {
    if (this.#isStopped) return;
    const nowMs = this.#nowMs();
    this.dialNow();
    const isBeat = nowMs - this.#beatMs >= helloPeriods.beatMs - helloPeriods.tickMs / 2;
    if (isBeat) this.#beatMs = nowMs;
    const { roster } = this.#dependencies;
    const hasNews = roster.revision !== this.#revision && nowMs - this.#hintsMs >= helloPeriods.hintsMs;
    if (hasNews) {
      this.#revision = roster.revision;
      this.#hintsMs = nowMs;
    }
    for (const [peer, neighbour] of this.#neighbours) {
      if (neighbour.channel === undefined) {
        if (nowMs >= neighbour.openMs) void this.#open(peer, neighbour);
        continue;
      }
      if (hasNews) this.#tellPeers(peer, neighbour);
      // A neighbour that does not read has beats enough waiting.
      if (isBeat && !neighbour.isSending) this.#send(peer, neighbour, { kind: 'beat' });
    }
    if (nowMs >= this.#publishMs) this.#publish(nowMs);
    this.#settle();
  }

  /** Does what the roster says: dials and hangs up. */
  dialNow(): void {
    const { roster, transport } = this.#dependencies;
    for (const action of roster.tick(this.#nowMs())) {
      if (action.do === 'hang-up') transport.hangUp(action.peer);
      else {
        transport.connect(action.peer, action.addresses).catch(() => {
          roster.dialFailed(action.peer, this.#nowMs());
        });
      }
    }
  }

  // Where everybody is connected to everybody the hello channels have said it all; publishing is for the others.
  #publish(nowMs: number): void {
    this.#publishMs = nowMs + helloPeriods.publishMs * (0.9 + this.#dependencies.random.float() / 5);
    const { roster, transport, hasPubSub, logger } = this.#dependencies;
    if (!hasPubSub || !roster.hasDistantPeers) return;
    const frame = encodeHello({ kind: 'announcement', announcement: this.#announcement });
    transport.publish(peersTopic, frame).catch((error: unknown) => {
      logger.debug('announcing failed', { text: error instanceof Error ? error.message : '' });
    });
  }

  #tellPeers(peer: PeerId, neighbour: Neighbour): void {
    const { roster } = this.#dependencies;
    const news = roster
      .hints(Number.POSITIVE_INFINITY)
      // Again where the addresses have changed: who is behind address translation has one only when a relay gave it a place.
      .filter((hint) => hint.id !== peer && neighbour.told.get(hint.id) !== hint.addresses.join());
    const peers = news.slice(0, announcementLimits.peersMax);
    if (peers.length === 0) return;
    if (neighbour.told.size > roster.peersMax) neighbour.told.clear();
    for (const hint of peers) neighbour.told.set(hint.id, hint.addresses.join());
    this.#send(peer, neighbour, { kind: 'peers', peers });
  }

  #send(peer: PeerId, neighbour: Neighbour, message: HelloMessage): void {
    const { channel } = neighbour;
    if (channel === undefined) return;
    neighbour.isSending = true;
    channel
      .send(encodeHello(message))
      .then(() => {
        neighbour.isSending = false;
      })
      .catch((error: unknown) => {
        neighbour.isSending = false;
        if (neighbour.channel === channel) neighbour.channel = undefined;
        channel.abort(new PeerUnreachableError(peer, error));
      });
  }

  #settle(): void {
    this.#dependencies.onChange();
  }

  #nowMs(): number {
    return this.#dependencies.clock.monotonicMs();
  }
}
