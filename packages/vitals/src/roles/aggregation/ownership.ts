import type { NetworkPort, SubjectId } from '@pulsemesh/network';
import { rankPeers } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';

interface Place {
  readonly owner: PeerId;
  /** The first in rank that is not this peer: the replica of what it owns, the owner of what it does not. */
  readonly partner: PeerId | null;
}

/**
 * Who works for whom, as this peer sees it now: rendezvous hashing over the live aggregation peers. An opinion,
 * not a lock: two peers may both believe they own a patient, and nothing depends on their being wrong.
 */
export class Ownership implements Disposable {
  readonly #port: NetworkPort;
  readonly #places = new Map<SubjectId, Place>();
  readonly #provided = new Set<SubjectId>();
  readonly #watch: Disposable;
  #peers: readonly PeerId[] = [];

  constructor(port: NetworkPort, onChange: () => void) {
    this.#port = port;
    this.#peers = this.#livePeers();
    this.#watch = port.onRosterChange(() => {
      const peers = this.#livePeers();
      if (peers.length === this.#peers.length && peers.every((peer, index) => peer === this.#peers[index])) return;
      this.#peers = peers;
      this.#places.clear();
      onChange();
    });
  }

  isOwned(subjectId: SubjectId): boolean {
    return this.#place(subjectId).owner === this.#port.self;
  }

  partner(subjectId: SubjectId): PeerId | null {
    return this.#place(subjectId).partner;
  }

  /** Says in the directory which of `subjects` this peer works for, and takes back what no longer holds. */
  announce(subjects: ReadonlySet<SubjectId>): void {
    for (const subjectId of this.#provided) {
      if (subjects.has(subjectId) && this.isOwned(subjectId)) continue;
      this.#provided.delete(subjectId);
      this.#port.withdraw(aggregatorKey(subjectId));
    }
    for (const subjectId of subjects) {
      if (this.#provided.has(subjectId) || !this.isOwned(subjectId)) continue;
      this.#provided.add(subjectId);
      this.#port.provide(aggregatorKey(subjectId));
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    for (const subjectId of this.#provided) this.#port.withdraw(aggregatorKey(subjectId));
    this.#provided.clear();
  }

  #livePeers(): readonly PeerId[] {
    const peers = this.#port.livePeers('aggregation').map((peer) => peer.id);
    return peers.includes(this.#port.self) ? peers : [...peers, this.#port.self];
  }

  #place(subjectId: SubjectId): Place {
    const known = this.#places.get(subjectId);
    if (known !== undefined) return known;
    const ranked = rankPeers(subjectId, this.#peers);
    const place = {
      owner: ranked[0] ?? this.#port.self,
      partner: ranked.find((peer) => peer !== this.#port.self) ?? null,
    };
    if (this.#places.size >= placesMax) this.#places.clear();
    this.#places.set(subjectId, place);
    return place;
  }
}

const placesMax = 50_000;

/** The directory key under which the owner of a patient is found. */
export function aggregatorKey(subjectId: SubjectId): string {
  return `aggregator:${subjectId}`;
}
