import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import { peerSamplingLimits as limits } from './options.ts';

/**
 * Peers that nobody of the overlay named: from the configuration, or whom the application connected us to. Who is surrounded by
 * liars hears of nobody else from them, and finds back by asking a seed now and then.
 */
export class Seeds {
  readonly #roundMs: number;
  readonly #random: Random;
  /** Without a descriptor as long as only a connection is known. */
  readonly #seeds = new Map<PeerId, Descriptor | null>();
  readonly #isConnected: (peer: PeerId) => boolean;
  #startedAtMs = 0;
  #dueAtMs = Number.POSITIVE_INFINITY;

  /** `roundMs`: the usual time between rounds, milliseconds. */
  constructor(roundMs: number, random: Random, isConnected: (peer: PeerId) => boolean) {
    this.#isConnected = isConnected;
    this.#roundMs = roundMs;
    this.#random = random;
  }

  get peers(): Iterable<PeerId> {
    return this.#seeds.keys();
  }

  get descriptors(): Descriptor[] {
    return [...this.#seeds.values()].filter((descriptor) => descriptor !== null);
  }

  /**
   * One more; `descriptor` is null where it is not known yet. Where there is no room one of which only a connection was known
   * makes some, if that has gone.
   */
  add(peer: PeerId, descriptor: Descriptor | null): void {
    const known = this.#seeds.get(peer);
    if (known === undefined && this.#seeds.size >= limits.seedsMax && !this.#makeRoom()) return;
    this.#seeds.set(peer, descriptor ?? known ?? null);
  }

  #makeRoom(): boolean {
    for (const [peer, descriptor] of this.#seeds) {
      if (descriptor === null && !this.#isConnected(peer)) return this.#seeds.delete(peer);
    }
    return false;
  }

  /** What a peer says of itself now, where it is a seed. */
  update(descriptor: Descriptor): void {
    if (this.#seeds.has(descriptor.peer)) this.#seeds.set(descriptor.peer, descriptor);
  }

  /** Rounds begin. */
  begin(nowMs: number): void {
    this.#startedAtMs = nowMs;
    this.#dueAtMs = nowMs + this.#everyMs(nowMs);
  }

  /** The one to ask in this round, one by chance of those that `canBeAsked`; most rounds ask none. */
  next(canBeAsked: (peer: PeerId, descriptor: Descriptor | null) => boolean, nowMs: number): PeerId | undefined {
    if (nowMs < this.#dueAtMs) return undefined;
    for (const [peer, descriptor] of this.#random.shuffle([...this.#seeds])) {
      if (!canBeAsked(peer, descriptor)) continue;
      this.#dueAtMs = nowMs + this.#everyMs(nowMs);
      return peer;
    }
    return undefined;
  }

  #everyMs(nowMs: number): number {
    const isFirst = nowMs - this.#startedAtMs < limits.seedFirstRounds * this.#roundMs;
    return this.#roundMs * (isFirst ? limits.seedEveryRoundsFirst : limits.seedEveryRounds);
  }
}
