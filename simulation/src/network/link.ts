/** A connection between two places. Its two directions keep their order, as TCP's do. */
export class Link {
  readonly a: number;
  readonly b: number;
  isOpen = true;
  readonly openedMs: number;
  /** When either end last sent something. */
  usedMs: number;
  /** When the last message towards `a`, towards `b` arrives. */
  readonly #arrivals: [number, number] = [0, 0];

  constructor(a: number, b: number, nowMs: number) {
    this.a = a;
    this.b = b;
    this.openedMs = nowMs;
    this.usedMs = nowMs;
  }

  otherEnd(index: number): number {
    return index === this.a ? this.b : this.a;
  }

  /** The time at which a message that would arrive at `atMs` does arrive: not before the one sent before it. */
  inOrder(to: number, atMs: number): number {
    const side = to === this.a ? 0 : 1;
    const arrival = Math.max(atMs, this.#arrivals[side]);
    this.#arrivals[side] = arrival;
    return arrival;
  }
}
