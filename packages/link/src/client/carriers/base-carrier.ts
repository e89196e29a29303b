import type { Condition } from '@pulsemesh/base';
import type { Carrier, CarrierHandler, ConnectionFacts, TransportName } from '../../carrier.ts';
import { CarrierError } from '../errors.ts';

/** Packets kept for the handler before `start`; one more closes the carrier. */
export const earlyPacketsMax = 256;

/** The longest packet a client carrier starts with, bytes; body limits shrink it. */
export const packetBytesMaxDefault = 256 * 1024;

/** Sent and not yet taken by the connection, bytes: past it a carrier is not writable. */
export const bufferedBytesMax = 512 * 1024;

/** What all carriers do alike: events wait for `start`, the end is told once, and nothing is told after it. */
export abstract class BaseCarrier implements Carrier {
  readonly id: string;
  #handler: CarrierHandler | null = null;
  #early: Uint8Array[] = [];
  #end: { readonly reason: Condition | null } | null = null;

  constructor(id: string) {
    this.id = id;
  }

  abstract readonly transport: TransportName;
  abstract readonly packetBytesMax: number;
  abstract readonly connection: ConnectionFacts;
  /** Room for another packet; asked only while open. */
  protected abstract hasRoom(): boolean;
  /** Sends a packet that is short enough, while open and with room. */
  protected abstract transmit(packet: Uint8Array): void;
  /** Releases everything; called once. After this nothing may call back. */
  protected abstract release(reason: Condition | null): void;

  get isClosed(): boolean {
    return this.#end !== null;
  }

  get isWritable(): boolean {
    return this.#end === null && this.hasRoom();
  }

  start(handler: CarrierHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const packet of early) handler.onPacket(packet);
    if (this.#end !== null) handler.onClosed(this.#end.reason);
  }

  send(packet: Uint8Array): void {
    if (this.#end === null && packet.length <= this.packetBytesMax) this.transmit(packet);
  }

  close(reason: Condition | null): void {
    if (this.#end !== null) return;
    this.#end = { reason };
    this.release(reason);
    this.#handler?.onClosed(reason);
  }

  protected deliver(packet: Uint8Array): void {
    if (this.#end !== null) return;
    if (this.#handler !== null) this.#handler.onPacket(packet);
    else if (this.#early.length < earlyPacketsMax) this.#early.push(packet);
    else this.close(new CarrierError('protocol', `over ${earlyPacketsMax} packets before anybody asked for one`));
  }

  protected tellWritable(): void {
    if (this.#end === null) this.#handler?.onWritable();
  }

  /** Tells the session, where it wants to know, that packets under way were lost. */
  protected tellLost(): void {
    if (this.#end !== null || this.#handler === null) return;
    if (this.#handler.onLost !== undefined) this.#handler.onLost();
    else this.#handler.onWritable();
  }
}
