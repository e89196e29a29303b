import type { Clock, Condition, Timer } from '@pulsemesh/base';
import type { CarrierHandler } from '../carrier.ts';
import { carrierOver } from './refusal.ts';

export interface CarrierEventsOptions {
  readonly earlyBytesMax: number;
  readonly firstPacketMs: number;
  /** Ends the carrier: nothing came over it in time. */
  readonly onSilent: (reason: Condition) => void;
}

/**
 * The events of one carrier on their way to its handler: what comes before `start` is kept (bounded, later packets are lost),
 * nothing follows `closed`, and a carrier over which nothing comes at first is reported.
 */
export class CarrierEvents {
  readonly #options: CarrierEventsOptions;
  #handler: CarrierHandler | null = null;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  /** Null while open. */
  #end: { readonly reason: Condition | null } | null = null;
  #silenceTimer: Timer | null;

  constructor(options: CarrierEventsOptions, deps: { readonly clock: Clock }) {
    this.#options = options;
    this.#silenceTimer = deps.clock.setTimer(() => {
      this.#silenceTimer = null;
      options.onSilent(carrierOver.silent(options.firstPacketMs));
    }, options.firstPacketMs);
  }

  get isClosed(): boolean {
    return this.#end !== null;
  }

  start(handler: CarrierHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const packet of early) handler.onPacket(packet);
    if (this.#end !== null) handler.onClosed(this.#end.reason);
  }

  packet(packet: Uint8Array): void {
    if (this.#end !== null) return;
    if (this.#silenceTimer !== null) this.#heard();
    if (this.#handler !== null) this.#handler.onPacket(packet);
    else if (this.#earlyBytes + packet.length <= this.#options.earlyBytesMax) {
      this.#early.push(packet);
      this.#earlyBytes += packet.length;
    }
  }

  writable(): void {
    if (this.#end === null) this.#handler?.onWritable();
  }

  /** What was handed over last may not have arrived, while the carrier itself lives on. */
  lost(): void {
    if (this.#end === null) this.#handler?.onLost?.();
  }

  /** The last event. Says whether it was the first call. */
  closed(reason: Condition | null): boolean {
    if (this.#end !== null) return false;
    this.#end = { reason };
    if (this.#silenceTimer !== null) this.#heard();
    this.#handler?.onClosed(reason);
    return true;
  }

  #heard(): void {
    this.#silenceTimer?.cancel();
    this.#silenceTimer = null;
  }
}
