import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** How failed dials hold back later ones. */
export const dialLimits = {
  firstWaitMs: 1_000,
  waitMsMax: 300_000,
  /** Peers whose failures are remembered; the one that failed longest ago is forgotten first. */
  peersMax: 1_024,
} as const;

/** Remembers which peers could not be dialled, and when they may be tried again: twice as late after each failure. */
export class DialMemory {
  readonly #random: Random;
  readonly #failed = new Map<PeerId, { readonly count: number; readonly untilMs: number }>();

  constructor(random: Random) {
    this.#random = random;
  }

  mayDial(peer: PeerId, nowMs: number): boolean {
    return nowMs >= (this.#failed.get(peer)?.untilMs ?? 0);
  }

  failed(peer: PeerId, nowMs: number): void {
    const count = (this.#failed.get(peer)?.count ?? 0) + 1;
    const waitMs = Math.min(dialLimits.waitMsMax, dialLimits.firstWaitMs * 2 ** (count - 1));
    this.#failed.delete(peer);
    this.#failed.set(peer, { count, untilMs: nowMs + waitMs * (0.75 + this.#random.float() / 2) });
    if (this.#failed.size > dialLimits.peersMax) this.#failed.delete(this.#failed.keys().next().value as PeerId);
  }

  succeeded(peer: PeerId): void {
    this.#failed.delete(peer);
  }
}
