import type { Writable } from 'node:stream';
import type { Clock, Condition, Timer } from '@pulsemesh/base';
import { writePieces } from '../write-pieces.ts';
import { carrierOver } from './refusal.ts';

export interface TickWriterOptions {
  /** Puts the packets of one tick into the form of the transport: pieces that are written in one go. */
  readonly encode: (packets: readonly Uint8Array[]) => readonly Uint8Array[];
  /** What is written to is a connection itself: memory of packets goes back as soon as they are written. */
  readonly isSocket?: boolean;
  readonly bufferedBytesMax: number;
  readonly stalledMs: number;
  /** There is room again after `isWritable` was false. */
  readonly onWritable: () => void;
  /** The reader took nothing for `stalledMs`. */
  readonly onStalled: (reason: Condition) => void;
}

/**
 * Puts all packets of one tick into one write: most of what a small packet costs is the write. Holds at most
 * `bufferedBytesMax` and one packet; past it `isWritable` is false until that is read.
 */
export class TickWriter {
  readonly #out: Writable;
  readonly #options: TickWriterOptions;
  readonly #clock: Clock;
  readonly #flush = () => this.flush();
  #packets: Uint8Array[] = [];
  #packetBytes = 0;
  #isFull = false;
  #isOver = false;
  #stallTimer: Timer | null = null;

  constructor(out: Writable, options: TickWriterOptions, deps: { readonly clock: Clock }) {
    this.#out = out;
    this.#options = options;
    this.#clock = deps.clock;
    out.on('drain', () => this.#onDrain());
  }

  get isWritable(): boolean {
    return !this.#isFull && !this.#isOver;
  }

  /** Takes one packet for the write at the end of this tick; drops it when there is no room. */
  write(packet: Uint8Array): void {
    if (this.#isFull || this.#isOver) return;
    if (this.#packets.push(packet) === 1) process.nextTick(this.#flush);
    this.#packetBytes += packet.length;
    if (this.#packetBytes + this.#out.writableLength >= this.#options.bufferedBytesMax) this.#isFull = true;
  }

  /** Writes what waits, now. */
  flush(): void {
    if (this.#packets.length === 0 || this.#isOver) return;
    const packets = this.#packets;
    this.#packets = [];
    this.#packetBytes = 0;
    const hasRoom = writePieces(this.#out, this.#options.encode(packets), this.#options.isSocket);
    // A socket that took everything at once never says 'drain'.
    if (hasRoom) this.#mayHaveRoom();
    else this.#watch();
  }

  /** Nothing is written from here on. */
  stop(): void {
    this.#isOver = true;
    this.#packets = [];
    this.#stallTimer?.cancel();
    this.#stallTimer = null;
  }

  #onDrain(): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = null;
    this.#mayHaveRoom();
  }

  #mayHaveRoom(): void {
    if (!this.#isFull || this.#isOver) return;
    this.#isFull = false;
    this.#options.onWritable();
  }

  #watch(): void {
    const { stalledMs, onStalled } = this.#options;
    this.#stallTimer ??= this.#clock.setTimer(() => {
      this.#stallTimer = null;
      onStalled(carrierOver.stalled(stalledMs));
    }, stalledMs);
  }
}
