import type { Random } from '@pulsemesh/base';
import { equalSecrets } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { descriptorLimits } from '../descriptor.ts';
import { positionsOf } from '../interest/exact-interest.ts';
import type { FilterShape } from '../interest/interest-filter.ts';
import type { JoinQuery } from '../message.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { type JoinAnswerAddress, type JoinSeals, joinAnswerLimits, layersOf } from './join-answer.ts';
import type { JoiningSurroundings } from './surroundings.ts';

/** Whether a query has its one true position for a hint: its topic has no secret. */
export function isOpen({ hint }: JoinQuery): boolean {
  return hint.length === 1;
}

/** Limits of {@link OwnAnswers}; see `JoiningOptions`. */
export interface OwnAnswersLimits {
  readonly answersPerNonceMax: number;
  readonly answersPerBringerMax: number;
  readonly noncesMax: number;
}

/** What this node itself has to say to a query. */
export class OwnAnswers {
  readonly #around: JoiningSurroundings;
  readonly #random: Random;
  readonly #seals: JoinSeals;
  readonly #shape: FilterShape;
  readonly #limits: OwnAnswersLimits;
  /** How many queries of a nonce were answered here, by who brought them; the oldest nonce is forgotten first. */
  readonly #answered = new Map<string, Map<PeerId, number>>();

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
  topicFor(query: JoinQuery, from: PeerId, nowMs: number): Topic | undefined {
    const topic = this.#recognised(query, nowMs);
    return topic !== undefined && this.#mayAnswer(query, from) ? topic : undefined;
  }

  /** Seals members of `topic`, us first; without one a false answer, made alike. Undefined where the query's reply key is of no use. */
  seal(query: JoinAnswerAddress, topic: Topic | undefined): Uint8Array | undefined {
    return topic === undefined
      ? this.#seals.sealDecoy(query, { random: this.#random })
      : this.#sealMembers(query, topic, 0);
  }

  /**
   * What goes back in place of `box`, which came from further on: the same in one more layer, or members of `topic` in as many bytes.
   * Undefined where that would be too many layers, or the query's reply key is of no use.
   */
  handBack(query: JoinAnswerAddress, topic: Topic | undefined, box: Uint8Array): Uint8Array | undefined {
    const layers = (layersOf(box) ?? joinAnswerLimits.layersMax) + 1;
    if (layers > joinAnswerLimits.layersMax) return undefined;
    return topic === undefined
      ? this.#seals.wrap(query, box, { random: this.#random })
      : this.#sealMembers(query, topic, layers);
  }

  #sealMembers(query: JoinAnswerAddress, topic: Topic, layers: number): Uint8Array | undefined {
    const others = this.#around.members(topic).slice(0, joinAnswerLimits.descriptorsMax - 1);
    return this.#seals.seal(query, topic, [this.#around.self(), ...others], layers, { random: this.#random });
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
      if (isHinted(topic) && equalSecrets(topic.joinTag(query), query.tag)) return topic;
    }
    return undefined;
  }

  /**
   * Whether a query of this nonce is still answered here: by repeating it, times could be averaged. Nobody who brings it takes all of
   * the answers, or one on its way could use them up before the asker's own copies come.
   */
  #mayAnswer({ nonce }: JoinQuery, from: PeerId): boolean {
    const { answersPerNonceMax, answersPerBringerMax, noncesMax } = this.#limits;
    const key = String.fromCharCode(...nonce);
    const counts = this.#answered.get(key) ?? new Map<PeerId, number>();
    const count = counts.get(from) ?? 0;
    const sum = [...counts.values()].reduce((one, other) => one + other, 0);
    if (count >= answersPerBringerMax || sum >= answersPerNonceMax) return false;
    counts.set(from, count + 1);
    this.#answered.delete(key);
    this.#answered.set(key, counts);
    if (this.#answered.size > noncesMax) this.#answered.delete(this.#answered.keys().next().value as string); // not empty
    return true;
  }
}
