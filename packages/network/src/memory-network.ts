import { type Clock, Condition, type Random, type WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { createChannelPair } from './channel-pair.ts';
import {
  BadRequestError,
  FrameTooLargeError,
  NetworkStoppedError,
  PeerUnreachableError,
  ProtocolRefusedError,
  ProtocolTakenError,
} from './errors.ts';
import type { Channel, Evidence, LivePeer, NetworkPort, ProtocolName, RoleName } from './port.ts';

export interface MemoryNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** One way, milliseconds, drawn for each frame; frames of one channel stay in order. Without: at once. */
  readonly latencyMs?: () => number;
  /** Part of published messages that do not reach a subscriber, 0 … 1. Default 0. */
  readonly lossRate?: number;
  /** Probability that a channel breaks instead of delivering a frame, 0 … 1. Default 0. */
  readonly breakRate?: number;
  /** How long a killed or cut-off peer is still believed alive. Default 1,000. */
  readonly noticeMs?: number;
  /** Default 2 MiB. */
  readonly frameBytesMax?: number;
}

export interface MemoryPeerOptions {
  /** Default: made up, in the order of joining. */
  readonly id?: PeerId;
  readonly roles: readonly RoleName[];
  /** Default: everybody is trusted. */
  readonly isTrusted?: (peer: PeerId) => boolean;
  readonly pid?: number;
}

/** A port of the simulated network; disposing it is a graceful leave. */
export type MemoryPeer = NetworkPort & AsyncDisposable;

/** Peers that speak inside this process, over any clock; the same seed and calls give the same run. */
export interface MemoryNetwork {
  join(options: MemoryPeerOptions): MemoryPeer;
  /** The peer's process is gone, without a goodbye: channels break, the others notice after `noticeMs`. */
  kill(id: PeerId): void;
  /** Only peers of the same group reach each other; a peer in no group reaches nobody. */
  partition(groups: readonly (readonly PeerId[])[]): void;
  heal(): void;
}

/** Makes an empty network. */
export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  return new Memory(options);
}

const highWaterBytes = 1024 * 1024;
const publishBytesMax = 64 * 1024;

interface OpenChannel {
  readonly peers: readonly [PeerId, PeerId];
  readonly ends: readonly [Channel, Channel];
  isBroken: boolean;
}

class Memory implements MemoryNetwork {
  readonly options: MemoryNetworkOptions;
  readonly peers = new Map<PeerId, Peer>();
  readonly providers = new Map<string, Set<PeerId>>();
  readonly #channels = new Set<OpenChannel>();
  #groups: readonly ReadonlySet<PeerId>[] | undefined;
  #joined = 0;

  constructor(options: MemoryNetworkOptions) {
    this.options = options;
  }

  join(options: MemoryPeerOptions): MemoryPeer {
    this.#joined += 1;
    const id = options.id ?? (`12D3KooWMemory${String(this.#joined).padStart(6, '0')}` as PeerId); // made up, never parsed
    if (this.peers.has(id)) throw new Error(`${id} has joined already`);
    const live: LivePeer = {
      id,
      roles: options.roles,
      addresses: [`/memory/${id}`],
      pid: options.pid ?? this.#joined,
      // Distinct for each start, also of two starts in one millisecond.
      startedMs: this.options.clock.now() + this.#joined / 1000,
    };
    const peer = new Peer(this, live, options.isTrusted ?? (() => true));
    this.peers.set(id, peer);
    peer.meet(live);
    for (const other of this.peers.values()) {
      if (other !== peer) this.introduce(peer, other);
    }
    return peer;
  }

