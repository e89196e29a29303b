import { afterEach, describe, expect, it } from 'vitest';
import { connect, Hosts, kinds, nameOf, publish, subscribersOf, waitMs } from './hosts.ts';

const topics = Array.from({ length: 60 }, (_, index) => `patient-${index}`);

describe.each(kinds)('$name: two nodes that know nobody else, and sixty topics', (kind) => {
  const hosts = new Hosts(kind);
  afterEach(() => hosts.stop());

  it('find each other in each of them', async () => {
    const [one, other] = await hosts.pair();
    for (const host of [one, other]) for (const topic of topics) host.services.pubsub.subscribe(topic);
    const found = () => topics.filter((topic) => subscribersOf(one, topic).includes(nameOf(other)));
    await expect.poll(found, { timeout: waitMs }).toEqual(topics);
  });

  it('hand over what one publishes to all of them at once without reading any', async () => {
    const [reader, guest] = [await hosts.start(), await hosts.start()];
    const heard = new Set<string>();
    reader.services.pubsub.addEventListener('message', ({ detail }) => heard.add(detail.topic));
    for (const topic of topics) reader.services.pubsub.subscribe(topic);
    await connect(reader, guest);
    if (kind.name === 'gossipsub') {
      await expect.poll(() => subscribersOf(guest, topics.at(-1) ?? ''), { timeout: waitMs }).toHaveLength(1);
    }
    await Promise.all(topics.map((topic) => publish(guest, topic, 'x')));
    await expect.poll(() => [...heard].sort(), { timeout: waitMs }).toEqual([...topics].sort());
  });
});
