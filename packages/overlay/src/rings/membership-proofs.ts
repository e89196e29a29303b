import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { Topic } from '../topic.ts';

interface Proof {
  readonly epoch: number;
  readonly proof: Uint8Array;
}

/** Peers whose proofs are remembered, so that each is computed once a day. */
const proofsRememberedMax = 256;

/** The proofs by which two members of a topic show each other, each its own way, that they know its secret. */
export class MembershipProofs {
  readonly #topic: Topic;
  readonly #self: () => Descriptor;
  readonly #remembered = { to: new Map<PeerId, Proof>(), from: new Map<PeerId, Proof>() };

  constructor(topic: Topic, self: () => Descriptor) {
    this.#topic = topic;
    this.#self = self;
  }

  /** What we show to `other`, or it has to show us, in an epoch of the ring. */
  get(direction: 'to' | 'from', other: Descriptor, epoch: number): Uint8Array {
    const remembered = this.#remembered[direction];
    const known = remembered.get(other.peer);
    if (known?.epoch === epoch) return known.proof;
    const own = this.#self().publicKey;
    const [sender, receiver] = direction === 'to' ? [own, other.publicKey] : [other.publicKey, own];
    const proof = this.#topic.proof(sender, receiver, epoch);
    remembered.set(other.peer, { epoch, proof });
    if (remembered.size > proofsRememberedMax) remembered.delete(remembered.keys().next().value as PeerId); // there is one
    return proof;
  }
}
