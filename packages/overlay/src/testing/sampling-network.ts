import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { createDescriptor, type Descriptor } from '../descriptor.ts';
import type { Message, Outgoing } from '../message.ts';
import type { PeerSamplingOptions } from '../sampling/options.ts';
import { PeerSampling } from '../sampling/peer-sampling.ts';
import type { Trust } from '../trust.ts';

/** What liars do. All of them answer pulls with liars only, and probes as if nothing was. */
export interface Liars {
  /** Their share of all peers, 0 … 1. */
  readonly share: number;
  /** Pulls each sends in a round to no end but being introduced. */
  readonly introductionsPerRound: number;
  /** Honest peers whom these go to, the first of the list; default all. */
  readonly targets?: number;
}

/** A network of nothing but peer sampling: every message arrives at once, and rounds follow each other. */
export interface SamplingNetworkOptions extends Partial<PeerSamplingOptions> {
  readonly peers: number;
  readonly seed: number;
  readonly liars?: Liars;
  /** Random peers that each honest one begins with. */
  readonly seedsPerPeer?: number;
  /** The same first honest ones for all instead. */
  readonly commonSeeds?: number;
  readonly trust?: Trust;
}

/** Unix milliseconds at which networks of {@link SamplingNetwork} begin. */
export const samplingStartMs = Date.UTC(2030, 0, 1);
const roundMs = 10_000;
const stepMs = 1_000;

/** Nobody is trusted. */
export const noTrust: Trust = { of: () => 0, heard: () => {}, forget: () => {}, friends: () => [] };

/** The descriptor of the peer numbered `index`, in a subnet of its own where nothing else is said. */
export function descriptorOfNumber(
  index: number,
  change: { readonly addresses?: readonly string[]; readonly version?: number; readonly expiresAtMs?: number } = {},
): Descriptor {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, index + 1);
  return createDescriptor(
    {
      addresses: change.addresses ?? [`/ip4/10.${index >>> 8}.${index & 255}.1/tcp/4001`],
      version: change.version ?? 1,
      expiresAtSeconds: (change.expiresAtMs ?? samplingStartMs + 12 * 3_600_000) / 1_000,
      capabilities: 1,
    },
    createSigner(seed),
  );
}

/** Runs honest peers and liars in rounds and tells how the views look. */
export class SamplingNetwork {
  readonly honest: readonly Descriptor[];
  readonly liars: readonly Descriptor[];
  readonly nodes = new Map<PeerId, PeerSampling>();
  /** Peers whose process is gone: whoever sends to them learns that they cannot be reached. */
  readonly gone = new Set<PeerId>();
  nowMs = samplingStartMs;
  readonly #options: SamplingNetworkOptions;
  readonly #random: Random;
  readonly #liarPeers: ReadonlySet<PeerId>;

  constructor(options: SamplingNetworkOptions) {
    this.#options = options;
    this.#random = createSeededRandom(options.seed);
    const all = Array.from({ length: options.peers }, (_, index) => descriptorOfNumber(index));
    const liarCount = Math.round(options.peers * (options.liars?.share ?? 0));
    this.liars = all.slice(0, liarCount);
    this.honest = all.slice(liarCount);
    this.#liarPeers = new Set(this.liars.map(({ peer }) => peer));
    for (const self of this.honest) {
      const random = createSeededRandom(this.#random.integer(2 ** 32));
      this.nodes.set(self.peer, new PeerSampling({ ...options, self }, { random, trust: options.trust ?? noTrust }));
    }
    for (const [peer, node] of this.nodes) {
      const { seedsPerPeer = 20, commonSeeds } = options;
      const seeds = commonSeeds === undefined ? this.#some(all, seedsPerPeer) : this.honest.slice(0, commonSeeds);
      this.#deliver(peer, node.start(seeds, this.nowMs));
    }
  }

  run(rounds: number): void {
    const endMs = this.nowMs + rounds * roundMs;
    while (this.nowMs < endMs) {
      this.nowMs += stepMs;
      if ((this.nowMs - samplingStartMs) % roundMs === 0) for (const liar of this.liars) this.#introduce(liar);
      for (const [peer, node] of this.nodes) {
        if (!this.gone.has(peer) && node.dueAtMs <= this.nowMs) this.#deliver(peer, node.wake(this.nowMs));
      }
    }
  }

  /** The share of liars in the views of honest peers, 0 … 1. */
  liarShare(peers: Iterable<PeerId> = this.nodes.keys()): number {
    let liars = 0;
    let all = 0;
    for (const peer of peers) {
      for (const held of this.nodes.get(peer)?.view ?? []) {
        all += 1;
        if (this.#liarPeers.has(held.peer)) liars += 1;
      }
    }
    return all === 0 ? 0 : liars / all;
  }

  /** Honest peers in whose views no honest peer is. */
  isolated(): PeerId[] {
    return [...this.nodes]
      .filter(([, { view }]) => view.every(({ peer }) => this.#liarPeers.has(peer)))
      .map(([p]) => p);
  }

  /** In how many views of honest peers each honest peer is. */
  inDegrees(): number[] {
    const degrees = new Map<PeerId, number>(this.honest.map(({ peer }) => [peer, 0]));
    for (const { view } of this.nodes.values()) {
      for (const { peer } of view) {
        const degree = degrees.get(peer);
        if (degree !== undefined) degrees.set(peer, degree + 1);
      }
    }
    return [...degrees.values()];
  }

  #introduce(liar: Descriptor): void {
    const { introductionsPerRound = 0, targets = this.honest.length } = this.#options.liars ?? {};
    for (let count = 0; count < introductionsPerRound; count += 1) {
      const target = this.honest[this.#random.integer(targets)];
      if (target !== undefined) {
        this.nodes.get(target.peer)?.onPull(liar.peer, { kind: 'pull', nonce: count, self: liar, want: 1 }, this.nowMs);
      }
    }
  }

  #deliver(sender: PeerId, messages: readonly Outgoing[]): void {
    for (const { to, message } of messages) {
      const node = this.nodes.get(to);
      if (this.gone.has(to)) this.nodes.get(sender)?.unreachable(to, this.nowMs);
      else if (node === undefined) this.#lie(sender, to, message);
      else this.#deliver(to, this.#receive(node, sender, message));
    }
  }

  #receive(node: PeerSampling, from: PeerId, message: Message): Outgoing[] {
    switch (message.kind) {
      case 'pull':
        return node.onPull(from, message, this.nowMs);
      case 'view':
        return node.onView(from, message, this.nowMs);
      case 'probe':
        return node.onProbe(from, message, this.nowMs);
      default:
        return [];
    }
  }

  #lie(asker: PeerId, liar: PeerId, message: Message): void {
    const node = this.nodes.get(asker);
    if (message.kind === 'pull') {
      const descriptors = this.#some(this.liars, message.want);
      node?.onView(liar, { kind: 'view', nonce: message.nonce, descriptors }, this.nowMs);
    }
    if (message.kind === 'probe' && !message.isReply) node?.onProbe(liar, { ...message, isReply: true }, this.nowMs);
  }

  #some(descriptors: readonly Descriptor[], count: number): Descriptor[] {
    const found = new Set<Descriptor>();
    while (found.size < Math.min(count, descriptors.length)) {
      found.add(descriptors[this.#random.integer(descriptors.length)] as Descriptor);
    }
    return [...found];
  }
}
