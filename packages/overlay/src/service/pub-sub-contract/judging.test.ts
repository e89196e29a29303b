import { TopicValidatorResult } from '@libp2p/gossipsub';
import { afterEach, describe, expect, it } from 'vitest';
import {
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

describe.each(kinds)('$name: validators', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());
  const { Accept, Ignore, Reject } = TopicValidatorResult;

  it('are asked once for each message, with who handed it over, and nothing is delivered that they did not accept', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    const asked: string[] = [];
    other.services.pubsub.topicValidators.set('news', (from, message) => {
      asked.push(`${from.toString()} ${textOf(message)}`);
      return textOf(message) === 'accept' ? Accept : textOf(message) === 'ignore' ? Ignore : Reject;
    });
    for (const text of ['reject', 'ignore', 'accept']) await publish(one, 'news', text);
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['accept']);
    expect(asked.sort()).toEqual(['accept', 'ignore', 'reject'].map((text) => `${nameOf(one)} ${text}`));
  });

  it('may be taken away while they are asked: what they accept then goes on to others', async () => {
    const middle = await hosts.start();
    const ends = [await hosts.start({ listen: [] }), await hosts.start({ listen: [] })] as const;
    for (const end of ends) await connect(middle, end);
    for (const host of [middle, ...ends]) host.services.pubsub.subscribe('news');
    const [left, right] = ends;
    await expect.poll(() => subscribersOf(middle, 'news'), { timeout: waitMs }).toHaveLength(2);
    await expect.poll(() => subscribersOf(left, 'news').length, { timeout: waitMs }).toBeGreaterThan(0);
    const verdict = Promise.withResolvers<TopicValidatorResult>();
    let asked = 0;
    middle.services.pubsub.topicValidators.set('news', () => {
      asked += 1;
      return verdict.promise;
    });
    const heard = textsOf(right);
    await publish(left, 'news', 'pending');
    await expect.poll(() => asked, { timeout: waitMs }).toBe(1);
    middle.services.pubsub.topicValidators.delete('news');
    verdict.resolve(Accept);
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['pending']);
  });

  it('may take their time', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    const waiting: (() => void)[] = [];
    other.services.pubsub.topicValidators.set(
      'news',
      () => new Promise((resolve) => waiting.push(() => resolve(Accept))),
    );
    await publish(one, 'news', 'slow');
    await publish(one, 'news', 'slower');
    await expect.poll(() => waiting.length, { timeout: waitMs }).toBe(2);
    expect(heard).toEqual([]);
    for (const accept of waiting.reverse()) accept();
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['slower', 'slow']);
  });

  it('that throw or reject ignore the message and harm nobody', async () => {
    const [one, other] = await hosts.readers('news');
    const heard = textsOf(other);
    other.services.pubsub.topicValidators.set('news', (_from, message) => {
      if (textOf(message) === 'throw') throw new Error('a fault');
      return textOf(message) === 'fail' ? Promise.reject(new Error('a fault')) : Accept;
    });
    for (const text of ['throw', 'fail', 'accept']) await publish(one, 'news', text);
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['accept']);
  });

  it('may be set and taken away at any time, and concern their own topic', async () => {
    const [one, other] = await hosts.readers('news');
    await subscribed('sport', one, other);
    const heard = textsOf(other);
    const { topicValidators } = other.services.pubsub;
    topicValidators.set('news', () => Reject);
    await publish(one, 'news', 'n1');
    await publish(one, 'sport', 's1');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['s1']);
    topicValidators.delete('news');
    await publish(one, 'news', 'n2');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['s1', 'n2']);
  });

  it('that answer after the topic was left deliver nothing', async () => {
    const [one, other] = await hosts.readers('news');
    await subscribed('marker', one, other);
    const heard = textsOf(other);
    const waiting: (() => void)[] = [];
    const ask = () => new Promise<TopicValidatorResult>((resolve) => waiting.push(() => resolve(Accept)));
    other.services.pubsub.topicValidators.set('news', ask);
    await publish(one, 'news', 'late');
    await expect.poll(() => waiting.length, { timeout: waitMs }).toBe(1);
    other.services.pubsub.unsubscribe('news');
    waiting[0]?.();
    await publish(one, 'marker', 'end');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['end']);
  });

  it('are not asked about what their own node publishes', async () => {
    const [one, other] = await hosts.readers('news', { emitSelf: true });
    const [own, heard] = [textsOf(one), textsOf(other)];
    one.services.pubsub.topicValidators.set('news', () => Reject);
    await publish(one, 'news', 'mine');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['mine']);
    expect(own).toEqual(['mine']);
  });

  it('decide what is forwarded', async () => {
    // A line: the ends cannot be dialled, and know each other only through the one in the middle.
    const middle = await hosts.start();
    const [left, right] = [await hosts.start({ listen: [] }), await hosts.start({ listen: [] })];
    for (const end of [left, right]) await connect(middle, end);
    middle.services.pubsub.topicValidators.set('news', (_from, message) =>
      textOf(message) === 'good' ? Accept : Reject,
    );
    for (const host of [middle, left, right]) host.services.pubsub.subscribe('news');
    await expect.poll(() => subscribersOf(middle, 'news').length, { timeout: waitMs }).toBe(2);
    await expect.poll(() => subscribersOf(left, 'news').length, { timeout: waitMs }).toBeGreaterThan(0);
    const heard = messagesOf(right);
    for (const text of ['bad', 'good']) await publish(left, 'news', text);
    await expect.poll(() => heard.map(textOf), { timeout: waitMs }).toEqual(['good']);
    expect(heard[0]?.type === 'signed' && heard[0].from.equals(left.peerId)).toBe(true);
  });
});

