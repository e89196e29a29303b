import type { PeerId } from '@pulsemesh/wire';
import { RecentMap } from '../clustering/recent-map.ts';
import type { Descriptor } from '../descriptor.ts';
import type { Message } from '../message.ts';

/** Descriptors remembered for their addresses, beside those that the parts of a node hold. */
export const addressBookMax = 256;

/** Remembers where peers can be dialled that some part may want to speak with, or again, and no longer holds itself. */
export class AddressBook {
  readonly #known = new RecentMap<PeerId, Descriptor>(addressBookMax);

  get(peer: PeerId): Descriptor | undefined {
    return this.#known.get(peer);
  }

  /** What a message tells of its sender and of others. */
  read(message: Message): void {
    if ('self' in message) this.add(message.self);
    if ('descriptors' in message) for (const descriptor of message.descriptors) this.add(descriptor);
  }

  add(descriptor: Descriptor): void {
    const known = this.#known.get(descriptor.peer);
    if (descriptor.addresses.length === 0 || (known?.version ?? -1) > descriptor.version) return;
    this.#known.set(descriptor.peer, descriptor);
  }
}
