/** How old a glance may be, milliseconds. */
export const glanceMs = 250;

/** A value that is costly to put together and may be a moment old. Its owner says what time it is. */
export class Glance<T> {
  readonly #look: () => T;
  #value: T | undefined;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(look: () => T) {
    this.#look = look;
  }

  get value(): T {
    this.#value ??= this.#look();
    return this.#value;
  }

  /** Forgets what is too old at `nowMs`, and all where `isChanged`. */
  age(nowMs: number, isChanged = false): void {
    if (!isChanged && Math.abs(nowMs - this.#atMs) < glanceMs) return;
    this.#atMs = nowMs;
    this.#value = undefined;
  }
}
