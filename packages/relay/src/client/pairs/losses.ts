import type { PairUseLimits } from './pair-limits.ts';

interface Told {
  sinceMs: number;
  count: number;
}

/**
 * Which losses were told: each once for a session and a relay, as long as that works. A hint is no proof: whoever knows our card can make
 * one up in the name of a contact, so a peer is told only so many times within a while.
 */
export class Losses {
  readonly #limits: PairUseLimits;
  readonly #told = new Map<string, Promise<void>>();
  readonly #byPeer = new Map<string, Told>();

  constructor(limits: PairUseLimits) {
    this.#limits = limits;
  }

  /**
   * Calls `tell` where this loss was not told yet, and resolves once it is; when that rejects, the next call tells again. Null: this peer was
   * told enough for now.
   */
  once(
    { peer, session, relay }: { readonly peer: string; readonly session: string; readonly relay: string },
    nowMs: number,
    tell: () => Promise<void>,
  ): Promise<void> | null {
    const key = `${peer} ${session} ${relay}`;
    const known = this.#told.get(key);
    if (known !== undefined) return known;
    if (!this.#mayTell(peer, nowMs)) return null;
    const told = tell();
    putBounded(this.#told, key, told, this.#limits.toldMax);
    told.catch(() => {
      if (this.#told.get(key) === told) this.#told.delete(key);
    });
    return told;
  }

  #mayTell(peer: string, nowMs: number): boolean {
    const { toldPerPeerMax, toldWithinMs, toldMax } = this.#limits;
    const known = this.#byPeer.get(peer);
    const told = known !== undefined && nowMs - known.sinceMs < toldWithinMs ? known : { sinceMs: nowMs, count: 0 };
    if (told.count >= toldPerPeerMax) return false;
    told.count += 1;
    putBounded(this.#byPeer, peer, told, toldMax);
    return true;
  }
}

function putBounded<Value>(map: Map<string, Value>, key: string, value: Value, countMax: number): void {
  map.delete(key);
  // A Map keeps the order of insertion: the first is the oldest.
  if (map.size >= countMax) map.delete(map.keys().next().value as string);
  map.set(key, value);
}