  kill(id: PeerId): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    this.peers.delete(id);
    peer.die();
    const reason = new Condition('peer-killed', 'the peer is gone', { retryable: true });
    this.#breakChannels((peers) => peers.includes(id), reason);
    this.options.clock.setTimer(() => {
      if (this.peers.get(id) === undefined) for (const other of this.peers.values()) other.lose(id);
    }, this.options.noticeMs ?? 1000);
  }

  leave(peer: Peer): void {
    if (this.peers.get(peer.self) !== peer) return;
    this.peers.delete(peer.self);
    for (const keys of this.providers.values()) keys.delete(peer.self);
    this.#breakChannels((peers) => peers.includes(peer.self), new NetworkStoppedError());
    for (const other of this.peers.values()) {
      this.deliver(() => {
        if (this.peers.get(peer.self) === undefined) other.lose(peer.self);
      });
    }
  }

  partition(groups: readonly (readonly PeerId[])[]): void {
    this.#groups = groups.map((group) => new Set(group));
    const reason = new Condition('partitioned', 'the peers are cut off from each other', { retryable: true });
    this.#breakChannels(([one, other]) => !this.isReachable(one, other), reason);
    const groupsNow = this.#groups;
    this.options.clock.setTimer(() => {
      if (this.#groups !== groupsNow) return;
      for (const peer of this.peers.values()) {
        for (const other of this.peers.keys()) if (!this.isReachable(peer.self, other)) peer.lose(other);
      }
    }, this.options.noticeMs ?? 1000);
  }

  heal(): void {
    this.#groups = undefined;
    const peers = [...this.peers.values()];
    for (const [index, peer] of peers.entries()) {
      for (const other of peers.slice(index + 1)) this.introduce(peer, other);
    }
  }

  isReachable(one: PeerId, other: PeerId): boolean {
    if (!this.peers.has(one) || !this.peers.has(other)) return false;
    return (
      one === other || this.#groups === undefined || this.#groups.some((group) => group.has(one) && group.has(other))
    );
  }

  /** Two peers learn of each other, one latency from now, if they then can. */
  introduce(one: Peer, other: Peer): void {
    this.deliver(() => {
      if (this.peers.get(one.self) !== one || this.peers.get(other.self) !== other) return;
      if (!this.isReachable(one.self, other.self)) return;
      one.meet(other.live);
      other.meet(one.live);
    });
  }

  deliver(action: () => void): void {
    const { latencyMs, clock } = this.options;
    if (latencyMs === undefined) queueMicrotask(action);
    else clock.setTimer(action, latencyMs());
  }

  open(from: Peer, to: Peer): readonly [Channel, Channel] {
    const { clock, latencyMs, random, breakRate = 0 } = this.options;
    const lastMs = new Map<PeerId, number>();
    const deliver = (sender: PeerId, action: () => void) => {
      const guarded = () => {
        if (open.isBroken) return;
        if (breakRate > 0 && random.float() < breakRate) {
          this.#break(open, new Condition('frame-lost', 'the channel broke', { retryable: true }));
        } else action();
      };
      if (latencyMs === undefined) return queueMicrotask(guarded);
      // In order: a frame never arrives before the one sent before it.
      const nowMs = clock.monotonicMs();
      const atMs = Math.max(nowMs + latencyMs(), lastMs.get(sender) ?? 0);
      lastMs.set(sender, atMs);
      clock.setTimer(guarded, atMs - nowMs);
    };
    const ends = createChannelPair({
      ends: [from.self, to.self],
      frameBytesMax: from.frameBytesMax,
      highWaterBytes,
      ...(from === to ? {} : { deliver }),
      onEnded: () => this.#channels.delete(open),
    });
    const open: OpenChannel = { peers: [from.self, to.self], ends, isBroken: false };
    this.#channels.add(open);
    return ends;
  }

  #breakChannels(isCut: (peers: readonly [PeerId, PeerId]) => boolean, reason: Condition): void {
    for (const open of [...this.#channels]) if (isCut(open.peers)) this.#break(open, reason);
  }

  #break(open: OpenChannel, reason: Condition): void {
    open.isBroken = true;
    for (const end of open.ends) end.abort(reason);
    this.#channels.delete(open);
  }
}

class Peer implements MemoryPeer {
  readonly self: PeerId;
  readonly frameBytesMax: number;
  readonly live: LivePeer;
  readonly #network: Memory;
  readonly #isTrusted: (peer: PeerId) => boolean;
  readonly #handlers = new Map<ProtocolName, (channel: Channel) => Promise<void>>();
  readonly #subscribers = new Map<string, Set<(data: Uint8Array, from: PeerId) => void>>();
  readonly #roster = new Map<PeerId, LivePeer>();
  readonly #watchers = new Set<() => void>();
  #sorted: readonly LivePeer[] = [];
  readonly #byRole = new Map<RoleName, readonly LivePeer[]>();
  #isStopped = false;

  constructor(network: Memory, live: LivePeer, isTrusted: (peer: PeerId) => boolean) {
    this.#network = network;
    this.live = live;
    this.self = live.id;
    this.frameBytesMax = network.options.frameBytesMax ?? 2 * 1024 * 1024;
    this.#isTrusted = isTrusted;
  }

