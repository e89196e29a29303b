import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { hasBit, type InterestFilter } from '../interest/interest-filter.ts';
import type { TokenBuckets } from '../token-buckets.ts';
import type { JoiningSurroundings } from './surroundings.ts';

/** What is asked of the next hop of a query. */
export interface NextHopTerms {
  /** Positions in interest filters; none: anybody will do. */
  readonly hint: readonly number[];
  /** What each neighbour may be asked; one is taken from whom is chosen. */
  readonly budget: TokenBuckets;
  readonly without: readonly PeerId[];
  /** Whom else it may not go to. */
  readonly isTaken?: (peer: PeerId) => boolean;
  /** True: nobody else will do. */
  readonly isConnected?: boolean;
}

/** Chooses whom a query goes to next. */
export class NextHops {
  readonly #around: JoiningSurroundings;
  readonly #random: Random;
  readonly #wanderShare: number;

  constructor(
    around: JoiningSurroundings,
    { random }: { readonly random: Random },
    { wanderShare }: { readonly wanderShare: number },
  ) {
    this.#around = around;
    this.#random = random;
    this.#wanderShare = wanderShare;
  }

  /**
   * The neighbour whose filter has most of the hinted bits, one by chance among equals; now and then anybody. Of equals that promise
   * something those are taken who are connected; where nobody does, connected ones may all be of those who connect to everybody.
   */
  choose({ hint, budget, without, isTaken, isConnected = false }: NextHopTerms, nowMs: number): PeerId | undefined {
    const wanders = hint.length === 0 || this.#random.float() < this.#wanderShare;
    let best: PeerId[] = [];
    let most = -1;
    for (const { peer, filter } of this.#around.neighbours()) {
      const score = wanders || filter === undefined ? 0 : countBits(filter, hint);
      if (score < most || without.includes(peer) || budget.left(peer, nowMs) < 1) continue;
      if ((isConnected && !this.#around.isConnected(peer)) || isTaken?.(peer)) continue;
      if (score > most) best = [];
      most = score;
      best.push(peer);
    }
    if (best.length === 0) return undefined;
    const linked = best.filter((peer) => this.#around.isConnected(peer));
    if (most > 0 && linked.length > 0) best = linked;
    const chosen = best[this.#random.integer(best.length)] as PeerId; // not empty
    budget.take(chosen, nowMs);
    return chosen;
  }
}

function countBits(filter: InterestFilter, positions: readonly number[]): number {
  let count = 0;
  for (const position of positions) if (hasBit(filter, position)) count += 1;
  return count;
}
