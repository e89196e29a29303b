/**
 * A running fingerprint of everything that happened in a run: equal for equal runs. 128 bits by four lanes of
 * multiply-and-rotate (MurmurHash3's mixing): nobody attacks it, and a SHA-256 per message would cost more than the
 * protocol it watches.
 */
export class TraceHash {
  #a = 0x9e3779b9 | 0;
  #b = 0x243f6a88 | 0;
  #c = 0xb7e15162 | 0;
  #d = 0x6a09e667 | 0;

  /** Mixes in two numbers; fractions of a time count to the microsecond. */
  add(one: number, other: number): void {
    const low = mix((one % 4_294_967.296) * 1_000);
    this.#a = rotate(this.#a ^ low, 15) + this.#b;
    this.#b = Math.imul(rotate(this.#b ^ mix(other), 13), 5) + 0x561ccd1b;
    this.#c = Math.imul(rotate(this.#c ^ this.#a, 17), 0xcc9e2d51);
    this.#d = (rotate(this.#d ^ this.#b, 19) + this.#c) | 0;
  }

  /** Mixes in a text. */
  addText(text: string): void {
    let value = text.length;
    for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
    this.add(text.length, value);
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return [this.#a, this.#b, this.#c, this.#d].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

function mix(value: number): number {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return first ^ (first >>> 13);
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
