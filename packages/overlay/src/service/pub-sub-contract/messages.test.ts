import { generateKeyPair } from '@libp2p/crypto/keys';
import { afterEach, describe, expect, it } from 'vitest';
import { eventLimits } from '../../events/event.ts';
import {
  bytes,
  connect,
  Hosts,
  kinds,
  messagesOf,
  nameOf,
  publish,
  subscribed,
  subscribersOf,
  textOf,
  textsOf,
  waitMs,
} from './hosts.ts';

describe.each(kinds)('$name: what a message says', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it('names author, key, number and topic, and holds the data as they were given', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = messagesOf(other);
    const data = Uint8Array.from({ length: 256 }, (_, index) => index);
    await one.services.pubsub.publish('news', data);
    await one.services.pubsub.publish('news', new Uint8Array(0));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(2);
    const [first, second] = heard;
    if (first?.type !== 'signed' || second?.type !== 'signed') throw new Error('messages are signed');
    expect(first.from.equals(one.peerId)).toBe(true);
    expect(first.key.equals(one.peerId.publicKey)).toBe(true);
    expect(first.topic).toBe('news');
    expect(first.sequenceNumber).toBeTypeOf('bigint');
    expect(second.sequenceNumber > first.sequenceNumber).toBe(true);
    expect(first.signature.byteLength).toBe(64);
    expect(new Uint8Array(first.data)).toEqual(data);
    expect(second.data.byteLength).toBe(0);
  });

  it('counts on from higher numbers after a restart', async () => {
    const privateKey = await generateKeyPair('Ed25519');
    const [one, other] = await hosts.readers('news', { privateKey }, {});
    const heard = messagesOf(other);
    await publish(one, 'news', 'first');
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1);
    await one.stop();
    const again = await hosts.start({ privateKey });
    await connect(other, again);
    again.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersOf(again, 'news'), { timeout: waitMs }).toEqual([nameOf(other)]);
    await publish(again, 'news', 'second');
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(2);
    const [first, second] = heard.map((message) => (message.type === 'signed' ? message.sequenceNumber : 0n));
    expect((second as bigint) > (first as bigint)).toBe(true);
  });

  it('comes with its id and with who handed it over in an event of its own', async () => {
    const [one, other] = await hosts.readers('news');
    const heard: unknown[] = [];
    other.services.pubsub.addEventListener('gossipsub:message', ({ detail }) => {
      expect(detail.msgId.length).toBeGreaterThan(0);
      heard.push([detail.propagationSource.toString(), textOf(detail.msg)]);
    });
    await publish(one, 'news', 'hello');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual([[nameOf(one), 'hello']]);
  });

  it('goes to subscribers only, and to those of its own topic', async () => {
    const [one, other] = await hosts.readers('news');
    const third = await hosts.start();
    await connect(one, third);
    await subscribed('sport', one, third);
    const [heard, elsewhere] = [messagesOf(other), messagesOf(third)];
    await publish(one, 'news', 'n');
    await publish(one, 'sport', 's');
    await expect.poll(() => heard.map(textOf), { timeout: waitMs }).toEqual(['n']);
    await expect.poll(() => elsewhere.map(textOf), { timeout: waitMs }).toEqual(['s']);
  });

  it('is a message each time it is published, though the words are the same', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    for (let count = 0; count < 3; count += 1) await publish(one, 'news', 'same');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['same', 'same', 'same']);
  });

  it('is not given out any more once its topic was left', async () => {
    const [one, other] = await hosts.readers('news');
    await subscribed('marker', one, other);
    const heard: string[] = [];
    other.services.pubsub.addEventListener('message', ({ detail }) => {
      heard.push(textOf(detail));
      if (detail.topic === 'news') other.services.pubsub.unsubscribe('news'); // the rest is on its way
    });
    await Promise.all(Array.from({ length: 50 }, (_, index) => publish(one, 'news', `${index}`)));
    await publish(one, 'marker', 'end');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['0', 'end']);
  });
});

