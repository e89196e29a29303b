import type { Random } from '@pulsemesh/base';
import { equalSecrets } from '@pulsemesh/crypto';
import { descriptorLimits } from '../descriptor.ts';
import { positionsOf } from '../interest/exact-interest.ts';
import type { FilterShape } from '../interest/interest-filter.ts';
import type { JoinQuery } from '../message.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { type JoinSeals, joinAnswerLimits } from './join-answer.ts';
import type { JoiningSurroundings } from './surroundings.ts';

/** Whether a query has its one true position for a hint: its topic has no secret. */
export function isOpen({ hint }: JoinQuery): boolean {
  return hint.length === 1;
}

/** Limits of {@link OwnAnswers}; see `JoiningOptions`. */
export interface OwnAnswersLimits {
  readonly answersPerNonceMax: number;
  readonly noncesMax: number;
}

/** What this node itself has to say to a query. */
export class OwnAnswers {
  readonly #around: JoiningSurroundings;
  readonly #random: Random;
  readonly #seals: JoinSeals;
  readonly #shape: FilterShape;
  readonly #limits: OwnAnswersLimits;
  /** How many queries of a nonce were answered here; the oldest nonce is forgotten first. */
  readonly #answered = new Map<string, number>();

  constructor(
    around: JoiningSurroundings,
    dependencies: { readonly random: Random; readonly seals: JoinSeals },
    limits: OwnAnswersLimits & { readonly shape: FilterShape },
  ) {
    this.#around = around;
    this.#random = dependencies.random;
    this.#seals = dependencies.seals;
    this.#shape = limits.shape;
    this.#limits = limits;
  }

  /** The topic of ours that a query is for, if it may have our answer, which is counted. */
  topicFor(query: JoinQuery, nowMs: number): Topic | undefined {
    const topic = this.#recognised(query, nowMs);
    return topic !== undefined && this.#mayAnswer(query) ? topic : undefined;
  }

  /** Seals members of `topic`, us first; without one a false answer, made alike. Undefined where the query's reply key is of no use. */
  seal(query: JoinQuery, topic: Topic | undefined): Uint8Array | undefined {
    const dependencies = { random: this.#random };
    if (topic === undefined) return this.#seals.sealDecoy(query, dependencies);
    const others = this.#around.members(topic).slice(0, joinAnswerLimits.descriptorsMax - 1);
    return this.#seals.seal(query, topic, [this.#around.self(), ...others], dependencies);
  }

  /**
   * The hint saves trying the tag of each topic. A query for a topic with a secret has decoys or no hint: one of a single position was
   * changed by somebody who would have it answered as for an open topic, at once.
   */
  #recognised(query: JoinQuery, nowMs: number): Topic | undefined {
    // The asker's clock may be on the other side of the epoch's end.
    const skewMs = 1_000 * descriptorLimits.clockSkewSecondsMax;
    const epochs = new Set([nowMs, nowMs - skewMs, nowMs + skewMs].map((atMs) => epochAt(atMs, epochMs.filter)));
    const isHinted = (topic: Topic) => {
      if (query.hint.length === 0) return true;
      for (const epoch of epochs) {
        const [position] = positionsOf(topic, epoch, this.#shape);
        if (position !== undefined && query.hint.includes(position)) return true;
      }
      return false;
    };
    for (const { topic, isSensitive } of this.#around.subscriptions()) {
      if (topic.isPrivate ? isOpen(query) : isSensitive) continue;
      if (isHinted(topic) && equalSecrets(topic.joinTag(query.nonce), query.tag)) return topic;
    }
    return undefined;
  }

  /** Whether a query of this nonce is still answered here: by repeating it, times could be averaged. */
  #mayAnswer({ nonce }: JoinQuery): boolean {
    const key = String.fromCharCode(...nonce);
    const count = this.#answered.get(key) ?? 0;
    if (count >= this.#limits.answersPerNonceMax) return false;
    this.#answered.delete(key);
    this.#answered.set(key, count + 1);
    if (this.#answered.size > this.#limits.noncesMax)
      this.#answered.delete(this.#answered.keys().next().value as string); // not empty
    return true;
  }
}
