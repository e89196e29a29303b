import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { type GossipsubOpts, gossipsub, TopicValidatorResult } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Libp2p, Metrics, PeerId } from '@libp2p/interface';
import { memory } from '@libp2p/memory';
import { noise } from '@libp2p/noise';
import { plaintext } from '@libp2p/plaintext';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { silentMeter } from '@pulsemesh/base';
import { type Message, type PubSub, upsycle } from '@pulsemesh/overlay';
import { createLibp2p } from 'libp2p';
import type { Counting } from './counting.ts';
import type { Protocol, Transport } from './setting.ts';

/** What the bench asks of either protocol: ours has gossipsub's shape. */
type Service = Pick<PubSub, 'subscribe' | 'publish' | 'topicValidators' | 'addEventListener' | 'getSubscribers'>;

export type Host = Libp2p<{ pubsub: Service; identify: unknown }>;

export interface HostOptions {
  readonly protocol: Protocol;
  readonly transport: Transport;
  /** Where it listens, over the memory transport; ports are chosen by the system. */
  readonly name: string;
  /** 32 bytes: the same key under each protocol. */
  readonly keySeed: Uint8Array;
  readonly linksMax: number;
  /** Whether libp2p itself lets no more connections stand. */
  readonly isBound: boolean;
}

/** Starts a host; the caller stops it. All protocols sign every message and speak over the same stack. */
export async function startHost(options: HostOptions, counting: Counting): Promise<Host> {
  const { protocol, transport, name, linksMax, isBound } = options;
  const isTcp = transport !== 'memory';
  const service = protocol.startsWith('upsycle') ? upsycleOf(options) : gossipsubOf(protocol);
  const host = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', options.keySeed),
    addresses: { listen: [isTcp ? '/ip4/127.0.0.1/tcp/0' : `/memory/${name}`] },
    transports: isTcp ? [tcp()] : [memory()],
    connectionEncrypters: transport === 'tcp' ? [noise()] : [plaintext()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: isBound ? linksMax : 10_000,
      maxIncomingPendingConnections: 10_000,
      inboundConnectionThreshold: 10_000,
    },
    connectionGater: { denyDialMultiaddr: () => false },
    // Pings every ten seconds and aborts on a busy machine (spec/libp2p.md §2b' finding 2): not what is compared here.
    connectionMonitor: { enabled: false },
    metrics: () => counting as unknown as Metrics, // the parts of it that libp2p calls here
    services: { identify: identify(), pubsub: service },
  });
  counting.watch(host.services.pubsub, host.peerId.toString());
  // Gossipsub's validator takes its own message type, which ours is in all the bench reads.
  return host as unknown as Host;
}

/** Has a host take part in a topic, and neither deliver nor carry anything for which `isCarried` is false. */
export function carryOnly(host: Host, topic: string, isCarried: (message: Message) => boolean): void {
  const isOurs = !('getMeshPeers' in host.services.pubsub);
  const accept = isOurs ? 'accept' : TopicValidatorResult.Accept;
  const ignore = isOurs ? 'ignore' : TopicValidatorResult.Ignore;
  host.services.pubsub.topicValidators.set(topic, (_peer: PeerId, message: Message) =>
    isCarried(message) ? accept : ignore,
  );
  host.services.pubsub.subscribe(topic);
}

function upsycleOf({ protocol, linksMax }: HostOptions) {
  return upsycle({
    allowPublishToZeroTopicPeers: true,
    linksMax,
    carry: protocol === 'upsycle-carry',
    meter: silentMeter,
  });
}

function gossipsubOf(protocol: Protocol) {
  const best: Partial<GossipsubOpts> = {
    fastMsgIdFn: (message) => fingerprintOf(message.data ?? new Uint8Array(0)),
    scoreParams: { IPColocationFactorWeight: 0 },
  };
  return gossipsub({ allowPublishToZeroTopicPeers: true, ...(protocol === 'gossipsub-best' ? best : {}) });
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
