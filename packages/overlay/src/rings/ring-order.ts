import type { PeerId } from '@pulsemesh/wire';
import type { Member } from './member.ts';
import { clockwise, placeOf } from './place.ts';

interface Entry {
  readonly member: Member;
  /** Clockwise from us. */
  readonly distance: bigint;
}

/** Known members of a topic in the ring order of one epoch, as seen from our own place. A few dozen at most. */
export class RingOrder {
  readonly epoch: number;
  readonly #place: bigint;
  readonly #entries: Entry[] = [];

  constructor(epoch: number, publicKey: Uint8Array) {
    this.epoch = epoch;
    this.#place = placeOf(publicKey, epoch);
  }

  /** How far a key's place lies clockwise from ours. */
  distanceOf(publicKey: Uint8Array): bigint {
    return clockwise(this.#place, placeOf(publicKey, this.epoch));
  }

  add(member: Member): void {
    const distance = this.distanceOf(member.descriptor.publicKey);
    this.#entries.splice(this.#indexAfter(distance), 0, { member, distance });
  }

  remove(peer: PeerId): void {
    const index = this.#entries.findIndex((entry) => entry.member.peer === peer);
    if (index >= 0) this.#entries.splice(index, 1);
  }

  /** The first `count` members clockwise from us that pass. */
  successors(count: number, accepts: (member: Member) => boolean): Member[] {
    const found: Member[] = [];
    for (let index = 0; index < this.#entries.length && found.length < count; index += 1) {
      const { member } = this.#entries[index] as Entry; // index is within
      if (accepts(member)) found.push(member);
    }
    return found;
  }

  /** The first `count` members anticlockwise from us that pass. */
  predecessors(count: number, accepts: (member: Member) => boolean): Member[] {
    const found: Member[] = [];
    for (let index = this.#entries.length - 1; index >= 0 && found.length < count; index -= 1) {
      const { member } = this.#entries[index] as Entry; // index is within
      if (accepts(member)) found.push(member);
    }
    return found;
  }

  /** Up to `count` members that pass, those next to `publicKey`'s place on both sides in turn. */
  around(publicKey: Uint8Array, count: number, accepts: (member: Member) => boolean): Member[] {
    const { length } = this.#entries;
    const found: Member[] = [];
    let after = this.#indexAfter(this.distanceOf(publicKey));
    let before = after - 1;
    // Each step looks at one entry more, from either side in turn; together they meet on the far side of the ring.
    for (let step = 0; step < length && found.length < count; step += 1) {
      const index = step % 2 === 0 ? after++ : before--;
      const { member } = this.#entries[(index + length) % length] as Entry; // within, taken round the ring
      if (accepts(member)) found.push(member);
    }
    return found;
  }

  /** The index of the first entry that lies further than `distance`. */
  #indexAfter(distance: bigint): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry).distance <= distance) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
