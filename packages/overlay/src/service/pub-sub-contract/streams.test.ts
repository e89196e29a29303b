import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Connection, Stream } from '@libp2p/interface';
import { memory } from '@libp2p/memory';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import { upsycle } from '../upsycle.ts';
import {
  bytes,
  type Host,
  Hosts,
  kinds,
  nameOf,
  peersOf,
  publish,
  subscribersOf,
  textOf,
  textsOf,
  waitMs,
} from './hosts.ts';

const stock = { connectionEncrypters: [noise()], streamMuxers: [yamux()], connectionMonitor: { enabled: false } };

function streamsOf(host: Host, direction: 'inbound' | 'outbound'): Stream[] {
  const { protocols } = host.services.pubsub;
  const all = host.getConnections().flatMap((connection: Connection) => connection.streams);
  return all.filter((stream) => stream.direction === direction && protocols.includes(stream.protocol));
}

describe.each(kinds)('$name: streams that go wrong', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  const nonsense: [string, Uint8Array][] = [
    ['noise', Uint8Array.from({ length: 1_000 }, (_, index) => (index * 167 + 13) % 256)],
    ['a frame of impossible length', new Uint8Array(64).fill(0xff)],
    ['an empty frame', new Uint8Array(8)],
    ['a frame of nothing that is known', Uint8Array.of(0, 0, 0, 2, 0xff, 0xff)],
    ['the beginning of a frame', Uint8Array.of(0, 0, 1)],
  ];
  it.each(nonsense)('takes %s from a stranger and goes on with the others', async (_what, data) => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(one);
    const stranger = hosts.keep(
      await createLibp2p({ ...stock, transports: [memory()], services: { identify: identify() } }),
    );
    const connection = await stranger.dial(one.getMultiaddrs());
    for (const ending of ['close', 'abort'] as const) {
      const stream = await connection.newStream(one.services.pubsub.protocols);
      stream.send(data);
      if (ending === 'close') await stream.close().catch(() => {});
      else stream.abort(new Error('changed my mind'));
    }
    await publish(other, 'news', 'still here');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['still here']);
    expect(peersOf(one)).toContain(nameOf(other));
    expect(connection.status).toBe('open');
  });

  it('goes on with a peer that reset its stream', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    await publish(one, 'news', 'before');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['before']);
    for (const stream of streamsOf(other, 'inbound')) stream.abort(new Error('reset'));
    await expect.poll(() => streamsOf(one, 'outbound').length, { timeout: waitMs }).toBe(0);
    const sent = publish(one, 'news', 'after');
    if (kind.name === 'upsycle') {
      await sent;
      await expect.poll(() => heard, { timeout: waitMs }).toEqual(['before', 'after']);
    } else {
      await sent.catch(() => {}); // gossipsub opens streams when peers connect, and not again while they are
      expect(subscribersOf(one, 'news')).toEqual([nameOf(other)]);
    }
  });

  it('loses nothing that is published while the only connection is replaced', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    for (const connection of one.getConnections()) connection.abort(new Error('gone'));
    const allowed = { allowPublishToZeroTopicPeers: true };
    await one.services.pubsub.publish('news', bytes('meanwhile'), allowed);
    await one.dial(other.getMultiaddrs());
    await expect.poll(() => subscribersOf(one, 'news').length, { timeout: waitMs }).toBe(1);
    await expect
      .poll(() => one.services.pubsub.publish('news', bytes('after'), allowed).then(() => heard.includes('after')), {
        timeout: waitMs,
      })
      .toBe(true);
    if (kind.name === 'upsycle') await expect.poll(() => heard.includes('meanwhile'), { timeout: waitMs }).toBe(true);
  });

  it('holds a bounded amount for a peer that does not read, and goes on when it does', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = new Set<string>();
    other.services.pubsub.addEventListener('message', ({ detail }) => {
      heard.add(textOf({ data: detail.data.subarray(0, 8) }));
    });
    await publish(one, 'news', 'open');
    await expect.poll(() => heard.has('open'), { timeout: waitMs }).toBe(true);
    for (const stream of streamsOf(other, 'inbound')) stream.pause();
    const data = new Uint8Array(100_000);
    for (let count = 0; count < 100; count += 1) await one.services.pubsub.publish('news', data);
    const held = () => streamsOf(one, 'outbound').reduce((sum, stream) => sum + stream.writeBufferLength, 0);
    if (kind.name === 'upsycle') expect(held()).toBeLessThan(600_000);
    else expect(held()).toBeGreaterThan(5_000_000);
    for (const stream of streamsOf(other, 'inbound')) stream.resume();
    await publish(one, 'news', 'the last');
    await expect.poll(() => heard.has('the last'), { timeout: waitMs }).toBe(true);
  });
});

