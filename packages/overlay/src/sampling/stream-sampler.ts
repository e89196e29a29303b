import { assert, type Random } from '@pulsemesh/base';
import { CountMin, type CountMinOptions } from './count-min.ts';

/** How a {@link StreamSampler} is made. */
export interface StreamSamplerOptions extends CountMinOptions {
  /** How many ids it holds, 1 or more. */
  readonly capacity: number;
}

/**
 * Turns a stream of ids, in which some come far too often, into one in which each comes about equally often: the
 * knowledge-free sampler of Anceaume, Busnel and Sericola (2013). For applications that want an endless fresh stream of
 * peers. The view of a node is not built on it alone: fed by its own output it collapses once a fifth of the peers lie.
 */
export class StreamSampler {
  readonly #capacity: number;
  readonly #counts: CountMin;
  readonly #random: Random;
  readonly #ids: string[] = [];
  readonly #held = new Set<string>();

  constructor(options: StreamSamplerOptions, dependencies: { readonly random: Random }) {
    assert(Number.isInteger(options.capacity) && options.capacity >= 1, 'a stream sampler holds one id or more');
    this.#capacity = options.capacity;
    this.#counts = new CountMin(options, dependencies);
    this.#random = dependencies.random;
  }

  /** The ids held now. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Takes one id of the stream in and gives one of the fair stream out. */
  add(id: string): string {
    const count = this.#counts.add(id);
    if (!this.#held.has(id)) {
      if (this.#ids.length < this.#capacity) {
        this.#ids.push(id);
        this.#held.add(id);
      } else if (this.#random.float() <= this.#counts.minimumNonZero() / count) {
        this.#replace(this.#random.integer(this.#ids.length), id);
      }
    }
    return this.sample();
  }

  /** One of the ids held, each with the same probability. Throws where none was added yet. */
  sample(): string {
    const id = this.#ids[this.#random.integer(this.#ids.length)];
    assert(id !== undefined, 'nothing was added yet');
    return id;
  }

  #replace(index: number, id: string): void {
    this.#held.delete(this.#ids[index] as string);
    this.#ids[index] = id;
    this.#held.add(id);
  }
}

/** The fair stream of an endless or ended stream of ids: one id out for each that came in. */
export function* sampleStream(ids: Iterable<string>, sampler: StreamSampler): Generator<string> {
  for (const id of ids) yield sampler.add(id);
}
