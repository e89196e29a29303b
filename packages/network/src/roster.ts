import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Announcement, PeerHint } from './announcement.ts';
import type { Evidence, LivePeer, RoleName } from './port.ts';

/** Periods and limits of the roster; see {@link defaultRoster}. */
export interface RosterOptions {
  /** A connected peer not heard of for so long is hung: three beats missed. */
  readonly silentMs: number;
  /** A connection so long silent is given up. */
  readonly hangUpMs: number;
  /** How long a published announcement of a peer without a connection holds. */
  readonly announcementMs: number;
  /** After a peer was lost, published announcements (they may have been on their way) count again only so much later. */
  readonly doubtMs: number;
  /** A peer that could not be dialled for so long is forgotten. */
  readonly forgetMs: number;
  /** Of two peers that were told of each other, the one with the greater id leaves the other so long to dial. */
  readonly yieldMs: number;
  readonly redialFirstMs: number;
  readonly redialLastMs: number;
  /** Peers known at once, alive or not; more are not remembered. */
  readonly peersMax: number;
  /** Connections the node keeps of its own accord; beyond, it dials on demand. */
  readonly connectionsMax: number;
}

export const defaultRoster: RosterOptions = {
  silentMs: 4_500,
  hangUpMs: 30_000,
  announcementMs: 30_000,
  doubtMs: 5_000,
  forgetMs: 600_000,
  yieldMs: 1_500,
  redialFirstMs: 200,
  redialLastMs: 30_000,
  peersMax: 1_024,
  connectionsMax: 64,
};

/** Elected bootstraps remembered on the word of others. */
export const vouchedMax = 8;

/** What the driver has to do. */
export type RosterAction =
  | { readonly do: 'dial'; readonly peer: PeerId; readonly addresses: readonly string[] }
  | { readonly do: 'hang-up'; readonly peer: PeerId };

interface Entry {
  readonly id: PeerId;
  announcement: Announcement | undefined;
  live: LivePeer | undefined;
  addresses: readonly string[];
  isLive: boolean;
  isConnected: boolean;
  /** Of the last beat or announcement. */
  heardMs: number;
  lostMs: number;
  redials: number;
  redialMs: number;
  /** Known, and without a connection, since. */
  apartMs: number;
  /** Named by the configuration: never forgotten. */
  isPinned: boolean;
}

/**
 * Who is alive, from announcements, beats, connections and what callers saw. No clock and no wire: what was
 * heard comes in with its time, what to do goes out of {@link Roster.tick}. Liveness only decides who is asked
 * first; correctness never hangs on it.
 */
export class Roster {
  readonly #self: PeerId;
  readonly #options: RosterOptions;
  readonly #random: Random;
  readonly #isTrusted: (peer: PeerId) => boolean;
  readonly #entries = new Map<PeerId, Entry>();
  readonly #vouched = new Set<PeerId>();
  #selfPeer: LivePeer | undefined;
  #connected = 0;
  #tickedMs: number | undefined;
  #sorted: readonly LivePeer[] | undefined;
  readonly #byRole = new Map<RoleName, readonly LivePeer[]>();
  /** Grows with each change of the live peers. */
  revision = 0;

  constructor(
    self: PeerId,
    options: RosterOptions,
    dependencies: { readonly random: Random; readonly isTrusted: (peer: PeerId) => boolean },
  ) {
    this.#self = self;
    this.#options = options;
    this.#random = dependencies.random;
    this.#isTrusted = dependencies.isTrusted;
  }

  /** What this peer says of itself: it is always alive to itself. */
  setSelf(announcement: Announcement): void {
    this.#selfPeer = toLive(this.#self, announcement);
    this.#changed();
  }

  /** Live peers by id. With a role only trusted ones (and bootstraps): whoever asks by role hands them something. */
  livePeers(role?: RoleName): readonly LivePeer[] {
    this.#sorted ??= this.#sort();
    if (role === undefined) return this.#sorted;
    let peers = this.#byRole.get(role);
    if (peers === undefined) {
      const mayServe = (peer: LivePeer) => role === 'bootstrap' || peer.id === this.#self || this.#isTrusted(peer.id);
      peers = this.#sorted.filter((peer) => peer.roles.includes(role) && mayServe(peer));
      this.#byRole.set(role, peers);
    }
    return peers;
  }

  /** What to tell a peer of the others: those alive, bootstraps first. */
  hints(countMax: number): readonly PeerHint[] {
    const hints: PeerHint[] = [];
    for (const { id, announcement, isLive } of this.#entries.values()) {
      if (!isLive || announcement === undefined || announcement.addresses.length === 0) continue;
      const hint = { id, addresses: announcement.addresses, isSuccessor: announcement.isSuccessor };
      if (announcement.roles.includes('bootstrap')) hints.unshift(hint);
      else hints.push(hint);
    }
    return hints.slice(0, countMax);
  }

