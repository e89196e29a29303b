import type { PeerId } from '@pulsemesh/wire';
import { RecentMap } from '../clustering/recent-map.ts';

/** How much of something one peer may cause in the long run and at once; see {@link Pace}. */
export interface PaceLimits {
  readonly perSecondMax: number;
  readonly burstMax: number;
}

/** What a peer is held back for: events that it sends, and descriptors that are new here, each of which has a signature to look at. */
export const paceLimits = {
  events: { perSecondMax: 2_000, burstMax: 4_000 },
  signatures: { perSecondMax: 50, burstMax: 640 },
} as const;

/** Says how long a peer has to be held back for what it sent. */
export class Pace {
  readonly #limits: PaceLimits;
  #left: number;
  #sinceMs: number;

  constructor(limits: PaceLimits, nowMs: number) {
    this.#limits = limits;
    this.#left = limits.burstMax;
    this.#sinceMs = nowMs;
  }

  /** Takes `count` at `nowMs` (monotonic); the milliseconds to read nothing more from now on. */
  take(count: number, nowMs: number): number {
    const { perSecondMax, burstMax } = this.#limits;
    const grown = this.#left + ((nowMs - this.#sinceMs) / 1_000) * perSecondMax;
    this.#left = Math.min(burstMax, grown) - count;
    this.#sinceMs = nowMs;
    return this.#left >= 0 ? 0 : (-this.#left / perSecondMax) * 1_000;
  }
}

/** What peers are held back for, and who is remembered for it, connected or not: a new connection buys nobody a new burst. */
export class PeerPaces {
  readonly #paces: RecentMap<PeerId, Readonly<Record<keyof typeof paceLimits, Pace>>>;

  constructor(peersMax = 4_096) {
    this.#paces = new RecentMap(peersMax);
  }

  /** Takes what a peer caused at `nowMs` (monotonic), if anything; the milliseconds to read nothing more of it, on any stream. */
  take(peer: PeerId, { events, signatures }: Readonly<Record<keyof typeof paceLimits, number>>, nowMs: number): number {
    const known = this.#paces.get(peer);
    if (known === undefined && events === 0 && signatures === 0) return 0;
    const paces = known ?? {
      events: new Pace(paceLimits.events, nowMs),
      signatures: new Pace(paceLimits.signatures, nowMs),
    };
    if (known === undefined) this.#paces.set(peer, paces);
    return Math.max(paces.events.take(events, nowMs), paces.signatures.take(signatures, nowMs));
  }
}
