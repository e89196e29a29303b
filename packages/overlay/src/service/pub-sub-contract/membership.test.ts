import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import { memory } from '@libp2p/memory';
import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import {
  breakOff,
  changesOf,
  connect,
  createHost,
  Hosts,
  kinds,
  nameOf,
  peersOf,
  publish,
  subscribersOf,
  textsOf,
  waitMs,
} from './hosts.ts';

describe.each(kinds)('$name: who reads what', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it('knows its topics, each once, however often it is told', async () => {
    const { pubsub } = (await hosts.start()).services;
    expect(pubsub.getTopics()).toEqual([]);
    pubsub.unsubscribe('never read');
    pubsub.subscribe('one');
    pubsub.subscribe('one');
    pubsub.subscribe('two');
    expect(pubsub.getTopics()).toEqual(['one', 'two']);
    pubsub.unsubscribe('one');
    pubsub.unsubscribe('one');
    expect(pubsub.getTopics()).toEqual(['two']);
  });

  it('names the peers that speak its protocol, while they are connected', async () => {
    const [one, other] = await hosts.pair();
    const stranger = hosts.keep(
      await createLibp2p({
        transports: [memory()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { identify: identify() },
      }),
    );
    await stranger.dial(one.getMultiaddrs());
    expect(peersOf(one)).toEqual([nameOf(other)]);
    await other.stop();
    await expect.poll(() => peersOf(one), { timeout: waitMs }).toEqual([]);
  });

  it('tells once of each subscription and its end, and names the subscribers in between', async () => {
    const [one, other] = await hosts.pair();
    const changes = changesOf(one);
    one.services.pubsub.subscribe('news');
    other.services.pubsub.subscribe('news');
    other.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    expect(changes).toEqual([`${nameOf(other)}+news`]);
    other.services.pubsub.unsubscribe('news');
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([]);
    expect(changes).toEqual([`${nameOf(other)}+news`, `${nameOf(other)}-news`]);
    other.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    expect(changes).toHaveLength(3);
  });

  it('hears of subscriptions that were there before the connection', async () => {
    const [one, other] = [await hosts.start(), await hosts.start()];
    for (const host of [one, other]) host.services.pubsub.subscribe('news');
    const changes = changesOf(one);
    await connect(one, other);
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    expect(changes).toEqual([`${nameOf(other)}+news`]);
  });

  it('forgets the subscriptions of a peer that stops', async () => {
    const [one, other] = await hosts.readers('news');
    await other.stop();
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([]);
  });

  it('forgets the subscriptions of a peer whose connection breaks for good', async () => {
    const [one, other] = await hosts.readers('news');
    const changes = changesOf(one);
    await breakOff(other);
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([]);
    // gossipsub tells nobody; whoever keeps a list by its events is left with the dead.
    expect(changes).toEqual(kind.name === 'upsycle' ? [`${nameOf(other)}-news`] : []);
  });

  it('names subscribers of topics it does not read itself only where they are told to everybody', async () => {
    const [one, other] = await hosts.pair();
    const changes = changesOf(one);
    other.services.pubsub.subscribe('news');
    one.services.pubsub.subscribe('marker');
    other.services.pubsub.subscribe('marker');
    await expect.poll(() => subscribersOf(one, 'marker'), { timeout: waitMs }).toEqual([nameOf(other)]);
    const isToldToAll = kind.name === 'gossipsub';
    expect(subscribersOf(one, 'news')).toEqual(isToldToAll ? [nameOf(other)] : []);
    expect(changes.includes(`${nameOf(other)}+news`)).toBe(isToldToAll);
  });
});

describe.each(kinds)('$name: starting and stopping', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it.each(['before it starts', 'after it stopped'])(
    'refuses to do anything %s, and has nothing to tell',
    async (when) => {
      const host = hosts.keep(await createHost(kind));
      if (when === 'after it stopped') {
        await host.start();
        host.services.pubsub.subscribe('news');
        await host.stop();
      }
      const { pubsub } = host.services;
      expect(() => pubsub.subscribe('news')).toThrow(/started/);
      expect(() => pubsub.unsubscribe('news')).toThrow(/started/);
      await expect(publish(host, 'news', 'hello')).rejects.toThrow();
      expect([pubsub.getTopics(), pubsub.getPeers(), pubsub.getSubscribers('news')]).toEqual([[], [], []]);
    },
  );

  it('works again when stopped and started again, with its listeners, without its topics', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    await other.stop();
    await other.start();
    expect(other.services.pubsub.getTopics()).toEqual([]);
    other.services.pubsub.subscribe('news');
    await connect(one, other);
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    await publish(one, 'news', 'again');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['again']);
  });

  it('takes up again with a peer that died and came back as another process with the same key', async () => {
    const privateKey = await generateKeyPair('Ed25519');
    const [one, other] = await hosts.readers('news', {}, { privateKey });
    const heard = textsOf(one);
    await publish(other, 'news', 'before');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['before']);
    await breakOff(other);
    const reborn = await hosts.start({ privateKey });
    reborn.services.pubsub.subscribe('news');
    const heardReborn = textsOf(reborn);
    await connect(one, reborn);
    await expect.poll(() => subscribersOf(reborn, 'news'), { timeout: waitMs }).toEqual([nameOf(one)]);
    await publish(reborn, 'news', 'after');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['before', 'after']);
    await expect.poll(() => subscribersOf(one, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    await publish(one, 'news', 'welcome back');
    await expect.poll(() => heardReborn.includes('welcome back'), { timeout: waitMs }).toBe(true);
  });
});
