import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Descriptor, isCurrent } from '../descriptor.ts';

/** Bounds of an {@link AnswerBudget}. */
export interface AnswerBudgetOptions {
  /** Answers in one round, to all and to one peer. */
  readonly answersMax: number;
  readonly answersPerPeerMax: number;
}

/**
 * How much is answered in a round, so that asking costs us no more than that, and shows the view no more often. Everybody's first
 * question has its answer: some dozens who ask without end would else have us held for dead by all others.
 */
export class AnswerBudget {
  readonly #options: AnswerBudgetOptions;
  readonly #given = new Map<PeerId, number>();
  #count = 0;

  constructor(options: AnswerBudgetOptions) {
    this.#options = options;
  }

  /** Whether `peer` may have one more answer, which is counted. */
  take(peer: PeerId): boolean {
    const given = this.#given.get(peer) ?? 0;
    const isSpent = given > 0 && this.#count >= this.#options.answersMax;
    if (given >= this.#options.answersPerPeerMax || isSpent) return false;
    this.#given.set(peer, given + 1);
    this.#count += 1;
    return true;
  }

  /** A new round begins. */
  renew(): void {
    this.#given.clear();
    this.#count = 0;
  }
}

/**
 * At most `count` of `descriptors`, each with the same probability: without the asker, without what has run out, and
 * without clients, whom only their own connections reach.
 */
export function chooseAnswer(
  descriptors: readonly Descriptor[],
  question: { readonly asker: PeerId; readonly count: number; readonly nowMs: number },
  random: Random,
): Descriptor[] {
  const chosen: Descriptor[] = [];
  const left = [...descriptors];
  while (left.length > 0 && chosen.length < question.count) {
    const index = random.integer(left.length);
    const descriptor = left[index] as Descriptor;
    left[index] = left.at(-1) as Descriptor;
    left.pop();
    const mayBeGiven = descriptor.peer !== question.asker && descriptor.addresses.length > 0;
    if (mayBeGiven && isCurrent(descriptor, question.nowMs)) chosen.push(descriptor);
  }
  return chosen;
}
