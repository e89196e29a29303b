import type { PeerId } from '@pulsemesh/wire';
import { rankPeers } from './placement.ts';
import type { LivePeer } from './port.ts';

export interface ElectionOptions {
  /** Without any bootstrap for so long, one is elected. */
  readonly goneMs: number;
  /** The same for a peer that has never seen one, counted from its start: the originals may be starting too. */
  readonly graceMs: number;
  /** The next in rank takes over when the one before has not managed for so long. */
  readonly turnMs: number;
  /** An original that is back for so long lets the successor retire. */
  readonly retireMs: number;
}

export const defaultElection: ElectionOptions = { goneMs: 3_000, graceMs: 10_000, turnMs: 4_000, retireMs: 30_000 };

/** What the peer sees when it is asked. */
export interface ElectionView {
  readonly livePeers: readonly LivePeer[];
  readonly isSuccessor: (peer: PeerId) => boolean;
  /** The bootstrap this peer itself started, if any. */
  readonly own: PeerId | undefined;
  readonly nowMs: number;
}

export type ElectionStep = 'start' | 'stop' | 'nothing';

/**
 * Who starts a new bootstrap when all are gone: the first by rendezvous hashing among the live peers that are
 * none. There is no agreement and none is needed: two successors are harmless, the one with the greater id
 * retires, and both do when an original is back for a while.
 */
export class BootstrapElection {
  readonly #self: PeerId;
  readonly #options: ElectionOptions;
  #goneSinceMs: number | undefined;
  #hasSeenOne = false;
  #betterSinceMs: number | undefined;

  constructor(self: PeerId, options: ElectionOptions = defaultElection) {
    this.#self = self;
    this.#options = options;
  }

  /** There was a bootstrap, if only for a moment between two steps. */
  sawOne(): void {
    this.#hasSeenOne = true;
  }

  step(view: ElectionView): ElectionStep {
    const others = view.livePeers.filter((peer) => peer.roles.includes('bootstrap') && peer.id !== view.own);
    if (view.own !== undefined) return this.#whileServing(view.own, others, view);
    if (others.length > 0) {
      this.#hasSeenOne = true;
      this.#goneSinceMs = undefined;
      return 'nothing';
    }
    this.#goneSinceMs ??= view.nowMs;
    const { goneMs, graceMs, turnMs } = this.#options;
    const overdueMs = view.nowMs - this.#goneSinceMs - (this.#hasSeenOne ? goneMs : graceMs);
    if (overdueMs < 0) return 'nothing';
    const ranked = rankPeers(
      'bootstrap',
      view.livePeers.map((peer) => peer.id),
    );
    if (ranked.indexOf(this.#self) > overdueMs / turnMs) return 'nothing';
    this.#betterSinceMs = undefined;
    return 'start';
  }

  #whileServing(own: PeerId, others: readonly LivePeer[], view: ElectionView): ElectionStep {
    this.#hasSeenOne = true;
    this.#goneSinceMs = undefined;
    const isBetter = others.some((peer) => !view.isSuccessor(peer.id) || peer.id < own);
    if (!isBetter) this.#betterSinceMs = undefined;
    else this.#betterSinceMs ??= view.nowMs;
    if (this.#betterSinceMs === undefined || view.nowMs - this.#betterSinceMs < this.#options.retireMs)
      return 'nothing';
    this.#betterSinceMs = undefined;
    return 'stop';
  }
}
