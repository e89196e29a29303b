/** A map that holds the most recently used, at most `itemsMax`. */
export class Recent<Value> {
  readonly #items = new Map<string, Value>();
  readonly #itemsMax: number;

  constructor(itemsMax: number) {
    this.#itemsMax = itemsMax;
  }

  get(key: string): Value | undefined {
    const value = this.#items.get(key);
    if (value !== undefined) {
      this.#items.delete(key);
      this.#items.set(key, value);
    }
    return value;
  }

  set(key: string, value: Value): void {
    this.#items.delete(key);
    this.#items.set(key, value);
    if (this.#items.size <= this.#itemsMax) return;
    const [oldest] = this.#items.keys();
    if (oldest !== undefined) this.#items.delete(oldest);
  }
}
