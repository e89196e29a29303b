import { afterEach, describe, expect, it } from 'vitest';
import {
  breakOff,
  bytes,
  connect,
  type Host,
  Hosts,
  kinds,
  nameOf,
  publish,
  subscribersOf,
  textsOf,
  waitMs,
} from './hosts.ts';

/** Publishes until somebody hears it: what a caller does whom `publish` told that nobody reads. */
async function publishUntilHeard(guest: Host, text: string, heard: readonly string[]): Promise<void> {
  const isHeard = async () => {
    await publish(guest, 'news', text).catch(() => {});
    return heard.includes(text);
  };
  await expect.poll(isHeard, { timeout: waitMs, interval: 100 }).toBe(true);
}

describe.each(kinds)('$name: a publisher that does not read', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  /** A publisher, connected to two that do not know each other. */
  async function guestAmongTwo(): Promise<[Host, Host, Host]> {
    const guest = await hosts.start();
    const [one, other] = [await hosts.start(), await hosts.start()];
    for (const host of [one, other]) await connect(guest, host);
    return [guest, one, other];
  }

  const isHeardOf = async (guest: Host, reader: Host) => {
    // gossipsub does not wait for the announcement of who reads
    if (kind.name === 'gossipsub')
      await expect.poll(() => subscribersOf(guest, 'news'), { timeout: waitMs }).toEqual([nameOf(reader)]);
  };

  it('keeps the order of what it publishes', async () => {
    const [guest, one] = await guestAmongTwo();
    one.services.pubsub.subscribe('news');
    const heard = textsOf(one);
    await isHeardOf(guest, one);
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`);
    await Promise.all(texts.map((text) => publish(guest, 'news', text)));
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(texts);
  });

  it('follows the readers, as the one leaves and another comes', async () => {
    const [guest, one, other] = await guestAmongTwo();
    const [heard, later] = [textsOf(one), textsOf(other)];
    one.services.pubsub.subscribe('news');
    await isHeardOf(guest, one);
    await publish(guest, 'news', 'to the first');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['to the first']);
    one.services.pubsub.unsubscribe('news');
    other.services.pubsub.subscribe('news');
    await publishUntilHeard(guest, 'to the second', later);
    expect(heard).toEqual(['to the first']);
  });

  it('is told soon when nobody reads any longer', async () => {
    const [guest, one] = await guestAmongTwo();
    const heard = textsOf(one);
    one.services.pubsub.subscribe('news');
    await isHeardOf(guest, one);
    await publish(guest, 'news', 'hello');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['hello']);
    one.services.pubsub.unsubscribe('news');
    const isRefused = () =>
      publish(guest, 'news', 'anybody?').then(
        () => false,
        () => true,
      );
    await expect.poll(isRefused, { timeout: waitMs, interval: 100 }).toBe(true);
  });

  it('finds the next reader when the one it knew has died', async () => {
    const [guest, one, other] = await guestAmongTwo();
    const [heard, later] = [textsOf(one), textsOf(other)];
    one.services.pubsub.subscribe('news');
    await isHeardOf(guest, one);
    await publish(guest, 'news', 'hello');
    await expect.poll(() => heard, { timeout: waitMs }).toEqual(['hello']);
    await breakOff(one);
    other.services.pubsub.subscribe('news');
    await isHeardOf(guest, other);
    await publish(guest, 'news', 'to the second'); // the first such publication arrives
    // Here with what was published shortly before: the reader that died may not have handed it on.
    const all = [...(kind.name === 'upsycle' ? ['hello'] : []), 'to the second'];
    await expect.poll(() => [...later].sort(), { timeout: waitMs }).toEqual(all); // what is given again may come second
  });

  it('may publish before anybody reads: here it arrives when somebody is found soon', async () => {
    const [guest, one] = await guestAmongTwo();
    const heard = textsOf(one);
    const allowed = { allowPublishToZeroTopicPeers: true };
    for (const text of ['early', 'earlier than read'])
      await guest.services.pubsub.publish('news', bytes(text), allowed);
    one.services.pubsub.subscribe('news');
    await isHeardOf(guest, one);
    await publish(guest, 'news', 'late');
    const early = kind.name === 'upsycle' ? ['early', 'earlier than read'] : [];
    await expect.poll(() => heard, { timeout: waitMs }).toEqual([...early, 'late']);
  });
});
