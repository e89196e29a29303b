import { type Clock, sleep } from '@pulsemesh/base';
import type { Topic } from '../topic.ts';

/** Limits of publications that wait for a first reader. */
export const firstReadersLimits = {
  /** How long one waits, milliseconds. */
  waitMs: 3_000,
  pollMs: 20,
  /** Publications that wait, of all topics; further ones are told at once that nobody reads. */
  waitingMax: 1_024,
} as const;

interface Waiting {
  readonly untilMs: number;
  readonly done: (isFound: boolean) => void;
}

/**
 * Publications that wait until somebody is found who reads their topic. Those of one topic wait in one line and go on in
 * the order they came: a later one never overtakes an earlier one.
 */
export class FirstReaders {
  readonly #clock: Clock;
  readonly #isKnown: (topic: Topic) => boolean;
  readonly #search: (topic: Topic) => void;
  readonly #lines = new Map<string, Waiting[]>();
  #waiting = 0;
  #isStopped = false;

  constructor(dependencies: {
    readonly clock: Clock;
    /** Whether somebody is known to read a topic. */
    readonly isKnown: (topic: Topic) => boolean;
    /** Looks for somebody, unless that is under way. */
    readonly search: (topic: Topic) => void;
  }) {
    this.#clock = dependencies.clock;
    this.#isKnown = dependencies.isKnown;
    this.#search = dependencies.search;
  }

  /** Whether anybody else is known to read a topic, now or within {@link firstReadersLimits}.waitMs. */
  find(topic: Topic): Promise<boolean> {
    const line = this.#lines.get(topic.name);
    if (line === undefined && this.#isKnown(topic)) return Promise.resolve(true);
    if (this.#isStopped || this.#waiting >= firstReadersLimits.waitingMax) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { untilMs: this.#clock.monotonicMs() + firstReadersLimits.waitMs, done: resolve };
    this.#waiting += 1;
    if (line === undefined) void this.#serve(topic, [waiting]);
    else line.push(waiting);
    return promise;
  }

  /** Whoever waits is told that nobody was found. */
  stop(): void {
    this.#isStopped = true;
    for (const line of this.#lines.values()) this.#release(line, line.length, false);
  }

  async #serve(topic: Topic, line: Waiting[]): Promise<void> {
    this.#lines.set(topic.name, line);
    while (line.length > 0) {
      if (this.#isKnown(topic)) {
        this.#release(line, line.length, true);
        break;
      }
      const nowMs = this.#clock.monotonicMs();
      const inTime = line.findIndex(({ untilMs }) => untilMs > nowMs);
      this.#release(line, inTime === -1 ? line.length : inTime, false);
      if (line.length === 0) break;
      this.#search(topic);
      await sleep(this.#clock, firstReadersLimits.pollMs);
    }
    this.#lines.delete(topic.name);
  }

  #release(line: Waiting[], count: number, isFound: boolean): void {
    this.#waiting -= count;
    for (const { done } of line.splice(0, count)) done(isFound);
  }
}
