import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import type { UpsycleInit } from './init.ts';
import type { Message, PubSub } from './pub-sub.ts';
import { upsycle, upsycleProtocol } from './upsycle.ts';

const waitMs = 20_000;

/** The stock libp2p node of a stranger, with this service in it. */
async function createPeer(init: UpsycleInit = {}, listen: string[] = ['/ip4/127.0.0.1/tcp/0']) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: { identify: identify(), pubsub: upsycle(init) },
  });
}

type Peer = Awaited<ReturnType<typeof createPeer>>;

const running: Peer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((peer) => peer.stop()));
});

async function startPeer(init: UpsycleInit = {}, listen?: string[]): Promise<Peer> {
  const peer = await createPeer(init, listen);
  running.push(peer);
  return peer;
}

async function startPeers(count: number, init: UpsycleInit = {}): Promise<[Peer, Peer, ...Peer[]]> {
  const peers: Peer[] = [];
  for (let index = 0; index < count; index += 1) peers.push(await startPeer(init));
  const [first, ...others] = peers as [Peer, Peer, ...Peer[]];
  for (const other of others) await other.dial(first.getMultiaddrs());
  return peers as [Peer, Peer, ...Peer[]];
}

function messagesOf(peer: Peer): Message[] {
  const messages: Message[] = [];
  peer.services.pubsub.addEventListener('message', (event) => messages.push(event.detail));
  return messages;
}

const subscribersSeen = (peer: Peer, topic: string) => peer.services.pubsub.getSubscribers(topic).length;
const bytes = (text: string) => new TextEncoder().encode(text);

describe('the service', () => {
  it('has the shape of gossipsub', () => {
    expectTypeOf(upsycle).returns.toMatchTypeOf<(components: GossipSubComponents) => GossipSub>();
    expectTypeOf<PubSub>().toMatchTypeOf<GossipSub>();
    const gossipsubLike: (components: GossipSubComponents) => GossipSub = upsycle();
    expect(gossipsubLike).toBeTypeOf('function');
  });

  it('carries signed messages between subscribers, each once, to all', async () => {
    const peers = await startPeers(5);
    const heard = peers.map(messagesOf);
    for (const peer of peers) peer.services.pubsub.subscribe('news');
    const [first] = peers;
    await expect.poll(() => peers.every((peer) => subscribersSeen(peer, 'news') > 0), { timeout: waitMs }).toBe(true);
    const { recipients } = await first.services.pubsub.publish('news', bytes('hello'));
    expect(recipients.length).toBeGreaterThan(0);
    await expect.poll(() => heard.slice(1).every((messages) => messages.length > 0), { timeout: waitMs }).toBe(true);
    for (const messages of heard.slice(1)) {
      expect(messages).toHaveLength(1);
      const [message] = messages;
      if (message?.type !== 'signed') throw new Error('the message is signed');
      expect(message.from.equals(first.peerId)).toBe(true);
      expect(message.key.equals(first.peerId.publicKey)).toBe(true);
      expect(message.topic).toBe('news');
      expect(message.data).toEqual(bytes('hello'));
      expect(message.sequenceNumber).toBeGreaterThan(0n);
    }
    expect(heard[0]).toEqual([]);
  });
});
void upsycleProtocol;
