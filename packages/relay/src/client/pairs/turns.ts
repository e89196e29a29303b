/** Keeps the order of what goes to each peer, while some of it takes longer to be made ready. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Calls `dispatch` once `ready` has resolved and all earlier turns of the peer are over; the turn is over when `dispatch` has returned
   * (not when its promise resolves). @throws what either throws.
   */
  async inTurn<Ready, Result>(
    peer: string,
    ready: Ready | Promise<Ready>,
    dispatch: (value: Ready) => Promise<Result>,
  ): Promise<Result> {
    const { before, over } = this.#take(peer);
    let result: Promise<Result>;
    try {
      const value = await ready;
      await before;
      result = dispatch(value);
    } catch (error) {
      await before;
      throw error;
    } finally {
      over();
    }
    return result;
  }

  /** As {@link inTurn}, but the turn lasts until `work` has resolved. */
  async whole(peer: string, work: () => Promise<void>): Promise<void> {
    const { before, over } = this.#take(peer);
    try {
      await before;
      await work();
    } finally {
      over();
    }
  }

  #take(peer: string): { readonly before: Promise<void> | undefined; readonly over: () => void } {
    const before = this.#last.get(peer);
    const turn = Promise.withResolvers<void>();
    this.#last.set(peer, turn.promise);
    const over = () => {
      turn.resolve();
      if (this.#last.get(peer) === turn.promise) this.#last.delete(peer);
    };
    return { before, over };
  }
}
