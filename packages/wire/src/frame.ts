import { assert } from '@pulsemesh/base';
import { DecodeError } from './errors.ts';

const headBytes = 4;

/** A frame on a byte stream: the payload's length (unsigned 32 bits, big-endian), then the payload (at most 2^32-1 bytes). */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  assert(payload.length < 2 ** 32, 'a frame is shorter than 4 GiB');
  const frame = new Uint8Array(headBytes + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, headBytes);
  return frame;
}

/**
 * Cuts a byte stream back into the payloads that {@link encodeFrame} wrapped. Holds less than one frame beyond what
 * `push` returns, in a buffer that grows with what has come: an announced length allocates nothing.
 */
export class FrameDecoder {
  readonly #bytesMax: number;
  #buffer = new Uint8Array(0);
  #used = 0;
  #isBroken = false;

  /** `bytesMax`: longest payload accepted. */
  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  /** True when the stream may end here: no frame has begun. */
  get isAtBoundary(): boolean {
    return this.#used === 0;
  }

  /**
   * Takes the next bytes of the stream and returns the payloads they complete, in order; they are views, of `chunk`
   * where a frame lies in it whole.
   * @throws {DecodeError} when a frame announces more than `bytesMax`; the stream is then lost, every later push throws.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#isBroken) throw new DecodeError('the stream broke earlier');
    const payloads: Uint8Array[] = [];
    let rest = chunk;
    while (this.#used > 0 && rest.length > 0) {
      const missing = this.#missing(this.#buffer.subarray(0, this.#used));
      const taken = rest.subarray(0, missing);
      this.#append(taken);
      rest = rest.subarray(taken.length);
      if (this.#missing(this.#buffer.subarray(0, this.#used)) === 0) payloads.push(this.#takeBuffered());
    }
    while (rest.length > 0) {
      if (this.#missing(rest) > 0) {
        this.#append(rest);
        break;
      }
      const end = headBytes + lengthIn(rest);
      payloads.push(rest.subarray(headBytes, end));
      rest = rest.subarray(end);
    }
    return payloads;
  }

  /** How many bytes the frame that begins `bytes` still wants, as far as is known; 0 when it is whole. */
  #missing(bytes: Uint8Array): number {
    if (bytes.length < headBytes) return headBytes - bytes.length;
    const length = lengthIn(bytes);
    if (length > this.#bytesMax) {
      this.#isBroken = true;
      this.#buffer = new Uint8Array(0);
      throw new DecodeError(`a frame longer than ${this.#bytesMax} bytes`);
    }
    return Math.max(0, headBytes + length - bytes.length);
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#used + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, this.#used));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used = needed;
  }

  /** The buffered payload; the buffer is given away with it. */
  #takeBuffered(): Uint8Array {
    const payload = this.#buffer.subarray(headBytes, this.#used);
    this.#buffer = new Uint8Array(0);
    this.#used = 0;
    return payload;
  }
}

function lengthIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, headBytes).getUint32(0);
}
