import { type Clock, Condition, errorForLog, type Logger, type Random, sleep } from '@pulsemesh/base';
import { deskLimits } from './desk-limits.ts';

/**
 * Things to do until they are done, each under a name: asked for twice, done once. A refusal that will stay one ends it; anything else is
 * tried again, later each time. What must survive a restart is in the rows of whoever asks again after it.
 */
export class Errands implements Disposable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #waiting = new Map<string, (signal: AbortSignal) => Promise<void>>();
  readonly #running = new Set<string>();

  constructor(dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger }) {
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#logger = dependencies.logger;
  }

  /** Past the limit it is not taken; whoever asks again at the next start or tick is heard then. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#waiting.has(name) || this.#running.has(name) || this.#stopping.signal.aborted) return;
    if (this.#waiting.size >= deskLimits.errandsMax) {
      this.#logger.warn('too many errands', {});
      return;
    }
    this.#waiting.set(name, work);
    this.#pump();
  }

  [Symbol.dispose](): void {
    this.#stopping.abort();
  }

  #pump(): void {
    for (const [name, work] of this.#waiting) {
      if (this.#running.size >= deskLimits.errandsAtOnceMax || this.#stopping.signal.aborted) return;
      this.#waiting.delete(name);
      this.#running.add(name);
      void this.#do(work).finally(() => {
        this.#running.delete(name);
        this.#pump();
      });
    }
  }

  async #do(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        return await work(signal);
      } catch (error) {
        if (signal.aborted) return;
        const { code, text } = errorForLog(error);
        if (error instanceof Condition && !error.retryable) {
          return this.#logger.warn('an errand of consent ended without success', { code, text });
        }
        this.#logger.debug('an errand of consent is tried again', { code, text, tries });
      }
      const wait = Math.min(deskLimits.retryMsMax, deskLimits.retryMsMin * 2 ** Math.min(tries - 1, 20));
      await sleep(this.#clock, Math.round(wait * (1 + this.#random.float() / 4)), { signal }).catch(() => {});
    }
  }
}
