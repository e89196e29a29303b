import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from './descriptor.ts';

/**
 * What peers say to each other, decoded. The machines take and give these objects; the codec (`codec.ts`) is the only
 * place that knows bytes, and refuses what is past the limits there, so that the simulator can leave it out.
 */
export type Message =
  | PullMessage
  | ViewMessage
  | ProbeMessage
  | NearMessage
  | NearbyMessage
  | AskFiltersMessage
  | FiltersMessage
  | JoinMessage
  | JoinedMessage
  | RingMessage
  | EventMessage
  | HaveMessage
  | WantMessage
  | CarryMessage;

/** Asks for `want` descriptors and introduces the asker (peer sampling). */
export interface PullMessage {
  readonly kind: 'pull';
  /** Ties the answer to the question, 0 … 2^48-1. */
  readonly nonce: number;
  readonly self: Descriptor;
  /** 1 … {@link messageLimits}.descriptorsMax. */
  readonly want: number;
  /** Descriptors that the asker has, as in {@link NearMessage}. */
  readonly knows?: Uint8Array;
}

/** Answers a pull. */
export interface ViewMessage {
  readonly kind: 'view';
  readonly nonce: number;
  readonly descriptors: readonly Descriptor[];
  /** Further ones that the asker has, by their short names of 8 bytes; see `node/short-answers.ts`. */
  readonly named?: readonly Uint8Array[];
}

/** Asks whether the peer lives (`isReply` false), or says so. */
export interface ProbeMessage {
  readonly kind: 'probe';
  readonly nonce: number;
  readonly isReply: boolean;
}

/** Asks for the peers most like the asker (clustering). The filter comes along where the receiver may not know it. */
export interface NearMessage {
  readonly kind: 'near';
  readonly nonce: number;
  readonly self: Descriptor;
  readonly filter?: Uint8Array;
  /** A Bloom filter of the descriptors that the asker has: they can be named in the answer; see `node/short-answers.ts`. */
  readonly knows?: Uint8Array;
}

/** Answers `near`. Filters are asked for apart, only those that are not known by their digest. */
export interface NearbyMessage {
  readonly kind: 'nearby';
  readonly nonce: number;
  readonly descriptors: readonly Descriptor[];
  /** As in {@link ViewMessage}; together no more than `descriptorsMax`. */
  readonly named?: readonly Uint8Array[];
}

/** Asks for interest filters by their digests. */
export interface AskFiltersMessage {
  readonly kind: 'ask-filters';
  readonly nonce: number;
  readonly digests: readonly Uint8Array[];
}

/** Encoded filters; each is believed because its digest stands in a signed descriptor. */
export interface FiltersMessage {
  readonly kind: 'filters';
  readonly nonce: number;
  readonly filters: readonly Uint8Array[];
}

/** Looks for subscribers of a topic without naming it (spec overlay §5). */
export interface JoinMessage {
  readonly kind: 'join';
  readonly query: JoinQuery;
}

export interface JoinQuery {
  /** 16 bytes, random: answers find their way back by it. */
  readonly id: Uint8Array;
  /** 16 bytes, random. */
  readonly nonce: Uint8Array;
  /** 16 bytes of HMAC(join key, nonce): only who knows the topic recognises it. */
  readonly tag: Uint8Array;
  /** X25519, 32 bytes: answers are sealed to it. */
  readonly replyKey: Uint8Array;
  /** 0 … 4 positions in the interest filter, some of them decoys. */
  readonly hint: readonly number[];
  /** Hops left. */
  readonly ttl: number;
}

/** Answers a join query, hop by hop along the way it came. */
export interface JoinedMessage {
  readonly kind: 'joined';
  readonly id: Uint8Array;
  /** Sealed to the asker under the topic's key: a list of descriptors. */
  readonly box: Uint8Array;
}

/** Ring neighbours of one topic tell each other who is near the other's place. */
export interface RingMessage {
  readonly kind: 'ring';
  /** 16 bytes: the topic, to those who know it, in this epoch. */
  readonly route: Uint8Array;
  readonly nonce: number;
  readonly isReply: boolean;
  /** 16 bytes of HMAC(proof key, sender ‖ receiver ‖ epoch): the sender knows the topic's secret. */
  readonly proof: Uint8Array;
  readonly self: Descriptor;
  /** Members near the receiver's place; empty until the receiver has proved itself. */
  readonly descriptors: readonly Descriptor[];
  /** The sender is leaving the topic. */
  readonly isLeaving: boolean;
}

/** An event on its way; `bytes` are what its publisher made, see `events/event.ts`. */
export interface EventMessage {
  readonly kind: 'event';
  readonly bytes: Uint8Array;
  /** How many hops it has made, for measuring; nothing is decided by it. */
  readonly hops: number;
}

/** Names events that the sender can give, instead of sending them whole. */
export interface HaveMessage {
  readonly kind: 'have';
  readonly route: Uint8Array;
  /** 16 bytes each. */
  readonly ids: readonly Uint8Array[];
}

/** Asks for events by id. */
export interface WantMessage {
  readonly kind: 'want';
  readonly route: Uint8Array;
  readonly ids: readonly Uint8Array[];
}

/**
 * Asks a peer that is no member to hand a route's events, which it cannot read, to the others who asked it the same. It
 * answers when there are such others.
 */
export interface CarryMessage {
  readonly kind: 'carry';
  readonly route: Uint8Array;
  /** For how long, 0 … {@link messageLimits}.carrySecondsMax; 0: no longer. In an answer, 0: nobody else asks. */
  readonly seconds: number;
  readonly isAnswer: boolean;
}

/** Limits of what one message holds; the codec refuses more. */
export const messageLimits = {
  descriptorsMax: 10,
  knowsBytesMax: 160,
  shortNameBytes: 8,
  filtersMax: 10,
  filterBytesMax: 1_200,
  hintPositionsMax: 4,
  joinHopsMax: 8,
  joinBoxBytesMax: 8 * 1_024,
  idsMax: 64,
  eventIdBytes: 16,
  eventBytesMax: 1024 * 1024,
  carrySecondsMax: 3_600,
} as const;

/** A message and whom it is for. */
export interface Outgoing {
  readonly to: PeerId;
  readonly message: Message;
}
