import type { Clock } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** Peers that failed just now: a peer that hangs costs one caller its patience, not every caller. */
export class PeerPauses {
  readonly #untilMs = new Map<PeerId, number>();
  readonly #pauseMs: number;
  readonly #clock: Clock;

  constructor(pauseMs: number, clock: Clock) {
    this.#pauseMs = pauseMs;
    this.#clock = clock;
  }

  pause(peer: PeerId): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [other, untilMs] of this.#untilMs) {
      if (untilMs <= nowMs) this.#untilMs.delete(other);
    }
    this.#untilMs.set(peer, nowMs + this.#pauseMs);
  }

  isPaused(peer: PeerId): boolean {
    return (this.#untilMs.get(peer) ?? 0) > this.#clock.monotonicMs();
  }
}
