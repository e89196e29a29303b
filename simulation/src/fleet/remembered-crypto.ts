import {
  currentMembers,
  type Descriptor,
  fittingMembers,
  type JoinSeals,
  joinAnswerLimits,
  type ReplyKey,
  type Topic,
} from '@pulsemesh/overlay/protocol';
import { equalBytes } from '@pulsemesh/wire';

/** What HPKE adds: an encapsulated key and a tag. */
const layerBytes = 32 + 16;
/** A sealed answer as long as HPKE makes it. Nobody looks inside. */
const boxBytes = 2_048 + layerBytes;

interface Sealed {
  readonly publicKey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly topicKey: Uint8Array;
  readonly members: readonly Uint8Array[];
}

/**
 * Answers to join queries as `joinSeals` gives them, without the elliptic curves: what was sealed is remembered with the box,
 * and opens for whom it was sealed. The machines around it are the same, draw the same numbers and see the same lengths.
 * A box that somebody copied or made up opens for nobody, as with the real one.
 */
export function createRememberedSeals(): JoinSeals {
  const sealed = new WeakMap<Uint8Array, Sealed>();
  const contents = new ArrayBuffer(boxBytes + joinAnswerLimits.layersMax * layerBytes);
  const boxOf = (layers: number) => new Uint8Array(contents, 0, boxBytes + layers * layerBytes);
  const decoy = boxOf(0);
  return {
    createReplyKey: (random): ReplyKey => ({ publicKey: random.bytes(32) }),
    seal(query, topic, members, layers, { random }) {
      random.bytes(32); // the key that would be encapsulated
      const box = boxOf(layers);
      sealed.set(box, {
        publicKey: query.replyKey,
        nonce: query.nonce,
        topicKey: topic.replyKey,
        members: fittingMembers(members).map(({ bytes }) => bytes),
      });
      return box;
    },
    sealDecoy(_query, { random }) {
      random.bytes(32); // the topic's key that would be made up
      random.bytes(32); // and the key that would be encapsulated
      return decoy;
    },
    wrap(query, box, { random }) {
      random.bytes(32); // the key that would be encapsulated
      const wrapped = new Uint8Array(contents, 0, box.length + layerBytes);
      const one = sealed.get(box);
      const isForAsker = one !== undefined && isSame(one.publicKey, query.replyKey) && isSame(one.nonce, query.nonce);
      if (isForAsker) sealed.set(wrapped, one);
      return wrapped;
    },
    open(box, { topic, nonce, replyKey }, decode, nowMs) {
      const one = sealed.get(box);
      const isForUs =
        one !== undefined &&
        isSame(one.publicKey, replyKey.publicKey) &&
        isSame(one.nonce, nonce) &&
        isSame(one.topicKey, topic.replyKey);
      return isForUs ? currentMembers(one.members, decode, nowMs) : undefined;
    },
  };
}

/** Remembers what `decode` made of the very same bytes, where these were never written out and read again. */
export function rememberDecoded(decode: (bytes: Uint8Array) => Descriptor): (bytes: Uint8Array) => Descriptor {
  const decoded = new WeakMap<Uint8Array, Descriptor>();
  return (bytes) => {
    const known = decoded.get(bytes) ?? decode(bytes);
    decoded.set(bytes, known);
    return known;
  };
}

/**
 * The same topic with proofs that cost nothing: they depend on the topic's secret, who proves, to whom and when, as the real ones do.
 * Nobody here tries to make one up; who has no secret has another topic.
 */
export function withPlainProofs(topic: Topic): Topic {
  const { eventKey } = topic;
  const proof: Topic['proof'] = (sender, receiver, epoch) => {
    const bytes = new Uint8Array(16);
    for (let at = 0; at < 16; at += 1) {
      // Half of a key is as good as all of it; indexes are below 32.
      bytes[at] = (eventKey[at] as number) ^ (sender[at] as number) ^ (receiver[at + 16] as number) ^ (epoch >>> at);
    }
    return bytes;
  };
  return { ...topic, proof };
}

const isSame = (one: Uint8Array, other: Uint8Array) => one === other || equalBytes(one, other);
