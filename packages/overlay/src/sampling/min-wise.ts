import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Hash, KeyedHash, mixHash, randomWord } from './keyed-hash.ts';

/**
 * The history of a stream of peers: each slot keeps the peer whose hash under the slot's own seed is the smallest of all
 * it was ever fed (Brahms: Bortnikov et al. 2009 §4.1). How often a peer is fed does not matter, so that each slot is a
 * uniform choice among all peers that were ever named, and who is named often gains nothing.
 */
export class MinWise {
  readonly #random: Random;
  readonly #hash: KeyedHash;
  readonly #peers: (PeerId | undefined)[];
  readonly #values: Uint32Array;
  readonly #seeds: Int32Array;

  constructor(slots: number, dependencies: { readonly random: Random }) {
    this.#random = dependencies.random;
    this.#hash = new KeyedHash(dependencies);
    this.#peers = new Array<PeerId | undefined>(slots).fill(undefined);
    this.#values = new Uint32Array(slots);
    this.#seeds = Int32Array.from({ length: slots * 2 }, () => randomWord(this.#random));
  }

  /** Shows `peer` to every slot. Whether it took the place of another: the more peers were fed, the less often somebody new does. */
  feed(peer: PeerId): boolean {
    const hash: Hash = this.#hash.of(peer);
    let hasReplaced = false;
    for (let slot = 0; slot < this.#peers.length; slot += 1) {
      const value = mixHash(hash, this.#seeds[slot * 2] as number, this.#seeds[slot * 2 + 1] as number);
      const isFilled = this.#peers[slot] !== undefined;
      if (isFilled && value >= (this.#values[slot] as number)) continue;
      hasReplaced ||= isFilled;
      this.#peers[slot] = peer;
      this.#values[slot] = value;
    }
    return hasReplaced;
  }

  /** The peers in the slots, each once. */
  peers(): PeerId[] {
    const found = new Set<PeerId>();
    for (const peer of this.#peers) if (peer !== undefined) found.add(peer);
    return [...found];
  }

  /** The peer of a random slot, or nothing where that one is empty. */
  pick(): PeerId | undefined {
    return this.#peers[this.#random.integer(this.#peers.length)];
  }

  /** `peer` is dead: its slots begin anew, with other seeds. */
  reseed(peer: PeerId): void {
    for (let slot = 0; slot < this.#peers.length; slot += 1) {
      if (this.#peers[slot] !== peer) continue;
      this.#peers[slot] = undefined;
      this.#seeds[slot * 2] = randomWord(this.#random);
      this.#seeds[slot * 2 + 1] = randomWord(this.#random);
    }
  }

  /** `peer` cannot be used now: its slots are empty until another, or it, is fed; their seeds stay. */
  empty(peer: PeerId): void {
    for (let slot = 0; slot < this.#peers.length; slot += 1) {
      if (this.#peers[slot] === peer) this.#peers[slot] = undefined;
    }
  }
}
