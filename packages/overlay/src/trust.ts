import type { PeerId } from '@pulsemesh/wire';

/**
 * How far this node trusts others: local, one-sided, never on the wire (spec overlay §3). Machines multiply it into their
 * choices and tell it from whom they heard of a peer.
 */
export interface Trust {
  /** 0 … 1: what is known of the peer itself, else what the sources that named it lend it, else 0. */
  of(peer: PeerId): number;
  /** `source` named `peer`: a share of the source's own trust is lent to it. */
  heard(peer: PeerId, source: PeerId): void;
  /** The peer left every view: what was lent to it is forgotten. */
  forget(peer: PeerId): void;
  /** Peers whose trust was set by the user or the authority, most trusted first. */
  friends(): readonly PeerId[];
}
