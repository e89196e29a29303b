import type { InboxId } from '../inbox-id.ts';

/** Who is told about which id: presence by address, messages by topic. */
export class FanOut<Listener> {
  readonly #listeners = new Map<InboxId, Set<Listener>>();

  /** Puts `ids` in the place of `before`. */
  replace(listener: Listener, before: readonly InboxId[], ids: readonly InboxId[]): void {
    for (const id of before) {
      const listeners = this.#listeners.get(id);
      listeners?.delete(listener);
      if (listeners?.size === 0) this.#listeners.delete(id);
    }
    for (const id of ids) {
      const listeners = this.#listeners.get(id) ?? new Set();
      this.#listeners.set(id, listeners.add(listener));
    }
  }

  of(id: InboxId): Iterable<Listener> {
    return this.#listeners.get(id) ?? [];
  }

  get size(): number {
    return this.#listeners.size;
  }
}
