import { assert } from '@pulsemesh/base';
import { hkdfSha256, hmacSha256 } from '@pulsemesh/crypto';
import { compareBytes, concatBytes, equalBytes } from '@pulsemesh/wire';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { type ExactInterest, exactInterest, positionsOf } from './exact-interest.ts';
import {
  decodeFilter,
  defaultFilterShape,
  drawFilter,
  FilterRefusedError,
  type FilterShape,
  filterLimits,
  type InterestFilter,
} from './interest-filter.ts';
import { InterestStateRefusedError, PrivacyBudget } from './privacy-budget.ts';

/** How a device speaks of its interests. */
export interface InterestOptions {
  /** 32 bytes that stay on the device and outlive restarts: the noise comes from them. */
  readonly secret: Uint8Array;
  /** ε of one published filter, 0.25 … 20; default 3, "high privacy" 2. See {@link describeEpsilon}. */
  readonly epsilon?: number;
  /** ε of all filters ever published together; default 30. */
  readonly epsilonTotal?: number;
  readonly shape?: FilterShape;
  /** A new filter follows the last one at the earliest after so long, milliseconds; default 24 h. */
  readonly redrawIntervalMs?: number;
  /** A set is published when it stayed the same for so long, milliseconds; default 5 s: starting up is one change. */
  readonly settleMs?: number;
  /** What {@link InterestKeeper.state} gave before the restart. */
  readonly state?: Uint8Array;
}

/** Topics that count towards the filter; further ones are read, but not told. */
export const interestTopicsMax = filterLimits.topicsMax;

/**
 * What this device reads, and the noisy filter it shows of it. The noise is permanent: one set of topics in one epoch
 * gives one filter, however often it is asked for, also after a restart or after other sets in between. A new filter
 * is drawn only when the set or the epoch changed, at most once in `redrawIntervalMs`, and counts against the budget.
 *
 * A new epoch moves all positions and needs new noise: under the old noise the difference of the two filters would
 * show the set without any.
 */
export class InterestKeeper {
  readonly #shape: FilterShape;
  readonly #redrawIntervalMs: number;
  readonly #settleMs: number;
  readonly #noiseKey: Uint8Array;
  readonly #nameKey: Uint8Array;
  readonly #budget: PrivacyBudget;
  readonly #topics = new Map<string, Topic>();
  #shown: InterestFilter | undefined;
  #shownSinceMs = 0;
  /** When the set changed last; undefined: what is shown is of this set, or nothing can be afforded. */
  #changedAtMs: number | undefined;
  /** Before the first topic of this process nothing is drawn: a restart is no change to an empty set. */
  #isStarted = false;

  /** @throws {InterestStateRefusedError} where `state` cannot be read. */
  constructor(options: InterestOptions) {
    assert(options.secret.length === 32, 'a device secret is 32 bytes');
    const derive = (info: string) => hkdfSha256({ key: options.secret, info: `upsycle/${info}/1`, length: 32 });
    this.#noiseKey = derive('noise');
    this.#nameKey = derive('interest-set');
    this.#shape = options.shape ?? defaultFilterShape;
    this.#redrawIntervalMs = options.redrawIntervalMs ?? 24 * 3_600_000;
    this.#settleMs = options.settleMs ?? 5_000;
    this.#budget = new PrivacyBudget(options.epsilonTotal ?? 30, options.epsilon ?? 3);
    if (options.state !== undefined) this.#restore(options.state);
  }

  /** ε spent by all filters ever published. */
  get epsilonSpent(): number {
    return this.#budget.spentMilli / 1_000;
  }

  /** Counts a topic in. A sensitive one is not to be given here: it is found by invitation and join queries alone. */
  add(topic: Topic, nowMs: number): void {
    if (this.#topics.has(topic.name) || this.#topics.size >= interestTopicsMax) return;
    this.#topics.set(topic.name, topic);
    this.#changedAtMs = nowMs;
    this.#isStarted = true;
  }

  /** Counts a topic out. */
  remove(topic: Topic, nowMs: number): void {
    if (this.#topics.delete(topic.name)) this.#changedAtMs = nowMs;
  }

  /** What we read, without noise, in `epoch`: for our own comparisons, never sent. */
  exact(epoch: number, isNeedy?: (topic: Topic) => boolean): ExactInterest {
    return exactInterest(this.#topics.values(), epoch, this.#shape, isNeedy);
  }

  /** The filter to show at `nowMs` (unix milliseconds); none before there was anything to show. */
  shown(nowMs: number): InterestFilter | undefined {
    if (nowMs >= this.dueAtMs) this.#redraw(nowMs);
    return this.#shown;
  }

  /** When {@link shown} may give another filter, unix milliseconds; Infinity where only a change of topics does. */
  get dueAtMs(): number {
    if (!this.#isStarted) return Number.POSITIVE_INFINITY;
    const shown = this.#shown;
    const newEpochAtMs = shown === undefined ? Number.POSITIVE_INFINITY : (shown.epoch + 1) * epochMs.filter;
    const wantedAtMs = this.#changedAtMs === undefined ? newEpochAtMs : this.#changedAtMs + this.#settleMs;
    return shown === undefined ? wantedAtMs : Math.max(wantedAtMs, this.#shownSinceMs + this.#redrawIntervalMs);
  }

  /**
   * What must outlive a restart, to be kept whenever {@link shown} gave another filter and before that is sent: what was
   * spent, and the filter shown. It holds no topic and no key.
   */
  state(): Uint8Array {
    const shown = this.#shown;
    return this.#budget.encode(shown && { bytes: shown.bytes, sinceMs: Math.floor(this.#shownSinceMs) });
  }

  #redraw(nowMs: number): void {
    const epoch = epochAt(nowMs, epochMs.filter);
    const fingerprint = this.#fingerprint();
    this.#changedAtMs = undefined;
    const release = this.#budget.release(fingerprint, epoch);
    // Counted as shown now also where nothing is drawn, so that it is not tried again at every call.
    this.#shownSinceMs = nowMs;
    if (release === undefined) return;
    const { epsilonMilli } = release;
    const text = new TextEncoder().encode(`${epoch}/${epsilonMilli}/${this.#shape.bits}/${this.#shape.hashes}`);
    const salt = hmacSha256(this.#nameKey, concatBytes(fingerprint, text)).slice(0, filterLimits.saltBytes);
    if (this.#shown !== undefined && equalBytes(this.#shown.salt, salt)) return;
    const positions = [...this.#topics.values()].flatMap((topic) => positionsOf(topic, epoch, this.#shape));
    this.#shown = drawFilter({ shape: this.#shape, epsilonMilli, epoch, salt }, positions, this.#noiseKey);
  }

  /** 16 bytes for the set of topics, whatever their order; nobody without the secret can test a set against it. */
  #fingerprint(): Uint8Array {
    const elements = [...this.#topics.values()].map((topic) => topic.filterElement(0)).sort(compareBytes);
    return hmacSha256(this.#nameKey, concatBytes(...elements)).slice(0, 16);
  }

  #restore(state: Uint8Array): void {
    const shown = this.#budget.restore(state);
    if (shown === undefined) return;
    try {
      this.#shown = decodeFilter(shown.bytes);
    } catch (error) {
      if (error instanceof FilterRefusedError) throw new InterestStateRefusedError(error);
      throw error;
    }
    this.#shownSinceMs = shown.sinceMs;
  }
}
