import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { InterestFilter } from '../interest/interest-filter.ts';
import type { Topic } from '../topic.ts';

/** A topic this node reads, as far as answering queries for it goes. */
export interface JoinSubscription {
  readonly topic: Topic;
  /** Queries for a sensitive topic without a secret are not answered: anybody can ask who knows its name. */
  readonly isSensitive: boolean;
}

/** What joining sees of the node around it. */
export interface JoiningSurroundings {
  self(): Descriptor;
  /** Near, far, sampled and ring neighbours, each once; `Clustering.neighbours()` gives them. */
  neighbours(): readonly { readonly peer: PeerId; readonly filter: InterestFilter | undefined }[];
  subscriptions(): Iterable<JoinSubscription>;
  /** Other members of a topic we read, best first. */
  members(topic: Topic): readonly Descriptor[];
  /** Peers whom the user or the authority trusts: asked first for what is sensitive. */
  friends(): readonly PeerId[];
  /** A query to whoever is not connected costs a dial. */
  isConnected(peer: PeerId): boolean;
}