  /** True where a live peer has no connection to us, so that only published announcements reach it. */
  get hasDistantPeers(): boolean {
    for (const entry of this.#entries.values()) if (entry.isLive && !entry.isConnected) return true;
    return false;
  }

  /** The most peers the roster knows at once. */
  get peersMax(): number {
    return this.#options.peersMax;
  }

  /** An elected bootstrap, by its own word or a vouching one's. */
  isSuccessor(peer: PeerId): boolean {
    return this.#vouched.has(peer) || this.#entries.get(peer)?.announcement?.isSuccessor === true;
  }

  /** Somebody who may say so says that `peer` is an elected bootstrap; the latest few are remembered. */
  vouch(peer: PeerId): void {
    this.#vouched.delete(peer);
    this.#vouched.add(peer);
    const oldest = this.#vouched.values().next().value;
    if (this.#vouched.size > vouchedMax && oldest !== undefined) this.#vouched.delete(oldest);
  }

  /** True where a peer that may say so vouched for this one: what opens an allow-list. */
  isVouched(peer: PeerId): boolean {
    return this.#vouched.has(peer);
  }

  /** A peer said who it is: over its own channel, or published (signed, but perhaps long ago). */
  announced(peer: PeerId, announcement: Announcement, how: 'directly' | 'published', nowMs: number): void {
    if (peer === this.#self) return;
    const entry = this.#entry(peer, nowMs);
    if (entry === undefined) return;
    const known = entry.announcement;
    if (known !== undefined && announcement.startedMs < known.startedMs) return;
    const isNewLife = known === undefined || announcement.startedMs > known.startedMs;
    if (how === 'published' && !isNewLife && !entry.isLive && nowMs - entry.lostMs < this.#options.doubtMs) return;
    if (known?.isLeaving && !isNewLife) return;
    entry.announcement = announcement;
    // A peer whose relay is away has no address for the moment; it will be found where it was.
    if (announcement.addresses.length > 0) entry.addresses = announcement.addresses;
    entry.heardMs = nowMs;
    if (announcement.isLeaving) {
      this.#lose(entry, nowMs);
      entry.redialMs = nowMs + this.#options.redialLastMs;
      return;
    }
    const live = toLive(peer, announcement);
    if (entry.live === undefined || !isSame(entry.live, live)) {
      entry.live = live;
      if (entry.isLive) this.#changed();
    }
    this.#revive(entry);
  }

  /** Another peer told of this one: worth dialling, nothing more. */
  hinted(hint: PeerHint, nowMs: number): void {
    if (hint.id === this.#self || hint.addresses.length === 0) return;
    const isNew = !this.#entries.has(hint.id);
    const entry = this.#entry(hint.id, nowMs);
    if (entry === undefined) return;
    if (entry.announcement === undefined) entry.addresses = hint.addresses;
    // Both ends hear of each other at about the same time: the smaller dials, and a handshake is made once, not twice.
    const yieldMs = this.#self < hint.id ? 0 : this.#options.yieldMs;
    if (isNew) entry.redialMs = nowMs + yieldMs + this.#random.float() * this.#options.redialFirstMs;
  }

  /** The configuration names this peer: it is dialled for as long as the node runs. */
  pin(hint: PeerHint, nowMs: number): void {
    const entry = this.#entry(hint.id, nowMs);
    if (entry === undefined) return;
    entry.isPinned = true;
    if (entry.announcement === undefined) entry.addresses = hint.addresses;
  }

  /** A beat came: the peer's process runs. */
  heard(peer: PeerId, nowMs: number): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    entry.heardMs = nowMs;
    if (entry.announcement?.isLeaving !== true) this.#revive(entry);
  }

  connected(peer: PeerId, nowMs: number): void {
    const entry = this.#entry(peer, nowMs);
    if (entry === undefined || entry.isConnected) return;
    entry.isConnected = true;
    this.#connected += 1;
    entry.heardMs = nowMs;
    entry.redials = 0;
  }

  /** Its last connection is gone: it is lost at once, and dialled again. */
  disconnected(peer: PeerId, nowMs: number): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined || !entry.isConnected) return;
    entry.isConnected = false;
    this.#connected -= 1;
    entry.apartMs = nowMs;
    this.#lose(entry, nowMs);
    if (entry.announcement?.isLeaving !== true) entry.redialMs = nowMs + this.#pause(0);
  }

  report(peer: PeerId, evidence: Evidence, nowMs: number): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    if (evidence === 'answered') this.heard(peer, nowMs);
    else this.#lose(entry, nowMs);
  }

  /** A dial that `tick` asked for failed. */
  dialFailed(peer: PeerId, nowMs: number): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined || entry.isConnected) return;
    entry.redials += 1;
    entry.redialMs = nowMs + this.#pause(entry.redials);
    if (!entry.isPinned && nowMs - entry.apartMs > this.#options.forgetMs) this.#entries.delete(peer);
  }

