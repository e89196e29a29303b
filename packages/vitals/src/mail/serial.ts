import { BusyError } from '@pulsemesh/network';

/** Runs actions one after another, so that what one reads is what it changes. More than `waitingMax` are refused. */
export class Serial {
  readonly #waitingMax: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** @throws {BusyError} when too many wait; what `action` throws. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#waitingMax) throw new BusyError('actions in a row', this.#waitingMax);
    this.#waiting += 1;
    const result = this.#last.then(action).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = result.catch(() => {}); // the caller sees the failure; the next in the row goes on
    return await result;
  }
}