describe.each(kinds)('$name: connections through a relay', (kind) => {
  const running: { stop: () => void | Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((host) => host.stop()));
  });

  async function relayed(runOnLimitedConnection: boolean) {
    const transports = [tcp()]; // circuits are known by their relay's internet address
    const relay = await createLibp2p({
      ...stock,
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports,
      services: { identify: identify(), relay: circuitRelayServer() },
    });
    running.push(relay);
    const create = async (listen: string[]) => {
      const host = await createLibp2p({
        ...stock,
        addresses: { listen },
        transports: [...transports, circuitRelayTransport()],
        services: { identify: identify(), pubsub: kind.create({ runOnLimitedConnection }) },
      });
      running.push(host);
      return host;
    };
    const circuit = `${relay.getMultiaddrs()[0]?.toString()}/p2p-circuit`;
    const one = await create([circuit]);
    await expect.poll(() => one.getMultiaddrs().length, { timeout: waitMs }).toBeGreaterThan(0);
    const other = await create([]);
    const connection = await other.dial(multiaddr(`${circuit}/p2p/${one.peerId.toString()}`));
    expect(connection.limits).toBeDefined();
    return [one, other] as const;
  }

  it('are used where told so', async () => {
    const [one, other] = await relayed(true);
    const heard: string[] = [];
    one.services.pubsub.addEventListener('message', ({ detail }) => heard.push(textOf(detail)));
    for (const host of [one, other]) host.services.pubsub.subscribe('news');
    const known = () => other.services.pubsub.getSubscribers('news').map(String);
    await expect.poll(known, { timeout: waitMs }).toEqual([one.peerId.toString()]);
    await other.services.pubsub.publish('news', bytes('through the relay'));
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['through the relay']);
  });

  it('are left alone otherwise', async () => {
    const [one, other] = await relayed(false);
    for (const host of [one, other]) host.services.pubsub.subscribe('news');
    const alone = other.services.pubsub.publish('news', bytes('a'));
    await expect(alone).rejects.toThrow(/NoPeersSubscribedToTopic/);
    expect([one, other].map((host) => host.services.pubsub.getPeers())).toEqual([[], []]);
    expect(one.services.pubsub.getSubscribers('news')).toEqual([]);
  });
});

describe('gossipsub and upsycle on one host', () => {
  const running: { stop: () => void | Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((host) => host.stop()));
  });

  it('work side by side, each with its own topics and messages', async () => {
    const create = async (name: string) => {
      const host = await createLibp2p({
        ...stock,
        addresses: { listen: [`/memory/both-${name}`] },
        transports: [memory()],
        services: { identify: identify(), gossip: gossipsub(), ring: upsycle() },
      });
      running.push(host);
      return host;
    };
    const [one, other] = [await create('one'), await create('other')];
    await other.dial(one.getMultiaddrs());
    const heard: string[] = [];
    for (const name of ['gossip', 'ring'] as const) {
      other.services[name].addEventListener('message', ({ detail }) => heard.push(`${name}: ${textOf(detail)}`));
      for (const host of [one, other]) host.services[name].subscribe('news');
      const known = () => one.services[name].getSubscribers('news').map(String);
      await expect.poll(known, { timeout: waitMs }).toEqual([other.peerId.toString()]);
    }
    await one.services.gossip.publish('news', bytes('a'));
    await one.services.ring.publish('news', bytes('b'));
    await expect.poll(() => heard.toSorted(), { timeout: waitMs }).toEqual(['gossip: a', 'ring: b']);
    one.services.gossip.unsubscribe('news');
    expect(one.services.ring.getTopics()).toEqual(['news']);
  });
});
