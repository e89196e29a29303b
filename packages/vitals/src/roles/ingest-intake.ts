import { type Clock, Condition, sleep } from '@pulsemesh/base';
import type { IncomingPublish, OnPublish, Refusal } from '../mqtt/broker.ts';
import type { PeopleClient } from '../people/people-client.ts';
import { MessageRefusedError } from '../readings/errors.ts';
import { parseReadingMessage } from '../readings/message.ts';
import type { Reading, UserId } from '../readings/reading.ts';
import { assertWithinSkew, isWithinSkew, type SkewLimits } from '../readings/skew.ts';
import type { Committer } from './ingest-commit.ts';
import type { IngestEvents } from './ingest-events.ts';

export interface RateLimits {
  /** Readings a second that one wearer may send in the long run; default 20. */
  readonly perSecond: number;
  /** Readings one wearer may send at once after a silence; default 600. */
  readonly burst: number;
}

export const defaultRateLimits: RateLimits = { perSecond: 20, burst: 600 };

const wearersMax = 100_000;
const directoryRetryMs = 1_000;

export interface IntakeDependencies {
  readonly people: PeopleClient;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly events: IngestEvents;
  readonly onFailed: (error: unknown) => void;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

interface Pending {
  readonly reading: Reading;
  readonly message: IncomingPublish;
  readonly settle: Settle;
}

type Settle = (refusal: Refusal | null) => void;

/**
 * From a device's message to an item for the next commit: parse, check whose it is and when it was, hold back what
 * comes too fast. Nothing is dropped: a device over its rate gets its acknowledgements later.
 */
export class IngestIntake {
  readonly #rate: RateLimits;
  readonly #skew: SkewLimits;
  readonly #deps: IntakeDependencies;
  readonly #buckets = new Map<UserId, Bucket>();
  /** Readings whose times only a replay may have, until it is known what their device is. */
  readonly #unjudged = new Map<UserId, Pending[]>();
  readonly #stopped = new AbortController();
  #judging: Promise<void> | undefined;

  constructor(rate: RateLimits, skew: SkewLimits, dependencies: IntakeDependencies) {
    this.#rate = rate;
    this.#skew = skew;
    this.#deps = dependencies;
  }

  /** The broker's door; called once a message, so it makes no promise. */
  readonly take: OnPublish = (message, settle) => {
    const { clock, events } = this.#deps;
    events.received();
    let reading: Reading;
    try {
      reading = parseReadingMessage(message.payload, clock.now());
      if (message.allowedUserIds !== 'any' && !message.allowedUserIds.has(reading.userId)) {
        throw new MessageRefusedError('user-id-not-yours', "this login may not bring that wearer's readings");
      }
    } catch (error) {
      if (!(error instanceof MessageRefusedError)) throw error;
      queueMicrotask(() => this.#refuse(error, settle));
      return;
    }
    const pending = { reading, message, settle };
    const delayMs = this.#delayMs(reading.userId);
    if (delayMs <= 0) this.#judge(pending);
    else {
      events.delayed('rate');
      clock.setTimer(() => this.#judge(pending), delayMs);
    }
  };

  async stop(): Promise<void> {
    this.#stopped.abort(new Condition('ingest-stopped', 'the ingest is stopped'));
    await this.#judging;
    this.#unjudged.clear();
  }

  #judge(pending: Pending): void {
    const { people, clock, events } = this.#deps;
    const { reading, settle } = pending;
    const nowMs = clock.now();
    if (reading.isStamped || isWithinSkew(reading, nowMs, this.#skew)) {
      this.#commit(pending);
      return;
    }
    const patient = people.peek(reading.userId);
    if (patient === undefined) {
      events.delayed('directory');
      const others = this.#unjudged.get(reading.userId);
      if (others === undefined) this.#unjudged.set(reading.userId, [pending]);
      else others.push(pending);
      this.#startJudging();
      return;
    }
    try {
      assertWithinSkew(reading, patient.deviceKind, nowMs, this.#skew);
      this.#commit(pending);
    } catch (error) {
      if (!(error instanceof MessageRefusedError)) throw error;
      queueMicrotask(() => this.#refuse(error, settle));
    }
  }

  #startJudging(): void {
    this.#judging ??= this.#judgeAll()
      .catch(this.#deps.onFailed)
      .finally(() => {
        this.#judging = undefined;
        if (this.#unjudged.size > 0 && !this.#stopped.signal.aborted) this.#startJudging();
      });
  }

  /** Asks the directory what the devices are, again and again while it is down: their acknowledgements wait. */
  async #judgeAll(): Promise<void> {
    const { people, clock } = this.#deps;
    const { signal } = this.#stopped;
    while (this.#unjudged.size > 0 && !signal.aborted) {
      const wearers = [...this.#unjudged.keys()];
      try {
        const found = await people.resolve(wearers, { signal });
        for (const userId of wearers) {
          const waiting = this.#unjudged.get(userId) ?? [];
          this.#unjudged.delete(userId);
          // One the directory has no room for cannot be a registered replay.
          const deviceKind = found.get(userId)?.deviceKind ?? 'live';
          for (const pending of waiting) this.#judgeAs(pending, deviceKind);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Condition && error.retryable)) throw error;
        await sleep(clock, directoryRetryMs, { signal }).catch(() => {});
      }
    }
  }

  #judgeAs(pending: Pending, deviceKind: 'live' | 'replay'): void {
    try {
      assertWithinSkew(pending.reading, deviceKind, this.#deps.clock.now(), this.#skew);
    } catch (error) {
      if (!(error instanceof MessageRefusedError)) throw error;
      this.#refuse(error, pending.settle);
      return;
    }
    this.#commit(pending);
  }

  #commit({ reading, message, settle }: Pending): void {
    const { clientId, messageId } = message;
    this.#deps.committer.add({
      kind: 'reading',
      reading,
      qos2: messageId === null ? null : { clientId, messageId },
      sinceMs: this.#deps.clock.monotonicMs(),
      settle: () => settle(null),
    });
  }

  #refuse(error: MessageRefusedError, settle: Settle): void {
    this.#deps.events.refused(error.code);
    settle({ code: error.code, explanation: error.message });
  }

  /** A token bucket that may go into debt: how long until this reading's token is there. */
  #delayMs(userId: UserId): number {
    const { perSecond, burst } = this.#rate;
    const nowMs = this.#deps.clock.monotonicMs();
    let bucket = this.#buckets.get(userId);
    if (bucket === undefined) {
      // Forgetting all gives each one burst more, now and then.
      if (this.#buckets.size >= wearersMax) this.#buckets.clear();
      bucket = { tokens: burst, atMs: nowMs };
      this.#buckets.set(userId, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond) - 1;
    bucket.atMs = nowMs;
    return bucket.tokens >= 0 ? 0 : (-bucket.tokens / perSecond) * 1000;
  }
}
