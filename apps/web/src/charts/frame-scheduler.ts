/** Charts are drawn at most this often; between frames nothing is drawn. */
export const drawGapMs = 80;

export interface FrameDependencies {
  readonly requestFrame: (callback: (timeMs: number) => void) => number;
}

/**
 * Draws what asked to be drawn, each at most once per animation frame and not faster than {@link drawGapMs}.
 * A hidden page gets no frames from its browser, so it draws nothing.
 */
export class FrameScheduler {
  readonly #dependencies: FrameDependencies;
  readonly #waiting = new Set<() => void>();
  #isAsked = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: FrameDependencies) {
    this.#dependencies = dependencies;
  }

  /** Asks for one call of `draw`; asking again before it is called changes nothing. */
  request(draw: () => void): void {
    this.#waiting.add(draw);
    this.#ask();
  }

  /** Takes a request back. */
  cancel(draw: () => void): void {
    this.#waiting.delete(draw);
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#dependencies.requestFrame((timeMs) => {
      this.#isAsked = false;
      if (timeMs - this.#lastMs < drawGapMs) {
        if (this.#waiting.size > 0) this.#ask();
        return;
      }
      this.#lastMs = timeMs;
      const draws = [...this.#waiting];
      this.#waiting.clear();
      for (const draw of draws) draw();
    });
  }
}

/** The page's one scheduler. */
export const frames = new FrameScheduler({ requestFrame: (callback) => requestAnimationFrame(callback) });