describe.each(kinds)('$name: publishing', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());
  const nobody = /NoPeersSubscribedToTopic/;

  it('is refused where nobody reads, unless allowed at the making or at the call', async () => {
    const [one] = await hosts.pair();
    await expect(publish(one, 'nobody', 'a')).rejects.toThrow(nobody);
    const { pubsub } = one.services;
    const allowed = { allowPublishToZeroTopicPeers: true };
    expect(await pubsub.publish('nobody', bytes('a'), allowed)).toEqual({ recipients: [] });
    const tolerant = (await hosts.start(allowed)).services.pubsub;
    expect(await tolerant.publish('nobody', bytes('a'))).toEqual({ recipients: [] });
    await expect(tolerant.publish('nobody', bytes('a'), { allowPublishToZeroTopicPeers: false })).rejects.toThrow(
      nobody,
    );
  });

  it('reaches the readers of a topic that the publisher does not read', async () => {
    const [one, other] = await hosts.readers('news');
    const guest = await hosts.start();
    await connect(one, guest);
    await connect(other, guest);
    const heard = [textsOf(one), textsOf(other)];
    const { recipients } = await guest.services.pubsub.publish('news', bytes('from outside'));
    expect(recipients.length).toBeGreaterThan(0);
    await expect.poll(() => heard, { timeout: waitMs }).toEqual([['from outside'], ['from outside']]);
    expect(guest.services.pubsub.getTopics()).toEqual([]);
  });

  it('names whom the message was sent to', async () => {
    const [one, other] = await hosts.readers('news');
    const { recipients } = await publish(one, 'news', 'hello');
    expect(recipients.map(String)).toEqual([nameOf(other)]);
  });

  it.each([true, false])('gives back its own where asked to, and reads the topic (emitSelf %s)', async (emitSelf) => {
    const [one, other] = await hosts.readers('news', { emitSelf });
    other.services.pubsub.subscribe('sport');
    await expect
      .poll(
        () =>
          publish(one, 'sport', 'not mine').then(
            () => true,
            () => false,
          ),
        { timeout: waitMs },
      )
      .toBe(true);
    const [own, heard] = [messagesOf(one), textsOf(other)];
    const { recipients } = await publish(one, 'news', 'hello');
    expect(recipients.map(String)).toEqual([nameOf(other), ...(emitSelf ? [nameOf(one)] : [])]);
    await expect.poll(() => heard.includes('hello'), { timeout: waitMs }).toBe(true);
    expect(own.map(textOf)).toEqual(emitSelf ? ['hello'] : []);
    if (emitSelf) expect(own[0]?.type === 'signed' && own[0].from.equals(one.peerId)).toBe(true);
  });

  it('to oneself alone needs nobody else', async () => {
    const one = await hosts.start({ emitSelf: true });
    const heard = textsOf(one);
    one.services.pubsub.subscribe('news');
    expect((await publish(one, 'news', 'note')).recipients.map(String)).toEqual([nameOf(one)]);
    expect(heard).toEqual(['note']);
  });

  it('of a thousand at once keeps their order', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    await Promise.all(texts.map((text) => publish(one, 'news', text)));
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(1_000);
    expect(heard).toEqual(texts);
  });

  it('of many by two at once keeps the order of each', async () => {
    const [one, other] = await hosts.readers('news');
    const reader = await hosts.start();
    await connect(one, reader);
    await connect(other, reader);
    await subscribed('news', one, other, reader);
    const heard = textsOf(reader);
    const texts = (name: string) => Array.from({ length: 200 }, (_, index) => `${name}${index}`);
    await Promise.all([
      ...texts('a').map((text) => publish(one, 'news', text)),
      ...texts('b').map((text) => publish(other, 'news', text)),
    ]);
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(400);
    // What comes by two ways may come out of order; by the direct one it does not.
    expect(heard.filter((text) => text.startsWith('a'))).toEqual(texts('a'));
    expect(heard.filter((text) => text.startsWith('b'))).toEqual(texts('b'));
  });

  it('begins before the first reader is found, and keeps the order', async () => {
    const [one, other] = await hosts.pair();
    other.services.pubsub.subscribe('news');
    const heard = textsOf(other);
    if (kind.name === 'gossipsub')
      await expect.poll(() => subscribersOf(one, 'news').length, { timeout: waitMs }).toBe(1);
    const texts = Array.from({ length: 40 }, (_, index) => `${index}`);
    const sent: Promise<unknown>[] = [];
    for (const text of texts) {
      sent.push(publish(one, 'news', text));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent);
    await expect.poll(() => heard.length, { timeout: waitMs }).toBe(texts.length);
    expect(heard).toEqual(texts);
  });

  it('of what is too large is refused, or what comes of it is', async () => {
    const [one, other] = await hosts.readers('news', {}, { maxInboundDataLength: 100_000 });
    const heard = messagesOf(other);
    await one.services.pubsub.publish('news', new Uint8Array(99_000));
    await expect.poll(() => heard.map(({ data }) => data.byteLength), { timeout: waitMs }).toEqual([99_000]);
    const largest = eventLimits.dataBytesMax;
    const beyond = one.services.pubsub.publish('news', new Uint8Array(largest + 1));
    // gossipsub sends it, and the reader ends the stream for good.
    if (kind.name === 'upsycle') await expect(beyond).rejects.toMatchObject({ code: 'event-too-large' });
    else await beyond;
    await publish(one, 'news', 'still here');
    if (kind.name === 'upsycle')
      await expect.poll(() => heard.map(textOf).at(-1), { timeout: waitMs }).toBe('still here');
    expect(heard.every(({ data }) => data.byteLength <= 100_000)).toBe(true);
  });

  it('twice of what `msgIdFn` calls the same: gossipsub refuses, upsycle knows no duplicates', async () => {
    const init = { msgIdFn: () => bytes('all the same') };
    const [one, other] = await hosts.readers('news', init);
    const heard = textsOf(other);
    await publish(one, 'news', 'first');
    if (kind.name === 'gossipsub') {
      await expect(publish(one, 'news', 'second')).rejects.toThrow(/Duplicate/);
      return;
    }
    await publish(one, 'news', 'second');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['first', 'second']);
  });
});
