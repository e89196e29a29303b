/** Handlers of one kind of event. They are called in the order they came, and must not throw. */
export class HandlerSet<T> {
  readonly #handlers = new Set<{ readonly call: (value: T) => void }>();

  /** Dispose what is given to take the handler back. */
  add(call: (value: T) => void): Disposable {
    const handler = { call };
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  tell(value: T): void {
    for (const handler of [...this.#handlers]) handler.call(value);
  }
}
