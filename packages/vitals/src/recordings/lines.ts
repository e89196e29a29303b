import { malformedLine, recordingLimits } from './recording.ts';

/**
 * The lines of `text` with their numbers from 1, without line ends; a last empty line is left out.
 * @throws {RecordingError} for a line longer than `recordingLimits.lineLengthMax`.
 */
export function* linesOf(text: string, file: string): Generator<{ readonly line: string; readonly number: number }> {
  let start = 0;
  for (let number = 1; start < text.length; number += 1) {
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    if (end - start > recordingLimits.lineLengthMax) throw malformedLine(file, number, 'the line is too long');
    const line = text.slice(start, end);
    yield { line: line.endsWith('\r') ? line.slice(0, -1) : line, number };
    start = end + 1;
  }
}

/** A list of numbers that grows without a boxed value for each. */
export class NumberList {
  #values = new Float64Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  toArray(): Float64Array {
    return this.#values.slice(0, this.#length);
  }
}
