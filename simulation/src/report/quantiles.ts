/** Bucket borders grow by one per cent: a quantile is right to half of that. */
const growth = Math.log(1.01);
const bucketsMax = 4_096;

/** Counts values (0 and more) in buckets, so that quantiles of millions cost a few kilobytes. */
export class Quantiles {
  readonly #buckets = new Uint32Array(bucketsMax);
  #count = 0;
  #sum = 0;
  #max = 0;

  add(value: number): void {
    const bucket = value <= 0.01 ? 0 : Math.min(bucketsMax - 1, Math.ceil(Math.log(value / 0.01) / growth));
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1; // below the length
    this.#count += 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** The value that `share` (0 … 1) of all do not pass; 0 when there is none. */
  at(share: number): number {
    let left = Math.ceil(share * this.#count);
    if (left === 0) return 0;
    for (let bucket = 0; bucket < bucketsMax; bucket += 1) {
      left -= this.#buckets[bucket] as number; // below the length
      if (left <= 0) return bucket === 0 ? 0 : Math.min(this.#max, 0.01 * Math.exp((bucket - 0.5) * growth));
    }
    return this.#max;
  }
}