  /** A way to others has opened: those without a connection are dialled as if it were the first time. */
  redialSoon(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.isConnected || entry.announcement?.isLeaving === true) continue;
      entry.redials = 0;
      entry.redialMs = Math.min(entry.redialMs, nowMs + this.#pause(0));
    }
  }

  /** Judges by the time that has passed; to be called about every half second. */
  tick(nowMs: number): readonly RosterAction[] {
    this.#forgiveOwnPause(nowMs);
    const { silentMs, hangUpMs, announcementMs, connectionsMax } = this.#options;
    const actions: RosterAction[] = [];
    let connected = this.#connected;
    for (const entry of this.#entries.values()) {
      const silenceMs = nowMs - entry.heardMs;
      if (entry.isLive && silenceMs >= (entry.isConnected ? silentMs : announcementMs)) this.#lose(entry, nowMs);
      if (entry.isConnected) {
        if (silenceMs >= hangUpMs) actions.push({ do: 'hang-up', peer: entry.id });
      } else if (entry.redialMs <= nowMs && entry.addresses.length > 0 && connected < connectionsMax) {
        connected += 1;
        entry.redialMs = nowMs + this.#options.redialLastMs; // until its end is told
        actions.push({ do: 'dial', peer: entry.id, addresses: entry.addresses });
      }
    }
    return actions;
  }

  // A process that was stopped for a while sees everybody silent; it was itself that did not listen.
  #forgiveOwnPause(nowMs: number): void {
    const gapMs = nowMs - (this.#tickedMs ?? nowMs);
    this.#tickedMs = nowMs;
    if (gapMs < this.#options.silentMs / 2) return;
    for (const entry of this.#entries.values()) entry.heardMs = Math.min(nowMs, entry.heardMs + gapMs);
  }

  #entry(id: PeerId, nowMs: number): Entry | undefined {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    if (id === this.#self) return undefined;
    if (this.#entries.size >= this.#options.peersMax && !this.#forgetOne()) return undefined;
    const entry: Entry = {
      id,
      announcement: undefined,
      live: undefined,
      addresses: [],
      isLive: false,
      isConnected: false,
      heardMs: nowMs,
      lostMs: Number.NEGATIVE_INFINITY,
      redials: 0,
      redialMs: nowMs,
      apartMs: nowMs,
      isPinned: false,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  // Full: the peer that has been away for longest makes room, if there is one.
  #forgetOne(): boolean {
    let oldest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.isLive || entry.isConnected || entry.isPinned) continue;
      if (oldest === undefined || entry.apartMs < oldest.apartMs) oldest = entry;
    }
    return oldest !== undefined && this.#entries.delete(oldest.id);
  }

  #revive(entry: Entry): void {
    if (entry.isLive || entry.live === undefined) return;
    entry.isLive = true;
    this.#changed();
  }

  #lose(entry: Entry, nowMs: number): void {
    entry.lostMs = nowMs;
    if (!entry.isLive) return;
    entry.isLive = false;
    this.#changed();
  }

  #pause(attempt: number): number {
    const { redialFirstMs, redialLastMs } = this.#options;
    return Math.min(redialLastMs, redialFirstMs * 2 ** Math.min(attempt, 20)) * (0.5 + this.#random.float() / 2);
  }

  #changed(): void {
    this.revision += 1;
    this.#sorted = undefined;
    this.#byRole.clear();
  }

  #sort(): readonly LivePeer[] {
    const peers = this.#selfPeer === undefined ? [] : [this.#selfPeer];
    for (const entry of this.#entries.values()) if (entry.isLive && entry.live !== undefined) peers.push(entry.live);
    return peers.sort((one, other) => (one.id < other.id ? -1 : 1));
  }
}

function toLive(id: PeerId, from: Announcement): LivePeer {
  const { roles, addresses, pid, startedMs } = from;
  return { id, roles, addresses, pid, startedMs };
}

function isSame(one: LivePeer, other: LivePeer): boolean {
  return (
    one.startedMs === other.startedMs &&
    one.pid === other.pid &&
    one.roles.join() === other.roles.join() &&
    one.addresses.join() === other.addresses.join()
  );
}
