import { type GossipSub, type GossipSubComponents, gossipsub } from '@libp2p/gossipsub';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, toHex } from '@pulsemesh/wire';

/** Publish/subscribe with the shape of gossipsub's service (`@libp2p/gossipsub` 17: members, events). */
export type PubSub = Pick<
  GossipSub,
  | 'globalSignaturePolicy'
  | 'protocols'
  | 'topicValidators'
  | 'getPeers'
  | 'getTopics'
  | 'getSubscribers'
  | 'subscribe'
  | 'unsubscribe'
  | 'publish'
  | 'addEventListener'
  | 'removeEventListener'
>;

/**
 * Makes the publish/subscribe service of a libp2p host. It signs by publisher and gives back nothing of its own; publishing
 * where nobody reads does not throw.
 */
export type PubSubFactory = (components: GossipSubComponents) => PubSub;

export const pubSubLimits = {
  /** One published message. */
  messageBytesMax: 64 * 1024,
  /** One exchange between two peers, which may hold several messages. */
  exchangeBytesMax: 1024 * 1024,
  /** Waiting to be sent to one peer; above it, messages to that peer are dropped. */
  outboundBytesMax: 4 * 1024 * 1024,
  /** Names of topics one peer may subscribe to. */
  topicBytesMax: 1024 * 1024,
} as const;

/** Gossipsub. Messages are signed by their publisher and verified by everybody (StrictSign). */
export function createGossipSub(): PubSubFactory {
  return gossipsub({
    globalSignaturePolicy: 'StrictSign',
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    fallbackToFloodsub: false,
    doPX: false,
    // Without it the signature of every copy is verified before the copy is known to be one. The signature is
    // part of the id, so a forged copy cannot hide the true message.
    fastMsgIdFn: (message) =>
      toHex(
        sha256(
          concatBytes(message.from ?? none, message.seqno ?? none, message.signature ?? none, message.data ?? none),
        ).subarray(0, 16),
      ),
    // The default punishes more than ten peers behind one address: every hospital, and this machine's demo.
    scoreParams: { IPColocationFactorWeight: 0 },
    maxInboundDataLength: pubSubLimits.exchangeBytesMax,
    maxOutboundBufferSize: pubSubLimits.outboundBytesMax,
    maxTopicBytesPerPeer: pubSubLimits.topicBytesMax,
  });
}

const none = new Uint8Array(0);
