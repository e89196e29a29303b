import type { Clock } from '@pulsemesh/base';
import type { Carrier, CarrierHandler } from '../carrier.ts';

/** A carrier that also knows when something last arrived on it. */
export class HeardCarrier implements Carrier {
  readonly inner: Carrier;
  readonly #clock: Clock;
  /** On the monotonic clock, milliseconds. */
  heardMs: number;

  constructor(inner: Carrier, clock: Clock) {
    this.inner = inner;
    this.#clock = clock;
    this.heardMs = clock.monotonicMs();
  }

  get transport() {
    return this.inner.transport;
  }

  get id() {
    return this.inner.id;
  }

  get packetBytesMax() {
    return this.inner.packetBytesMax;
  }

  get isWritable() {
    return this.inner.isWritable;
  }

  get connection() {
    return this.inner.connection;
  }

  start(handler: CarrierHandler): void {
    this.inner.start({
      onPacket: (packet) => {
        this.heardMs = this.#clock.monotonicMs();
        handler.onPacket(packet);
      },
      onWritable: () => handler.onWritable(),
      onClosed: (reason) => handler.onClosed(reason),
      onLost: () => handler.onLost?.(),
    });
  }

  send(packet: Uint8Array): void {
    this.inner.send(packet);
  }

  close(reason: Parameters<Carrier['close']>[0]): void {
    this.inner.close(reason);
  }
}