describe.each(kinds)('$name: signature policies', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it('signs or does not, as told, and takes only what its own policy asks for', async () => {
    const unsigned = { globalSignaturePolicy: 'StrictNoSign' } as const;
    // gossipsub needs another id where there is no author.
    const init = { ...unsigned, msgIdFn: ({ data }: { data: Uint8Array }) => data };
    const [one, other] = await hosts.pair(init);
    const strict = await hosts.start();
    await connect(one, strict);
    await connect(other, strict);
    await subscribed('news', one, other, strict);
    const [heard, refused, fromStrict] = [messagesOf(other), textsOf(strict), textsOf(one)];
    await publish(one, 'news', 'anonymous');
    await expect.poll(() => heard.map(({ type }) => type), { timeout: waitMs }).toEqual(['unsigned']);
    expect({ ...heard[0], data: undefined }).toEqual({ type: 'unsigned', topic: 'news', data: undefined });
    await publish(strict, 'news', 'signed');
    await publish(other, 'news', 'end');
    await expect.poll(() => fromStrict, { timeout: waitMs }).toEqual(['end']);
    expect(refused).toEqual([]);
    expect([one, strict].map((host) => host.services.pubsub.globalSignaturePolicy)).toEqual([
      'StrictNoSign',
      'StrictSign',
    ]);
  });
});

describe.each(kinds)('$name: allowed topics', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it('limits what gossipsub hears of others, and here what is read and published', async () => {
    const [one, other] = await hosts.pair({ allowedTopics: ['news'] }, {});
    await subscribed('news', one, other);
    other.services.pubsub.subscribe('sport');
    if (kind.name === 'gossipsub') {
      one.services.pubsub.subscribe('sport');
      expect(one.services.pubsub.getTopics()).toEqual(['news', 'sport']);
    } else {
      expect(() => one.services.pubsub.subscribe('sport')).toThrow(/not-allowed/);
      await expect(publish(one, 'sport', 'a')).rejects.toThrow(/not-allowed/);
    }
    expect(subscribersOf(one, 'sport')).toEqual([]);
  });
});
