import type { Random } from '@pulsemesh/base';
import { CountMin } from './count-min.ts';

/** How a {@link ReceivedCounts} counts. */
export interface ReceivedCountsOptions {
  /** So many different ids are counted exactly, more by a sketch. */
  readonly exactIdsMax: number;
  /** After so many ids all counts are halved, so that what is long ago weighs less; or, where more ids are known, */
  readonly halveAfter: number;
  /** after so many a known id: less often, each id would have been seen about once and the counts would tell nothing. */
  readonly halveAfterPerId: number;
}

/** Rows of the sketch; an estimate is past its bound once in e^10. */
const sketchRows = 10;
/** Columns of the sketch: 4√n for n ids, at least these. */
const sketchColumnsMin = 50;

/** How often each id was received lately: who is named often is taken less, see the weights of peer sampling. */
export class ReceivedCounts {
  readonly #options: ReceivedCountsOptions;
  readonly #random: Random;
  readonly #exact = new Map<string, number>();
  #sketch: CountMin | undefined;
  #idCount = 0;
  #sinceHalved = 0;

  constructor(options: ReceivedCountsOptions, dependencies: { readonly random: Random }) {
    this.#options = options;
    this.#random = dependencies.random;
  }

  /** Whether the ids have become too many to be counted one by one. */
  get isSketched(): boolean {
    return this.#sketch !== undefined;
  }

  /** How many counts are kept one by one. */
  get exactIdCount(): number {
    return this.#exact.size;
  }

  /** One more of `id`. */
  add(id: string): void {
    if (this.#sketch === undefined) {
      this.#exact.set(id, (this.#exact.get(id) ?? 0) + 1);
      this.#idCount = this.#exact.size;
      if (this.#exact.size > this.#options.exactIdsMax) this.#sketch = this.#startSketch();
    } else if (this.#sketch.add(id) === 1) {
      // Its counters were empty: it is new. Collisions hide some, so that the number stays an estimate from below.
      this.#idCount += 1;
    }
    this.#sinceHalved += 1;
    const { halveAfter, halveAfterPerId } = this.#options;
    if (this.#sinceHalved >= Math.max(halveAfter, halveAfterPerId * this.#idCount)) this.#halve();
  }

  /** About how often `id` was received lately, at least 1. */
  estimate(id: string): number {
    return Math.max(1, this.#sketch?.estimate(id) ?? this.#exact.get(id) ?? 1);
  }

  #halve(): void {
    this.#sinceHalved = 0;
    this.#sketch?.halve();
    for (const [id, count] of this.#exact) {
      if (count < 2) this.#exact.delete(id);
      else this.#exact.set(id, count / 2);
    }
  }

  #startSketch(): CountMin {
    const columns = Math.max(sketchColumnsMin, Math.ceil(4 * Math.sqrt(this.#exact.size)));
    const sketch = new CountMin({ rows: sketchRows, columns }, { random: this.#random });
    for (const [id, count] of this.#exact) sketch.add(id, Math.round(count));
    this.#exact.clear();
    return sketch;
  }
}
