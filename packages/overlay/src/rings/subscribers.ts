import type { PeerId } from '@pulsemesh/wire';

/** Limits of {@link Subscribers}. */
export interface SubscribersLimits {
  /** Peers per topic that proved themselves and are remembered. */
  readonly subscribersMax: number;
  /** Who is not asked any longer is named so long after it was heard from, milliseconds. */
  readonly subscribersNamedMs: number;
}

interface Subscriber {
  heardAtMs: number;
  isNamed: boolean;
}

/**
 * Peers that proved to read a topic. The proof is remembered as long as there is room; *named* to the application are those that
 * are looked after (members of our ring are asked now and then) or were heard from lately.
 */
export class Subscribers {
  readonly #limits: SubscribersLimits;
  /** The first is the one that proved itself longest ago. */
  readonly #subscribers = new Map<PeerId, Subscriber>();
  #namedCount = 0;

  constructor(limits: SubscribersLimits) {
    this.#limits = limits;
  }

  /** How many are named. */
  get namedCount(): number {
    return this.#namedCount;
  }

  has(peer: PeerId): boolean {
    return this.#subscribers.has(peer);
  }

  *named(): Iterable<PeerId> {
    for (const [peer, { isNamed }] of this.#subscribers) if (isNamed) yield peer;
  }

  /**
   * A peer proved itself at `nowMs` (unix milliseconds). Says whether it is named from now on, and who is not any longer, for want of
   * room: one that nobody asks, if there is one.
   */
  prove(
    peer: PeerId,
    nowMs: number,
    isAsked: (peer: PeerId) => boolean,
  ): { readonly isNews: boolean; readonly displaced: readonly PeerId[] } {
    const isNews = !this.delete(peer);
    const displaced = this.#subscribers.size < this.#limits.subscribersMax ? undefined : this.#leastNeeded(isAsked);
    const wasNamed = displaced !== undefined && this.delete(displaced);
    this.#subscribers.set(peer, { heardAtMs: nowMs, isNamed: true });
    this.#namedCount += 1;
    return { isNews, displaced: wasNamed ? [displaced] : [] };
  }

  #leastNeeded(isAsked: (peer: PeerId) => boolean): PeerId | undefined {
    const peers = [...this.#subscribers.keys()];
    return peers.find((one) => !isAsked(one)) ?? peers[0];
  }

  /** Something came from a peer. True where it proved itself, and is named again from now on. */
  heard(peer: PeerId, nowMs: number): boolean {
    const known = this.#subscribers.get(peer);
    if (known === undefined) return false;
    known.heardAtMs = nowMs;
    if (known.isNamed) return false;
    known.isNamed = true;
    this.#namedCount += 1;
    return true;
  }

  /** Names those no longer that were not heard from for long, and whom nobody asks; returns them. */
  fade(nowMs: number, isAsked: (peer: PeerId) => boolean): PeerId[] {
    const faded: PeerId[] = [];
    for (const [peer, subscriber] of this.#subscribers) {
      const isLate = nowMs - subscriber.heardAtMs > this.#limits.subscribersNamedMs;
      if (!subscriber.isNamed || !isLate || isAsked(peer)) continue;
      subscriber.isNamed = false;
      this.#namedCount -= 1;
      faded.push(peer);
    }
    return faded;
  }

  /** Forgets a peer. True where it was named. */
  delete(peer: PeerId): boolean {
    const isNamed = this.#subscribers.get(peer)?.isNamed === true;
    if (isNamed) this.#namedCount -= 1;
    this.#subscribers.delete(peer);
    return isNamed;
  }
}
