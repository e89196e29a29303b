import { positionsOf } from '../interest/exact-interest.ts';
import { hasBit, type InterestFilter } from '../interest/interest-filter.ts';
import type { Topic } from '../topic.ts';

/** What an observer holds before it sees anything of a device. */
export interface ObserverKnowledge {
  /** How likely it thinks that the device reads the topic, 0 … 1. */
  readonly prior: number;
  /** About how many topics a device reads: their bits collide now and then. */
  readonly topicsEach: number;
}

/**
 * The best that somebody can do who is given a device's published filters and can name a topic: Bayes' rule over all
 * releases with different noise. The same release seen again is no new evidence, and is not counted as such.
 */
export class InterestObserver {
  readonly #topic: Topic;
  readonly #knowledge: ObserverKnowledge;
  readonly #seen = new Set<string>();
  #logOdds: number;
  #last: InterestFilter | undefined;

  constructor(topic: Topic, knowledge: ObserverKnowledge) {
    this.#topic = topic;
    this.#knowledge = knowledge;
    this.#logOdds = Math.log(knowledge.prior / (1 - knowledge.prior));
  }

  /** Takes in one filter of the device. */
  see(filter: InterestFilter): void {
    if (filter === this.#last) return;
    this.#last = filter;
    const release = `${filter.epoch}/${filter.salt.join()}`;
    if (this.#seen.has(release)) return;
    this.#seen.add(release);
    const { flip, shape, epoch } = filter;
    const collision = 1 - Math.exp((-shape.hashes * this.#knowledge.topicsEach) / shape.bits);
    const setIfNot = flip + (1 - 2 * flip) * collision;
    for (const position of positionsOf(this.#topic, epoch, shape)) {
      const isSet = hasBit(filter, position);
      this.#logOdds += isSet ? Math.log((1 - flip) / setIfNot) : Math.log(flip / (1 - setIfNot));
    }
  }

  /** How likely it now thinks that the device reads the topic, 0 … 1. */
  get belief(): number {
    return 1 / (1 + Math.exp(-this.#logOdds));
  }

  /** Releases with noise of their own seen so far. */
  get releases(): number {
    return this.#seen.size;
  }
}

/** How well beliefs tell readers from others. */
export interface ObserverFigures {
  /** Mean belief in what is read, and in what is not. */
  readonly beliefInTrue: number;
  readonly beliefInFalse: number;
  /** Who says "reads it" where the belief is above one half: how often that is right, and how much of all it finds. */
  readonly precision: number;
  readonly recall: number;
  /** How likely a read topic is believed in more than another one: ½ is nothing learned, 1 is everything. */
  readonly separation: number;
}

/** Figures of beliefs in topics that are read, and in topics that are not. */
export function observerFigures(inTrue: readonly number[], inFalse: readonly number[]): ObserverFigures {
  const mean = (values: readonly number[]) => values.reduce((total, value) => total + value, 0) / values.length;
  const said = (values: readonly number[]) => values.filter((value) => value > 0.5).length;
  const [right, wrong] = [said(inTrue), said(inFalse)];
  return {
    beliefInTrue: mean(inTrue),
    beliefInFalse: mean(inFalse),
    precision: right + wrong === 0 ? 0 : right / (right + wrong),
    recall: right / inTrue.length,
    separation: separationOf(inTrue, inFalse),
  };
}

/** The area under the curve of hits against false alarms; equal beliefs count half. */
function separationOf(inTrue: readonly number[], inFalse: readonly number[]): number {
  const all = [
    ...inTrue.map((belief) => ({ belief, isTrue: true })),
    ...inFalse.map((belief) => ({ belief, isTrue: false })),
  ].sort((one, other) => one.belief - other.belief);
  let below = 0;
  let won = 0;
  for (let start = 0; start < all.length; ) {
    const belief = all[start]?.belief;
    let end = start;
    while (end < all.length && all[end]?.belief === belief) end += 1;
    const equal = all.slice(start, end);
    const falseCount = equal.filter(({ isTrue }) => !isTrue).length;
    won += (equal.length - falseCount) * (below + falseCount / 2);
    below += falseCount;
    start = end;
  }
  return won / (inTrue.length * inFalse.length);
}
