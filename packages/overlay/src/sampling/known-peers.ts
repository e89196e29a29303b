import type { PeerId } from '@pulsemesh/wire';
import { type Descriptor, isCurrent, isGenuine } from '../descriptor.ts';
import { peerSamplingLimits as limits } from './options.ts';

/** Why a descriptor is not taken. */
export type DescriptorRefusal = 'expired' | 'forged' | 'own' | 'dead' | 'without-address';

/** The newest descriptors of the peers that somebody here holds, who is connected, and who was found dead. */
export class KnownPeers {
  readonly #descriptors = new Map<PeerId, Descriptor>();
  readonly #connected = new Set<PeerId>();
  /** Until when each is not taken again; the first found dead first. */
  readonly #dead = new Map<PeerId, number>();
  /** When those with a descriptor here last showed that they live. */
  readonly #heardAtMs = new Map<PeerId, number>();

  descriptorOf(peer: PeerId): Descriptor | undefined {
    return this.#descriptors.get(peer);
  }

  get connected(): ReadonlySet<PeerId> {
    return this.#connected;
  }

  /** Takes the descriptor where it holds, the newest version of a peer winning; else says why not. */
  learn(descriptor: Descriptor, nowMs: number): DescriptorRefusal | null {
    const known = this.#descriptors.get(descriptor.peer);
    if (known === descriptor) return this.#isUsable(descriptor, nowMs) ? null : 'expired';
    if (!isCurrent(descriptor, nowMs)) return 'expired';
    if (this.isDead(descriptor.peer, nowMs)) return 'dead';
    // Only who is connected to a client can reach it.
    if (descriptor.addresses.length === 0 && !this.#connected.has(descriptor.peer)) return 'without-address';
    if (!isGenuine(descriptor)) return 'forged';
    if (known === undefined || descriptor.version > known.version) this.#descriptors.set(descriptor.peer, descriptor);
    return null;
  }

  /** Whether there is a descriptor of the peer under which it can still be reached. */
  isUsable(peer: PeerId, nowMs: number): boolean {
    const descriptor = this.#descriptors.get(peer);
    return descriptor !== undefined && this.#isUsable(descriptor, nowMs);
  }

  isDead(peer: PeerId, nowMs: number): boolean {
    return (this.#dead.get(peer) ?? 0) > nowMs;
  }

  /** The peer did not live; it is not taken again before `untilMs`. */
  bury(peer: PeerId, untilMs: number): void {
    this.#descriptors.delete(peer);
    this.#heardAtMs.delete(peer);
    this.#dead.delete(peer);
    this.#dead.set(peer, untilMs);
    if (this.#dead.size > limits.deadMax) this.#dead.delete(this.#dead.keys().next().value as PeerId);
  }

  /** The peer may live after all. */
  revive(peer: PeerId): void {
    this.#dead.delete(peer);
  }

  /** The peer showed that it lives. */
  heard(peer: PeerId, nowMs: number): void {
    this.#dead.delete(peer);
    if (this.#descriptors.has(peer)) this.#heardAtMs.set(peer, nowMs);
  }

  /** Whether the peer showed within `withinMs` that it lives. That a connection is open does not show it. */
  isAlive(peer: PeerId, withinMs: number, nowMs: number): boolean {
    return nowMs - (this.#heardAtMs.get(peer) ?? Number.NEGATIVE_INFINITY) <= withinMs;
  }

  connect(peer: PeerId): void {
    if (this.#connected.size < limits.connectedMax) this.#connected.add(peer);
    this.revive(peer);
  }

  disconnect(peer: PeerId): void {
    this.#connected.delete(peer);
  }

  /** Forgets all descriptors but those that `isHeld`, and deaths that are over; returns who was forgotten. */
  prune(isHeld: (peer: PeerId) => boolean, nowMs: number): PeerId[] {
    const forgotten: PeerId[] = [];
    for (const peer of this.#descriptors.keys()) {
      if (isHeld(peer)) continue;
      this.#descriptors.delete(peer);
      this.#heardAtMs.delete(peer);
      forgotten.push(peer);
    }
    for (const [peer, untilMs] of this.#dead) {
      if (untilMs > nowMs) break;
      this.#dead.delete(peer);
    }
    return forgotten;
  }

  #isUsable(descriptor: Descriptor, nowMs: number): boolean {
    const isReachable = descriptor.addresses.length > 0 || this.#connected.has(descriptor.peer);
    return isReachable && isCurrent(descriptor, nowMs);
  }
}
