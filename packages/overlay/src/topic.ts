import { assert } from '@pulsemesh/base';
import { hkdfSha256, hmacSha256, sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';
import type { JoinQuery } from './message.ts';

/**
 * How long places on the rings and route ids (`ring`), and positions in interest filters (`filter`) stay the same,
 * milliseconds. Each filter epoch is one more noisy release that an observer can average, while a peer keeps its id and
 * its filters link by that: so it is a year, not the week of the specification, which would spend a lifetime's ε in ten.
 */
export const epochMs = { ring: 24 * 3_600_000, filter: 52 * 7 * 24 * 3_600_000 } as const;

/** The public epoch at `nowMs` (unix milliseconds): whole periods since 1970. */
export function epochAt(nowMs: number, periodMs: number): number {
  return Math.floor(nowMs / periodMs);
}

/** Limits of a topic's name, characters. */
export const topicNameLengthMax = 256;

/** What the tag of a join query covers; a hint's positions are below 2^16. */
export type JoinTagInput = Pick<JoinQuery, 'nonce' | 'replyKey' | 'hint'>;

/**
 * A topic and the keys that follow from it. With a secret (32 bytes, shared by invitation) everything below is known to
 * its members only; without one, to everybody who knows or guesses the name, as with gossipsub.
 */
export interface Topic {
  readonly name: string;
  readonly isPrivate: boolean;
  /** SHA-256 of "upsycle/topic/1" and the name, 32 bytes; never sent. */
  readonly id: Uint8Array;
  /** 16 bytes naming the topic on the wire during one ring epoch. */
  route(epoch: number): Uint8Array;
  /** 16 bytes by which members recognise a join query, as its asker made it: with another reply key or hint it is nobody's. */
  joinTag(query: JoinTagInput): Uint8Array;
  /** 32 bytes, mixed into the key that seals a join answer. */
  readonly replyKey: Uint8Array;
  /** 16 bytes that show `receiver` that `sender` (32-byte keys) knows the topic's secret. */
  proof(sender: Uint8Array, receiver: Uint8Array, epoch: number): Uint8Array;
  /** 32 bytes: seals the bodies of events. */
  readonly eventKey: Uint8Array;
  /** The element that stands for the topic in interest filters: 32 bytes, another one in each filter epoch. */
  filterElement(epoch: number): Uint8Array;
  /** 32 bytes from which decoys of join queries are drawn, the same ones whenever asked in an epoch. */
  decoySeed(epoch: number): Uint8Array;
}

/** A topic of `name`; `secret` (32 bytes) makes it private. */
export function createTopic(name: string, secret?: Uint8Array): Topic {
  assert(name.length > 0 && name.length <= topicNameLengthMax, 'a topic has a name of 1 … 256 characters');
  assert(secret === undefined || secret.length === 32, 'a topic secret is 32 bytes');
  const id = sha256(concatBytes(text('upsycle/topic/1'), text(name)));
  const derive = (info: string) => hkdfSha256({ key: secret ?? id, salt: id, info: `upsycle/${info}/1`, length: 32 });
  const routeKey = derive('route');
  const joinKey = derive('join');
  const proofKey = derive('proof');
  const filterKey = derive('filter');
  const decoyKey = derive('decoy');
  // Asked for with every event.
  let last = { epoch: -1, route: new Uint8Array(0) };
  const route = (epoch: number) => {
    if (last.epoch !== epoch) last = { epoch, route: hmacSha256(routeKey, integer(epoch)).slice(0, 16) };
    return last.route;
  };
  return {
    name,
    isPrivate: secret !== undefined,
    id,
    replyKey: derive('reply'),
    eventKey: derive('event'),
    route,
    joinTag: ({ nonce, replyKey, hint }) => {
      const positions = Uint8Array.from(hint.flatMap((position) => [position >>> 8, position & 0xff]));
      return hmacSha256(joinKey, concatBytes(nonce, replyKey, positions)).subarray(0, 16);
    },
    proof: (sender, receiver, epoch) =>
      hmacSha256(proofKey, concatBytes(sender, receiver, integer(epoch))).subarray(0, 16),
    filterElement: (epoch) => hmacSha256(filterKey, integer(epoch)),
    decoySeed: (epoch) => hmacSha256(decoyKey, integer(epoch)),
  };
}

const text = (value: string) => new TextEncoder().encode(value);

function integer(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
