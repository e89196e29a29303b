import type { InboxId } from '../inbox-id.ts';

/** Who waits for which mailbox. */
export class Watchers {
  readonly #handlers = new Map<InboxId, Set<() => void>>();

  add(inbox: InboxId, handler: () => void): Disposable {
    // A handler of its own for each call, so that the same function may watch twice.
    const own = () => handler();
    const handlers = this.#handlers.get(inbox) ?? new Set();
    this.#handlers.set(inbox, handlers.add(own));
    return {
      [Symbol.dispose]: () => {
        handlers.delete(own);
        if (handlers.size === 0 && this.#handlers.get(inbox) === handlers) this.#handlers.delete(inbox);
      },
    };
  }

  wake(inbox: InboxId): void {
    const handlers = this.#handlers.get(inbox);
    if (handlers !== undefined) for (const handler of handlers) handler();
  }

  /** Everybody: for an engine that cannot say what it missed. */
  wakeAll(): void {
    for (const inbox of [...this.#handlers.keys()]) this.wake(inbox);
  }
}
