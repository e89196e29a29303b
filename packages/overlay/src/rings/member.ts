import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';

/** What is known of another member of a topic; written by the ring it stands in. Times are unix milliseconds. */
export interface Member {
  readonly peer: PeerId;
  descriptor: Descriptor;
  /** It showed that it knows the topic's secret. Until then it is somebody's word, and gets nothing. */
  isProven: boolean;
  heardAtMs: number;
  askedAtMs: number;
  /** When it was last told of events it may have missed. */
  recappedAtMs: number;
  /** Events that came until then were named to it in passing, see `TopicFlow`. */
  namedAtMs: number;
  /** The same of our own events. */
  ownNamedAtMs: number;
  /** Questions left without answer since it was last heard. */
  missCount: number;
  exchangeCount: number;
  /** Descriptors it was told of, so that a still ring says nothing twice. */
  told: Set<Descriptor> | null;
  /** Equals the ring's own mark where the member is near us. */
  nearMark: number;
}

export function createMember(descriptor: Descriptor): Member {
  return {
    peer: descriptor.peer,
    descriptor,
    isProven: false,
    heardAtMs: 0,
    askedAtMs: 0,
    recappedAtMs: 0,
    namedAtMs: 0,
    ownNamedAtMs: 0,
    missCount: 0,
    exchangeCount: 0,
    told: null,
    nearMark: 0,
  };
}
