import { generateKeyPair } from '@libp2p/crypto/keys';
import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { serviceCapabilities, serviceDependencies } from '@libp2p/interface';
import { memory } from '@libp2p/memory';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import { eventLimits } from '../events/event.ts';
import { topicNameLengthMax } from '../topic.ts';
import type { UpsycleInit } from './init.ts';
import type { Message, PubSub } from './pub-sub.ts';
import { upsycle, upsycleProtocol } from './upsycle.ts';

const waitMs = 20_000;

/** The stock libp2p node of a stranger, with this service in it. */
async function createPeer(init: UpsycleInit = {}, listen: string[] = ['/ip4/127.0.0.1/tcp/0']) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp(), memory()],
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
const textOf = (data: Uint8Array) => new TextDecoder().decode(data);
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

  it('finds everybody where everybody knows one, also with few links', async () => {
    const linksMax = 10;
    const peers: Peer[] = [];
    for (let index = 0; index < 16; index += 1) peers.push(await startPeer({ linksMax }, [`/memory/crowd-${index}`]));
    const [first, ...others] = peers as [Peer, ...Peer[]];
    for (const other of others) await other.dial(first.getMultiaddrs());
    const heard = peers.map(messagesOf);
    for (const peer of peers) peer.services.pubsub.subscribe('news');
    const ready = () => peers.every((peer) => subscribersSeen(peer, 'news') >= 4);
    await expect.poll(ready, { timeout: waitMs }).toBe(true);
    const publisher = peers[9] as Peer;
    for (const text of ['one', 'two', 'three']) await publisher.services.pubsub.publish('news', bytes(text));
    const counts = () => heard.map((messages) => messages.length).filter((_, index) => index !== 9);
    await expect.poll(counts, { timeout: waitMs }).toEqual(others.map(() => 3));
  });

  it('says to libp2p what it is and what it needs, and needs an Ed25519 key', async () => {
    const { pubsub } = (await createPeer()).services;
    expect(Object.prototype.toString.call(pubsub)).toBe('[object @pulsemesh/overlay]');
    expect(Reflect.get(pubsub, serviceCapabilities)).toEqual(['@libp2p/pubsub']);
    expect(Reflect.get(pubsub, serviceDependencies)).toEqual(['@libp2p/identify']);
    expect(pubsub.protocols).toEqual([upsycleProtocol]);
    expect(pubsub.globalSignaturePolicy).toBe('StrictSign');
    const privateKey = await generateKeyPair('secp256k1');
    await expect(createLibp2p({ privateKey, services: { identify: identify(), pubsub: upsycle() } })).rejects.toThrow(
      /Ed25519/,
    );
    await expect(createLibp2p({ services: { pubsub: upsycle() as never } })).rejects.toThrow(/identify/);
  });

  it('refuses to work before it was started and after it was stopped, and works again when started again', async () => {
    const peer = await startPeer({ allowPublishToZeroTopicPeers: true });
    const { pubsub } = peer.services;
    pubsub.subscribe('news');
    await peer.stop();
    expect(() => pubsub.subscribe('news')).toThrow(expect.objectContaining({ code: 'not-started' }));
    expect(() => pubsub.unsubscribe('news')).toThrow(expect.objectContaining({ code: 'not-started' }));
    expect(pubsub.getSubscribers('news')).toEqual([]);
    await expect(pubsub.publish('news', bytes('a'))).rejects.toMatchObject({ code: 'not-started' });
    expect(pubsub.getPeers()).toEqual([]);
    expect(pubsub.getTopics()).toEqual([]);
    await peer.start();
    pubsub.subscribe('news');
    expect(pubsub.getTopics()).toEqual(['news']);
    expect(await pubsub.publish('news', bytes('a'))).toEqual({ recipients: [] });
  });

  it('tells who subscribes and unsubscribes, and names the subscribers', async () => {
    const [one, other] = await startPeers(2);
    const changes: unknown[] = [];
    one.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
      changes.push([detail.peerId.toString(), ...detail.subscriptions]);
    });
    one.services.pubsub.subscribe('news');
    other.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersSeen(one, 'news'), { timeout: waitMs }).toBe(1);
    expect(one.services.pubsub.getSubscribers('news')[0]?.equals(other.peerId)).toBe(true);
    expect(one.services.pubsub.getSubscribers('other')).toEqual([]);
    expect(one.services.pubsub.getPeers().map(String)).toEqual([other.peerId.toString()]);
    other.services.pubsub.unsubscribe('news');
    await expect.poll(() => subscribersSeen(one, 'news'), { timeout: waitMs }).toBe(0);
    const name = other.peerId.toString();
    expect(changes).toEqual([
      [name, { topic: 'news', subscribe: true }],
      [name, { topic: 'news', subscribe: false }],
    ]);
  });

  it('asks the validator of a topic before it delivers, and waits for its answer', async () => {
    const [one, other] = await startPeers(2);
    const heard = messagesOf(other);
    const asked: string[] = [];
    other.services.pubsub.topicValidators.set('news', async (from, message) => {
      expect(from.equals(one.peerId)).toBe(true);
      asked.push(textOf(message.data));
      return textOf(message.data);
    });
    for (const peer of [one, other]) peer.services.pubsub.subscribe('news');
    for (const text of ['reject', 'ignore', 'nonsense', 'accept'])
      await one.services.pubsub.publish('news', bytes(text));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1);
    expect(heard.map(({ data }) => textOf(data))).toEqual(['accept']);
    expect(asked.sort()).toEqual(['accept', 'ignore', 'nonsense', 'reject']);
  });

  it('forwards only what a validator accepted', async () => {
    const secret = new Uint8Array(32).fill(5);
    const init = { topics: { news: { secret } } };
    // A line: the ends know each other only through the one in the middle, and cannot be dialled.
    const middle = await startPeer(init);
    const ends = [await startPeer(init, []), await startPeer(init, [])] as const;
    for (const end of ends) await end.dial(middle.getMultiaddrs());
    middle.services.pubsub.topicValidators.set('news', (_from, message) => textOf(message.data));
    for (const peer of [middle, ...ends]) peer.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersSeen(middle, 'news'), { timeout: waitMs }).toBe(2);
    const heard = messagesOf(ends[1]);
    for (const text of ['reject', 'accept']) await ends[0].services.pubsub.publish('news', bytes(text));
    await expect.poll(() => heard.map(({ data }) => textOf(data)), { timeout: waitMs }).toEqual(['accept']);
  });

  it('rejects where nobody reads, unless told otherwise, and gives back its own where asked', async () => {
    const [one, other] = await startPeers(2, { emitSelf: true });
    await expect(one.services.pubsub.publish('nobody', bytes('a'))).rejects.toThrow(/NoPeersSubscribedToTopic/);
    const alone = { allowPublishToZeroTopicPeers: true };
    expect(await one.services.pubsub.publish('nobody', bytes('a'), alone)).toEqual({ recipients: [] });
    const heard = messagesOf(one);
    one.services.pubsub.subscribe('news');
    const { recipients } = await one.services.pubsub.publish('news', bytes('to myself'));
    expect(recipients.map(String)).toEqual([one.peerId.toString()]);
    await expect.poll(() => heard.map(({ data }) => textOf(data)), { timeout: waitMs }).toEqual(['to myself']);
    expect(heard[0]?.type === 'signed' && heard[0].from.equals(one.peerId)).toBe(true);
    expect(messagesOf(other)).toEqual([]);
  });

  it('reaches the subscribers of a topic that the publisher does not read', async () => {
    const [one, other, guest] = (await startPeers(3)) as [Peer, Peer, Peer];
    for (const peer of [one, other]) peer.services.pubsub.subscribe('news');
    const heard = [messagesOf(one), messagesOf(other)];
    const { recipients } = await guest.services.pubsub.publish('news', bytes('from outside'));
    expect(recipients.length).toBeGreaterThan(0);
    await expect.poll(() => heard.every((messages) => messages.length === 1), { timeout: waitMs }).toBe(true);
    expect(guest.services.pubsub.getTopics()).toEqual([]);
  });

  it('sends unsigned where the policy is not to sign, and takes only what its own policy asks for', async () => {
    const [one, other, strict] = (await Promise.all([
      startPeer({ globalSignaturePolicy: 'StrictNoSign' }),
      startPeer({ globalSignaturePolicy: 'StrictNoSign' }),
      startPeer(),
    ])) as [Peer, Peer, Peer];
    for (const peer of [other, strict]) await peer.dial(one.getMultiaddrs());
    for (const peer of [one, other, strict]) peer.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersSeen(one, 'news'), { timeout: waitMs }).toBe(2);
    const [heard, refused] = [messagesOf(other), messagesOf(strict)];
    await one.services.pubsub.publish('news', bytes('anonymous'));
    await expect
      .poll(() => heard, { timeout: waitMs })
      .toEqual([{ type: 'unsigned', topic: 'news', data: bytes('anonymous') }]);
    expect(refused).toEqual([]);
  });

  it('keeps a private topic from those who know its name only', async () => {
    const secret = new Uint8Array(32).fill(7);
    const knowing = { secretOf: (name: string) => (name === 'ward' ? secret : undefined) };
    const [one, other, outsider] = (await Promise.all([startPeer(knowing), startPeer(knowing), startPeer()])) as [
      Peer,
      Peer,
      Peer,
    ];
    for (const peer of [one, other]) await peer.dial(outsider.getMultiaddrs());
    for (const peer of [one, other, outsider]) peer.services.pubsub.subscribe('ward');
    await expect.poll(() => subscribersSeen(one, 'ward'), { timeout: waitMs }).toBe(1);
    const [heard, overheard] = [messagesOf(other), messagesOf(outsider)];
    await one.services.pubsub.publish('ward', bytes('secret'));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1);
    expect(overheard).toEqual([]);
    expect(subscribersSeen(outsider, 'ward')).toBe(0);
    expect(one.services.pubsub.getSubscribers('ward').map(String)).toEqual([other.peerId.toString()]);
  });

  it('lets a peer take part that listens nowhere', async () => {
    const peers = await startPeers(3);
    const client = await startPeer({}, []);
    await client.dial(peers[0].getMultiaddrs());
    for (const peer of [...peers, client]) peer.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersSeen(client, 'news'), { timeout: waitMs }).toBeGreaterThan(0);
    const heard = messagesOf(client);
    await expect.poll(() => subscribersSeen(peers[2] as Peer, 'news') > 0, { timeout: waitMs }).toBe(true);
    await (peers[2] as Peer).services.pubsub.publish('news', bytes('to the client'));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1);
  });

  it('carries messages up to its limit and none beyond', async () => {
    const [one, other] = await startPeers(2);
    for (const peer of [one, other]) peer.services.pubsub.subscribe('news');
    const heard = messagesOf(other);
    const largest = new Uint8Array(eventLimits.dataBytesMax).fill(3);
    for (let count = 0; count < 6; count += 1) await one.services.pubsub.publish('news', largest);
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(6);
    expect(heard[0]?.data.byteLength).toBe(largest.byteLength);
    await expect(one.services.pubsub.publish('news', new Uint8Array(largest.byteLength + 1))).rejects.toMatchObject({
      code: 'event-too-large',
    });
  });

  it('refuses larger messages than it was told to take', async () => {
    const [one, small] = [await startPeer(), await startPeer({ maxInboundDataLength: 100 })] as const;
    await small.dial(one.getMultiaddrs());
    for (const peer of [one, small]) peer.services.pubsub.subscribe('news');
    const heard = messagesOf(small);
    await one.services.pubsub.publish('news', new Uint8Array(101));
    await one.services.pubsub.publish('news', new Uint8Array(100));
    await expect.poll(() => heard.map(({ data }) => data.byteLength), { timeout: waitMs }).toEqual([100]);
    await expect(small.services.pubsub.publish('news', new Uint8Array(101))).rejects.toMatchObject({
      code: 'event-too-large',
    });
  });

  it('refuses topics that are not allowed, or have no proper name', async () => {
    const { pubsub } = (await startPeer({ allowedTopics: ['news'] })).services;
    pubsub.subscribe('news');
    const refusal = expect.objectContaining({ code: 'topic-refused' });
    expect(() => pubsub.subscribe('other')).toThrow(refusal);
    expect(() => pubsub.subscribe('')).toThrow(refusal);
    expect(() => pubsub.subscribe('a'.repeat(topicNameLengthMax + 1))).toThrow(refusal);
    await expect(pubsub.publish('other', bytes('a'))).rejects.toMatchObject({ code: 'topic-refused' });
    expect(pubsub.getTopics()).toEqual(['news']);
  });

  it('ends the stream of a peer that sends nonsense, and goes on with the others', async () => {
    const [one, other] = await startPeers(2);
    const stranger = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
    });
    try {
      const stream = await stranger.dialProtocol(one.getMultiaddrs(), upsycleProtocol);
      const closed = new Promise((resolve) => stream.addEventListener('close', resolve));
      stream.send(Uint8Array.of(0, 0, 0, 2, 0xff, 0xff));
      await closed;
      const long = await stranger.dialProtocol(one.getMultiaddrs(), upsycleProtocol);
      const refused = new Promise((resolve) => long.addEventListener('close', resolve));
      long.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
      await refused;
    } finally {
      await stranger.stop();
    }
    for (const peer of [one, other]) peer.services.pubsub.subscribe('news');
    const heard = messagesOf(other);
    await one.services.pubsub.publish('news', bytes('still here'));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1);
  });
});
