const windowBits = 4096;

/**
 * Which packet numbers were seen, over the last 4,096 (in the manner of RFC 4303 §3.4.3): each number counts once, however
 * often and on whichever carrier the packet comes. Older ones count as seen: their items come again in newer packets.
 */
export class ReplayWindow {
  readonly #words = new Uint32Array(windowBits / 32);
  #greatest = -1;

  isFresh(number: number): boolean {
    if (number > this.#greatest) return true;
    if (number <= this.#greatest - windowBits) return false;
    const word = this.#words[(number % windowBits) >>> 5] as number;
    return (word & (1 << (number & 31))) === 0;
  }

  /** Only after the packet was found authentic: else a forged number would push the true ones out of the window. */
  mark(number: number): void {
    if (number > this.#greatest) {
      const from = Math.max(this.#greatest + 1, number - windowBits + 1);
      for (let passed = from; passed <= number; passed += 1) this.#clear(passed);
      this.#greatest = number;
    }
    const index = (number % windowBits) >>> 5;
    this.#words[index] = (this.#words[index] as number) | (1 << (number & 31));
  }

  #clear(number: number): void {
    const index = (number % windowBits) >>> 5;
    this.#words[index] = (this.#words[index] as number) & ~(1 << (number & 31));
  }
}
