import { frameHeaderBytes, framePackets } from '../../framing.ts';
import { bufferedBytesMax, packetBytesMaxDefault } from './base-carrier.ts';

/** The shortest limit for packets that a box may force, bytes. A box that refuses these refuses the transport. */
export const packetBytesMin = 4 * 1024;

/** Packets to go up in one POST. */
export interface Body {
  readonly packets: readonly Uint8Array[];
  readonly bytes: Uint8Array;
}

/**
 * What waits for the next POST of a carrier, and how much one POST may hold. The limit halves when a box refuses a
 * body for its size, and stays so for the carrier's life.
 */
export class Outbox {
  #packets: Uint8Array[] = [];
  #bytes = 0;
  #bodyBytesMax: number;

  constructor(options: { readonly packetBytesMax?: number } = {}) {
    const packetBytesMax = options.packetBytesMax ?? packetBytesMaxDefault;
    this.#bodyBytesMax = Math.max(packetBytesMin, packetBytesMax) + frameHeaderBytes;
  }

  get packetBytesMax(): number {
    return this.#bodyBytesMax - frameHeaderBytes;
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0;
  }

  get hasRoom(): boolean {
    return this.#bytes < bufferedBytesMax;
  }

  /** Adds a packet; one that finds no room is dropped. */
  push(packet: Uint8Array): void {
    if (!this.hasRoom) return;
    this.#packets.push(packet);
    this.#bytes += packet.length;
  }

  /** Takes as many packets as one body may hold, in order; none when empty. */
  take(): Body {
    let count = 0;
    let bytes = 0;
    for (const packet of this.#packets) {
      bytes += frameHeaderBytes + packet.length;
      if (bytes > this.#bodyBytesMax) break;
      count += 1;
    }
    const packets = this.#packets.splice(0, count);
    for (const packet of packets) this.#bytes -= packet.length;
    return { packets, bytes: framePackets(packets) };
  }

  /** Takes all packets, in order. */
  takeAll(): readonly Uint8Array[] {
    this.#bytes = 0;
    return this.#packets.splice(0);
  }

  /** Puts packets of a body that failed back to the front. Those that are now too long are dropped. */
  giveBack(body: Body): void {
    const fitting = body.packets.filter((packet) => packet.length <= this.packetBytesMax);
    this.#packets = [...fitting, ...this.#packets.filter((packet) => packet.length <= this.packetBytesMax)];
    this.#bytes = this.#packets.reduce((sum, packet) => sum + packet.length, 0);
  }

  /**
   * A body was refused for its size: halves the limit (below the body's own size) and gives its packets back.
   * False when the shortest limit was refused too.
   */
  shrink(body: Body): boolean {
    const half = Math.floor(Math.min(this.packetBytesMax, body.bytes.length) / 2);
    const isPossible = this.packetBytesMax > packetBytesMin && body.bytes.length > packetBytesMin;
    if (isPossible) this.#bodyBytesMax = Math.max(packetBytesMin, half) + frameHeaderBytes;
    this.giveBack(body);
    return isPossible;
  }
}
