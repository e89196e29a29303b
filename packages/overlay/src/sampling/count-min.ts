import { assert, type Random } from '@pulsemesh/base';
import { type Hash, KeyedHash, mixHash, randomWord } from './keyed-hash.ts';

/** The size of a {@link CountMin}. */
export interface CountMinOptions {
  /** ⌈ln(1/δ)⌉, 1 … 32: an estimate is past its bound with probability δ. */
  readonly rows: number;
  /** ⌈e/ε⌉, 1 … 65,536: an estimate is at most ε × (all that was added) too great. */
  readonly columns: number;
}

/**
 * How often each id was added, in fixed memory, never too few (Cormode, Muthukrishnan 2005; keyed rows as Anceaume,
 * Busnel, Sericola 2013 ask for, so that nobody can choose ids that share the counters of another).
 */
export class CountMin {
  readonly #columns: number;
  readonly #seeds: Int32Array;
  readonly #counters: Uint32Array;
  readonly #hash: KeyedHash;
  #minimum = 0;
  #countersAtMinimum = 0;

  constructor(options: CountMinOptions, dependencies: { readonly random: Random }) {
    const { rows, columns } = options;
    assert(Number.isInteger(rows) && rows >= 1 && rows <= 32, 'a sketch has 1 … 32 rows');
    assert(Number.isInteger(columns) && columns >= 1 && columns <= 65_536, 'a sketch has 1 … 65,536 columns');
    this.#columns = columns;
    this.#seeds = Int32Array.from({ length: rows * 2 }, () => randomWord(dependencies.random));
    this.#counters = new Uint32Array(rows * columns);
    this.#hash = new KeyedHash(dependencies);
  }

  /** Counts one more of `id`, or `amount` more, and returns the estimate afterwards. */
  add(id: string, amount = 1): number {
    const hash = this.#hash.of(id);
    let estimate = Number.POSITIVE_INFINITY;
    for (let row = 0; row * 2 < this.#seeds.length; row += 1) {
      const cell = this.#cell(hash, row);
      const before = this.#counters[cell] as number;
      this.#counters[cell] = before + amount;
      this.#raised(before, before + amount);
      estimate = Math.min(estimate, before + amount);
    }
    return estimate;
  }

  /** How often `id` was added: never less than the truth. */
  estimate(id: string): number {
    const hash = this.#hash.of(id);
    let estimate = Number.POSITIVE_INFINITY;
    for (let row = 0; row * 2 < this.#seeds.length; row += 1) {
      estimate = Math.min(estimate, this.#counters[this.#cell(hash, row)] as number);
    }
    return estimate;
  }

  /**
   * The smallest counter that is not zero, 0 where nothing was added. Taken over all counters it would stay 0 for as long
   * as one cell is unused, and a sampler that admits by it would admit nothing ever again.
   */
  minimumNonZero(): number {
    if (this.#countersAtMinimum === 0) this.#findMinimum();
    return this.#minimum;
  }

  /** Halves all counters, so that what is long ago weighs less. */
  halve(): void {
    for (let cell = 0; cell < this.#counters.length; cell += 1) {
      this.#counters[cell] = (this.#counters[cell] as number) >>> 1;
    }
    this.#countersAtMinimum = 0;
  }

  #cell(hash: Hash, row: number): number {
    const value = mixHash(hash, this.#seeds[row * 2] as number, this.#seeds[row * 2 + 1] as number);
    return row * this.#columns + (value % this.#columns);
  }

  /** Keeps the minimum, which is searched for anew only when the last counter that had it has risen. */
  #raised(before: number, after: number): void {
    if (this.#countersAtMinimum === 0) return;
    if (before === this.#minimum) this.#countersAtMinimum -= 1;
    if (before === 0 && after < this.#minimum) {
      this.#minimum = after;
      this.#countersAtMinimum = 0;
    }
    if (after === this.#minimum) this.#countersAtMinimum += 1;
  }

  #findMinimum(): void {
    this.#minimum = 0;
    this.#countersAtMinimum = 0;
    for (const counter of this.#counters) {
      if (counter === 0 || (this.#minimum !== 0 && counter > this.#minimum)) continue;
      this.#countersAtMinimum = counter === this.#minimum ? this.#countersAtMinimum + 1 : 1;
      this.#minimum = counter;
    }
  }
}
