/** Readings of one heart that a page keeps: 68 minutes at one per second. */
export const samplesMax = 4_096;

export interface Samples {
  /** Seconds since 1970, ascending. */
  readonly tSeconds: Float64Array;
  /** Beats per minute. */
  readonly bpm: Float32Array;
}

/**
 * The newest readings of one heart, ordered by time, without a second one for the same time, outside React.
 * A view costs nothing: both arrays are slices of twice the capacity, moved to the front when the end is reached.
 */
export class SampleBuffer {
  readonly #capacity: number;
  readonly #t: Float64Array;
  readonly #bpm: Float32Array;
  #start = 0;
  #end = 0;

  /** `capacity` >= 1: how many readings are kept; the oldest leave first. */
  constructor(capacity = samplesMax) {
    this.#capacity = capacity;
    this.#t = new Float64Array(capacity * 2);
    this.#bpm = new Float32Array(capacity * 2);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Time of the newest reading in seconds, or null. */
  get newestSeconds(): number | null {
    return this.#end === this.#start ? null : (this.#t[this.#end - 1] ?? null);
  }

  get newestBpm(): number | null {
    return this.#end === this.#start ? null : (this.#bpm[this.#end - 1] ?? null);
  }

  /** Takes one reading; returns false when it changes nothing (known time, or older than all of a full buffer). */
  add(tSeconds: number, bpm: number): boolean {
    const at = this.#firstAtOrAfter(tSeconds);
    if (at < this.#end && this.#t[at] === tSeconds) return false;
    if (at === this.#start && this.length === this.#capacity) return false;
    if (this.#end === this.#t.length) {
      this.#moveToFront();
      return this.add(tSeconds, bpm);
    }
    this.#t.copyWithin(at + 1, at, this.#end);
    this.#bpm.copyWithin(at + 1, at, this.#end);
    this.#t[at] = tSeconds;
    this.#bpm[at] = bpm;
    this.#end += 1;
    if (this.length > this.#capacity) this.#start += 1;
    return true;
  }

  /** The readings at or after `fromSeconds`; a view that the next `add` may change. */
  since(fromSeconds: number): Samples {
    const from = this.#firstAtOrAfter(fromSeconds);
    return { tSeconds: this.#t.subarray(from, this.#end), bpm: this.#bpm.subarray(from, this.#end) };
  }

  #firstAtOrAfter(tSeconds: number): number {
    let low = this.#start;
    let high = this.#end;
    // Readings come nearly always in order: look at the end first.
    if (low === high || (this.#t[high - 1] as number) < tSeconds) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#t[middle] as number) < tSeconds) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #moveToFront(): void {
    this.#t.copyWithin(0, this.#start, this.#end);
    this.#bpm.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }
}
