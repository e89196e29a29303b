import type { PeerId as Libp2pPeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { PeerId } from '@pulsemesh/wire';

const namesMax = 4_096;

/** libp2p's objects for peer ids in text; a full memory forgets the one made first. */
export class Names {
  readonly #known = new Map<PeerId, Libp2pPeerId>();

  of(peer: PeerId): Libp2pPeerId {
    let id = this.#known.get(peer);
    if (id === undefined) {
      id = peerIdFromString(peer);
      this.#known.set(peer, id);
      if (this.#known.size > namesMax) this.#known.delete(this.#known.keys().next().value as PeerId);
    }
    return id;
  }
}