  async dial(peer: PeerId, protocol: ProtocolName, options: WaitOptions = {}): Promise<Channel> {
    options.signal?.throwIfAborted();
    if (this.#isStopped) throw new NetworkStoppedError();
    if (peer !== this.self && this.#network.options.latencyMs !== undefined) {
      await new Promise<void>((resolve) => this.#network.deliver(resolve));
      options.signal?.throwIfAborted();
    }
    const remote = this.#network.peers.get(peer);
    if (remote === undefined || !this.#network.isReachable(this.self, peer)) throw new PeerUnreachableError(peer);
    const handler = remote.handlerOf(protocol);
    if (handler === undefined) throw new ProtocolRefusedError(peer, protocol);
    const [near, far] = this.#network.open(this, remote);
    handler(far).catch((error: unknown) => {
      far.abort(error instanceof Condition ? error : new Condition('internal', 'the handler failed'));
    });
    return near;
  }

  handlerOf(protocol: ProtocolName): ((channel: Channel) => Promise<void>) | undefined {
    return this.#handlers.get(protocol);
  }

  serve(protocol: ProtocolName, handler: (channel: Channel) => Promise<void>): Disposable {
    if (this.#handlers.has(protocol)) throw new ProtocolTakenError(protocol);
    this.#handlers.set(protocol, handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(protocol) };
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    if (this.#isStopped) throw new NetworkStoppedError();
    if (data.byteLength > publishBytesMax) throw new FrameTooLargeError(data.byteLength, publishBytesMax);
    const copy = data.slice();
    const { lossRate = 0, random } = this.#network.options;
    for (const other of this.#network.peers.values()) {
      if (other === this || !this.#network.isReachable(this.self, other.self)) continue;
      if (lossRate > 0 && random.float() < lossRate) continue;
      this.#network.deliver(() => other.hear(topic, copy, this.self));
    }
  }

  hear(topic: string, data: Uint8Array, from: PeerId): void {
    for (const handler of this.#subscribers.get(topic) ?? []) handler(data, from);
  }

  subscribe(topic: string, handler: (data: Uint8Array, from: PeerId) => void): Disposable {
    const handlers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, handlers);
    handlers.add(handler);
    return { [Symbol.dispose]: () => void handlers.delete(handler) };
  }

  provide(key: string): void {
    if (key.length === 0) throw new BadRequestError('an empty directory key');
    const { providers } = this.#network;
    providers.set(key, (providers.get(key) ?? new Set()).add(this.self));
  }

  withdraw(key: string): void {
    this.#network.providers.get(key)?.delete(this.self);
  }

  async lookUp(key: string, options: WaitOptions = {}): Promise<readonly PeerId[]> {
    options.signal?.throwIfAborted();
    // As a real directory: it may name peers that are gone by now.
    return [...(this.#network.providers.get(key) ?? [])].sort();
  }

  livePeers(role?: RoleName): readonly LivePeer[] {
    if (role === undefined) return this.#sorted;
    let peers = this.#byRole.get(role);
    if (peers === undefined) {
      // As every driver does: whoever asks by role hands the peer something, so only trusted ones serve.
      const mayServe = (peer: LivePeer) => role === 'bootstrap' || this.isTrusted(peer.id);
      peers = this.#sorted.filter((peer) => peer.roles.includes(role) && mayServe(peer));
      this.#byRole.set(role, peers);
    }
    return peers;
  }

  onRosterChange(handler: () => void): Disposable {
    this.#watchers.add(handler);
    return { [Symbol.dispose]: () => void this.#watchers.delete(handler) };
  }

  report(peer: PeerId, evidence: Evidence): void {
    const remote = this.#network.peers.get(peer);
    if (evidence === 'answered') {
      if (remote !== undefined) this.meet(remote.live);
      return;
    }
    if (peer === this.self || this.#isStopped) return;
    this.lose(peer);
    // One that is there after all is heard of again with its next announcement.
    this.#network.options.clock.setTimer(() => {
      const again = this.#network.peers.get(peer);
      if (again !== undefined && !this.#isStopped && this.#network.isReachable(this.self, peer)) this.meet(again.live);
    }, this.#network.options.noticeMs ?? 1000);
  }

  isTrusted(peer: PeerId): boolean {
    return peer === this.self || this.#isTrusted(peer);
  }

  meet(peer: LivePeer): void {
    if (this.#roster.get(peer.id)?.startedMs === peer.startedMs) return;
    this.#roster.set(peer.id, peer);
    this.#rosterChanged();
  }

  lose(id: PeerId): void {
    if (this.#roster.delete(id)) this.#rosterChanged();
  }

  die(): void {
    this.#isStopped = true;
    this.#handlers.clear();
    this.#subscribers.clear();
    this.#watchers.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return;
    this.#network.leave(this);
    this.die();
  }

  #rosterChanged(): void {
    this.#sorted = [...this.#roster.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
    this.#byRole.clear();
    for (const watcher of [...this.#watchers]) watcher();
  }
}
