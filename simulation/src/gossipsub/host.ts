import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { type GossipSub, type GossipsubOpts, gossipsub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { memory } from '@libp2p/memory';
import { plaintext } from '@libp2p/plaintext';
import { yamux } from '@libp2p/yamux';
import type { Random } from '@pulsemesh/base';
import { createLibp2p } from 'libp2p';
import type { MetricSums } from './metrics.ts';

export type GossipsubHost = Libp2p<{ pubsub: GossipSub; identify: Identify }>;

/**
 * `default` as gossipsub comes; `best` with what makes it quickest without changing what it promises: messages known by
 * their bytes before their signature is looked at, and no punishment of peers that share an address
 * (`spec/libp2p.md` §2b findings 1 and 3).
 */
export type GossipsubVariant = 'default' | 'best';

/** Starts a libp2p host with gossipsub over the in-memory transport; the caller stops it. */
export async function startGossipsubHost(
  options: { readonly address: string; readonly variant: GossipsubVariant; readonly metrics: MetricSums },
  dependencies: { readonly random: Random },
): Promise<GossipsubHost> {
  const init: Partial<GossipsubOpts> = {
    allowPublishToZeroTopicPeers: true,
    metricsRegister: options.metrics.register(),
    metricsTopicStrToLabel: new Map(),
    ...(options.variant === 'default'
      ? {}
      : {
          fastMsgIdFn: (message) => fingerprintOf(message.data ?? new Uint8Array(0)),
          scoreParams: { IPColocationFactorWeight: 0 },
        }),
  };
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', dependencies.random.bytes(32)),
    addresses: { listen: [options.address] },
    transports: [memory()],
    connectionEncrypters: [plaintext()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: 10_000,
      maxIncomingPendingConnections: 10_000,
      inboundConnectionThreshold: 10_000,
    },
    // Pings every ten seconds and aborts on a busy machine (spec/libp2p.md §2b finding 2): not what is compared here.
    connectionMonitor: { enabled: false },
    services: { identify: identify(), pubsub: gossipsub(init) },
  });
}

/** Has a host take part in a topic and carry nothing for which `isCarried` is false. */
export function carryOnly(host: GossipsubHost, topic: string, isCarried: (message: Message) => boolean): void {
  host.services.pubsub.topicValidators.set(topic, (_peer, message) => {
    return isCarried(message) ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore;
  });
  host.services.pubsub.subscribe(topic);
}

/** FNV-1a in two lanes: tells messages apart that are not made to collide. */
function fingerprintOf(bytes: Uint8Array): string {
  let one = 0x811c9dc5 | 0;
  let other = 0x9e3779b9 | 0;
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    other = Math.imul(other ^ byte, 0x85ebca6b);
  }
  return `${one}${other}`;
}
