import { Condition } from '@pulsemesh/base';

/** A client announced a control packet longer than the broker takes, or a length that is none. */
export class PacketTooLargeError extends Condition {
  override readonly name = 'PacketTooLargeError';
  constructor(packetBytes: number, packetBytesMax: number) {
    super('packet-too-large', `a packet of ${packetBytes} bytes is longer than ${packetBytesMax}`, {
      facts: { packetBytes, packetBytesMax },
    });
  }
}

const lengthBytesMax = 4;

/**
 * Follows the packet boundaries of one MQTT connection (MQTT 3.1.1 §2.2) and throws as soon as a packet announces
 * more than `packetBytesMax` bytes, before any of them are kept. The broker's own parser has no such limit: it would
 * collect up to 256 MiB for one packet.
 */
export class FrameGuard {
  readonly #packetBytesMax: number;
  /** Bytes of the packet's body still to come, when its length is known. */
  #bodyLeft = 0;
  /** Length bytes read of the packet's head; -1 while its first byte is awaited. */
  #lengthBytes = -1;
  #length = 0;

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /** @throws {PacketTooLargeError}; the connection is then to be closed. */
  check(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const step = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= step;
        at += step;
        continue;
      }
      if (this.#lengthBytes >= 0) this.#takeLengthByte(chunk[at] as number);
      else this.#lengthBytes = 0;
      at += 1;
    }
  }

  #takeLengthByte(byte: number): void {
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    const hasMore = (byte & 0x80) !== 0;
    if (this.#length > this.#packetBytesMax || (hasMore && this.#lengthBytes === lengthBytesMax)) {
      throw new PacketTooLargeError(this.#length, this.#packetBytesMax);
    }
    if (hasMore) return;
    this.#bodyLeft = this.#length;
    this.#lengthBytes = -1;
    this.#length = 0;
  }
}
