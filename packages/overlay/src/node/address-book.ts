import type { PeerId } from '@pulsemesh/wire';
import { RecentMap } from '../clustering/recent-map.ts';
import { type Descriptor, isCurrent, isGenuine } from '../descriptor.ts';
import { type Message, messageLimits } from '../message.ts';

/** Limits of an {@link AddressBook}. */
export const addressBookLimits = {
  /** Descriptors remembered for their addresses, beside those that the parts of a node hold. */
  entriesMax: 256,
  /** Of them so many on one peer's word. */
  perTellerMax: 32,
  tellersMax: 256,
} as const;

/** Remembers where peers can be dialled that some part may want to speak with, or again, and no longer holds itself. */
export class AddressBook {
  readonly #known = new RecentMap<PeerId, Descriptor>(addressBookLimits.entriesMax);
  /** Whom each teller named that was not known then, the latest last. */
  readonly #told = new RecentMap<PeerId, PeerId[]>(addressBookLimits.tellersMax);

  get(peer: PeerId): Descriptor | undefined {
    return this.#known.get(peer);
  }

  /**
   * What a message tells of its sender and of others, as far as they signed it themselves. One sender's words about others take few
   * places at a time, so that nobody alone drives out what is remembered.
   */
  read(from: PeerId, message: Message, nowMs: number): void {
    const isSound = (descriptor: Descriptor) => isCurrent(descriptor, nowMs) && isGenuine(descriptor);
    if ('self' in message && message.self.peer === from && isSound(message.self)) this.add(message.self);
    if (!('descriptors' in message) || message.descriptors.length > messageLimits.descriptorsMax) return;
    const told = this.#told.get(from) ?? [];
    for (const descriptor of message.descriptors) {
      if (!isSound(descriptor)) continue;
      if (this.#known.peek(descriptor.peer) === undefined) told.push(descriptor.peer);
      this.add(descriptor);
      if (told.length > addressBookLimits.perTellerMax) this.#known.delete(told.shift() as PeerId); // not empty
    }
    this.#told.set(from, told);
  }

  add(descriptor: Descriptor): void {
    const known = this.#known.get(descriptor.peer);
    if (descriptor.addresses.length === 0 || (known?.version ?? -1) > descriptor.version) return;
    this.#known.set(descriptor.peer, descriptor);
  }
}
