import { createSystemClock, sleep } from '@pulsemesh/base';
import type { LinkSession } from '@pulsemesh/link';
import { describe, expect, it } from 'vitest';
import { createMemoryInboxState, inboxTokensAhead, type SendReceipt } from '../client/index.ts';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { inboxIdOf } from '../inbox-id.ts';
import { type TestAgent, TestWorld, type TestWorldOptions } from '../testing/test-world.ts';
import { decodeTopicBatch, encodeIds, encodePresenceSet, encodeTopicBatch } from '../wire/agents.ts';

const clock = createSystemClock({ unref: true });

async function openWorld(options: Partial<TestWorldOptions> = {}) {
  const world = new TestWorld({ clock, ...options });
  const engine = createMemoryEngine({}, world.dependencies);
  const relay = world.startRelay('relay', engine);
  return { world, engine, relay, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes));

/** What the agent is given, as text, and a wait for the next so many. */
function collect(agent: TestAgent) {
  const texts: string[] = [];
  let waiting: { count: number; resolve: () => void } | null = null;
  agent.client.raw.receive(async ({ envelope }) => {
    texts.push(textOf(envelope) ?? '');
    if (waiting !== null && texts.length >= waiting.count) waiting.resolve();
  });
  return {
    texts,
    async until(count: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { count, resolve };
      if (texts.length < count) await promise;
      return texts;
    },
  };
}

function receiptsOf(agent: TestAgent) {
  const seen: SendReceipt[] = [];
  const waits = new Set<() => void>();
  agent.client.onReceipt((receipt) => {
    seen.push(receipt);
    for (const wait of waits) wait();
  });
  return {
    seen,
    until: (kind: SendReceipt['kind'], count = 1) =>
      new Promise<SendReceipt[]>((resolve) => {
        const look = () => {
          const found = seen.filter((receipt) => receipt.kind === kind);
          if (found.length >= count) resolve(found);
        };
        waits.add(look);
        look();
      }),
  };
}

describe('a mailbox whose name another agent claims', () => {
  it('is read no more by the one that had it before', async () => {
    await using opened = await openWorld();
    const [week] = inboxTokensAhead(new Uint8Array(32).fill(8), clock.now(), 1);
    if (week === undefined) throw new Error('no week');
    await using mallory = await opened.world.connect('mallory', ['relay'], { inboxes: [week] });
    const atMallory = collect(mallory);
    await expect.poll(() => opened.engine.claimOf(week.inbox)).not.toBeNull();
    const send = async (text: string) => (await mallory.client.raw.send([week.inbox], bytesOf(text))).stored;
    await send('own');
    await atMallory.until(1);
    await opened.engine.release(week.inbox, mallory.client.address);
    await using bob = await opened.world.connect('bob', ['relay'], { inboxes: [week] });
    const atBob = collect(bob);
    await expect.poll(async () => (await opened.engine.claimOf(week.inbox))?.owner).toBe(bob.client.address);
    const texts = ['for bob', 'for bob too'];
    for (const text of texts) await send(text);
    expect(await atBob.until(2)).toEqual(texts);
    await mallory.links[0]?.session?.request('presence.set', encodePresenceSet(false)); // all before it arrived
    expect(atMallory.texts).toEqual(['own']);
  });
});

describe('what no relay would take', () => {
  it('is refused at once, and does not stand in the way of what comes after', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    const { raw, address } = alice.client;
    const many = Array.from({ length: 257 }, (_, index) =>
      inboxIdOf(Uint8Array.of(index >> 8, index, ...new Uint8Array(14))),
    );
    for (const to of [[], many]) await expect(raw.send(to, bytesOf('x'))).rejects.toMatchObject({ code: 'unsendable' });
    const envelope = new Uint8Array(1024 * 1024 + 1);
    await expect(raw.send([address], envelope)).rejects.toMatchObject({ code: 'unsendable' });
    expect(alice.client.outboxCount).toBe(0);
    await (await raw.send([address], envelope.subarray(1))).stored;
  });
});

describe('an agent that has just logged in for the first time', () => {
  it('can send to its own address at once, also while claiming it takes a while', async () => {
    await using opened = await openWorld();
    const claim = opened.engine.claim.bind(opened.engine);
    opened.engine.claim = async (claims) => {
      await sleep(clock, 50);
      return claim(claims);
    };
    await using alice = await opened.world.connect('alice', ['relay']);
    await alice.links[0]?.up();
    await (await alice.client.raw.send([alice.client.address], bytesOf('a note to self'))).stored;
  });
});

describe('store and forward', () => {
  it('delivers in order what was sent to an address, and tells the sender stored, delivered, read', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay']);
    await bob.links[0]?.up();
    const receipts = receiptsOf(alice);
    const texts: string[] = [];
    bob.client.raw.receive(async (message) => {
      texts.push(textOf(message.envelope) ?? '');
      if (texts.length === 100) message.read();
    });
    for (let index = 0; index < 100; index += 1) {
      await alice.client.raw.send([bob.client.address], bytesOf(`${index}`));
    }
    await receipts.until('delivered', 100);
    const [read] = await receipts.until('read');
    expect(texts).toEqual(Array.from({ length: 100 }, (_, index) => `${index}`));
    expect(read?.inbox).toBe(bob.client.address);
    expect(alice.client.outboxCount).toBe(0);
    await expect.poll(async () => (await opened.engine.stats()).messages).toBe(0);
  });

  it('keeps for an agent that is away, urgent ones first, also to inboxes of a token and to a whole set', async () => {
    await using opened = await openWorld();
    const [week] = inboxTokensAhead(new Uint8Array(32).fill(7), clock.now(), 1);
    if (week === undefined) throw new Error('no week');
    await using alice = await opened.world.connect('alice', ['relay']);
    const first = await opened.world.connect('bob', ['relay'], { inboxes: [week] });
    await using carol = await opened.world.connect('carol', ['relay']);
    await carol.links[0]?.up();
    await expect.poll(() => opened.engine.claimOf(week.inbox)).not.toBeNull();
    await first[Symbol.asyncDispose]();
    const atCarol = collect(carol);
    const sent = [
      await alice.client.raw.send([week.inbox], bytesOf('normal')),
      await alice.client.raw.send([week.inbox], bytesOf('urgent'), { priority: 'urgent' }),
      await alice.client.raw.send([week.inbox, carol.client.address], bytesOf('both')),
    ];
    for (const { stored } of sent) await stored;
    await using bob = await opened.world.connect('bob', ['relay'], { inboxes: [week] });
    const atBob = collect(bob);
    expect(await atBob.until(3)).toEqual(['urgent', 'normal', 'both']);
    expect(await atCarol.until(1)).toEqual(['both']);
  });

  it('refuses an inbox that nobody claims, one that another agent claimed, and says which recipient it was', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await alice.links[0]?.up();
    const nobody = inboxIdOf(new Uint8Array(16).fill(9));
    const receipts = receiptsOf(alice);
    const { stored } = await alice.client.raw.send([nobody, alice.client.address], bytesOf('x'));
    await expect(stored).rejects.toMatchObject({ code: 'no-such-inbox' });
    expect((await receipts.until('refused'))[0]).toMatchObject({ inbox: nobody, code: 'no-such-inbox' });
    const [week] = inboxTokensAhead(new Uint8Array(32), clock.now(), 1);
    if (week === undefined) throw new Error('no week');
    await using bob = await opened.world.connect('bob', ['relay'], { inboxes: [week] });
    await expect.poll(() => opened.engine.claimOf(week.inbox)).not.toBeNull();
    alice.client.addInboxes([week]);
    expect((await opened.engine.claimOf(week.inbox))?.owner).toBe(bob.client.address);
  });

  it('sends again from where it was told to slow down, and keeps the order', async () => {
    await using opened = await openWorld({ limits: { messagesPerSecondMax: 400, messagesBurstMax: 30 } });
    await using alice = await opened.world.connect('alice', ['relay'], { limits: { retryMsMin: 20 } });
    await using bob = await opened.world.connect('bob', ['relay']);
    await bob.links[0]?.up();
    const atBob = collect(bob);
    const numbers = Array.from({ length: 150 }, (_, index) => `${index}`);
    for (const number of numbers) await alice.client.raw.send([bob.client.address], bytesOf(number));
    expect(await atBob.until(150)).toEqual(numbers);
  });

  it('gives the handler a message again that it failed on, and no message twice that it took', async () => {
    await using opened = await openWorld();
    await using bob = await opened.world.connect('bob', ['relay'], { limits: { retryMsMin: 1 } });
    await bob.links[0]?.up();
    const calls: string[] = [];
    const done = Promise.withResolvers<void>();
    bob.client.raw.receive(async ({ envelope }) => {
      calls.push(textOf(envelope) ?? '');
      if (calls.length === 1) throw new Error('not yet');
      if (calls.length === 3) done.resolve();
    });
    await bob.client.raw.send([bob.client.address], bytesOf('a'));
    await bob.client.raw.send([bob.client.address], bytesOf('b'));
    await done.promise;
    expect(calls).toEqual(['a', 'a', 'b']);
  });
});

describe('a slow reader', () => {
  it('is given no more than its window, while others are served, and catches up', async () => {
    await using opened = await openWorld();
    const limits = { windowMessages: 10 };
    await using slow = await opened.world.connect('slow', ['relay'], { limits });
    await using alice = await opened.world.connect('alice', ['relay']);
    await slow.links[0]?.up();
    const gate = Promise.withResolvers<void>();
    let count = 0;
    const all = Promise.withResolvers<void>();
    slow.client.raw.receive(async () => {
      await gate.promise;
      count += 1;
      if (count === 500) all.resolve();
    });
    const sent = await Promise.all(
      Array.from({ length: 500 }, () =>
        alice.client.raw.send([slow.client.address], new Uint8Array(1000), { receipts: false }),
      ),
    );
    for (const { stored } of sent) await stored;
    const atAlice = collect(alice);
    await (await alice.client.raw.send([alice.client.address], bytesOf('self'))).stored;
    expect(await atAlice.until(1)).toEqual(['self']);
    const waiting = await opened.engine.stats();
    expect(waiting.messages).toBeGreaterThanOrEqual(500);
    gate.resolve();
    await all.promise;
    await expect.poll(async () => (await opened.engine.stats()).messages).toBe(0);
  });
});

describe('streams between agents', () => {
  it('joins two agents, both ways, with ends and with the caller’s key', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay']);
    await Promise.all([alice.links[0]?.up(), bob.links[0]?.up()]);
    const callers: Uint8Array[] = [];
    bob.client.raw.serve('echo', async (stream, { from }) => {
      callers.push(from);
      for (let next = await stream.receive(); next !== null; next = await stream.receive()) await stream.send(next);
      stream.end();
    });
    const stream = alice.client.raw.stream(bob.client.address, 'echo');
    for (const text of ['one', 'two']) await stream.send(bytesOf(text));
    stream.end();
    expect([textOf(await stream.receive()), textOf(await stream.receive()), await stream.receive()]).toEqual([
      'one',
      'two',
      null,
    ]);
    expect(callers).toEqual([opened.world.identity('alice').publicKey]);
    expect(textOf(await alice.client.raw.request(bob.client.address, 'echo', bytesOf('three')))).toBe('three');
  });

  it('holds the sender back when the receiver does not read, and loses nothing', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay']);
    await Promise.all([alice.links[0]?.up(), bob.links[0]?.up()]);
    const gate = Promise.withResolvers<void>();
    const sizes: number[] = [];
    const over = Promise.withResolvers<void>();
    bob.client.raw.serve('sink', async (stream) => {
      await gate.promise;
      for (let next = await stream.receive(); next !== null; next = await stream.receive()) sizes.push(next.length);
      stream.end();
      over.resolve();
    });
    const stream = alice.client.raw.stream(bob.client.address, 'sink');
    let sent = 0;
    while (stream.write(new Uint8Array(10_000)) && sent < 1000) sent += 1;
    for (let round = 0; round < 20 && stream.bufferedBytes < 1_000_000; round += 1)
      stream.write(new Uint8Array(100_000));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stream.bufferedBytes).toBeGreaterThan(500_000);
    gate.resolve();
    stream.end();
    await over.promise;
    expect(sizes.reduce((total, size) => total + size, 0)).toBeGreaterThan(1_000_000);
    expect(await stream.receive()).toBeNull();
  });

  it('says that an agent is offline, that it serves no such name, and passes on how the other end broke', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay']);
    await Promise.all([alice.links[0]?.up(), bob.links[0]?.up()]);
    const nobody = inboxIdOf(new Uint8Array(16).fill(3));
    const ask = (to: typeof nobody, name: string) => alice.client.raw.request(to, name, bytesOf('x'));
    await expect(ask(nobody, 'echo')).rejects.toMatchObject({ code: 'agent-unreachable' });
    await expect(ask(bob.client.address, 'nothing')).rejects.toMatchObject({ code: 'peer-refused' });
    const stream = alice.client.raw.stream(bob.client.address, 'Not A Name');
    await expect(stream.receive()).rejects.toMatchObject({ code: 'malformed' });
  });

  it('reaches an inbox id whose owner takes streams there, and no other', async () => {
    await using opened = await openWorld();
    const weeks = inboxTokensAhead(new Uint8Array(32), clock.now(), 2);
    const inboxes = weeks.map((week, index) => ({ ...week, takesStreams: index === 0 }));
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay'], { inboxes });
    await Promise.all([alice.links[0]?.up(), bob.links[0]?.up()]);
    const [open, closed] = weeks.map(({ inbox }) => inbox);
    if (open === undefined || closed === undefined) throw new Error('no weeks');
    await expect.poll(() => opened.engine.claimOf(closed)).not.toBeNull();
    bob.client.raw.serve('who', async (stream, { to }) => {
      await stream.receive();
      await stream.send(bytesOf(to));
      stream.end();
    });
    expect(textOf(await alice.client.raw.request(open, 'who', bytesOf('?')))).toBe(open);
    await expect(alice.client.raw.request(closed, 'who', bytesOf('?'))).rejects.toMatchObject({
      code: 'agent-unreachable',
    });
  });
});

describe('presence and topics', () => {
  it('tells who comes and goes to those who name the address, unless the agent hides', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await alice.links[0]?.up();
    const bob = await opened.world.connect('bob', ['relay']);
    const seen: boolean[] = [];
    using _watch = alice.client.watchPresence([bob.client.address], ({ isOnline }) => seen.push(isOnline));
    await expect.poll(() => seen.at(-1)).toBe(true);
    bob.client.setInvisible(true);
    await expect.poll(() => seen.at(-1)).toBe(false);
    bob.client.setInvisible(false);
    await expect.poll(() => seen.at(-1)).toBe(true);
    await bob[Symbol.asyncDispose]();
    await expect.poll(() => seen.at(-1)).toBe(false);
  });

  it('keeps a bounded number of messages, empty ones too, for a subscriber that does not read', async () => {
    await using opened = await openWorld({ limits: { topicBufferBytesMax: 64 * 300 } });
    await using link = opened.world.link('slow', 'relay');
    await using alice = await opened.world.connect('alice', ['relay']);
    const [session, publisher] = await Promise.all([link.up(), alice.links[0]?.up() as Promise<LinkSession>]);
    const topic = inboxIdOf(new Uint8Array(16).fill(3));
    const subscribing = session.open('topic.subscribe');
    await subscribing.send(encodeIds([topic]));
    await session.request('presence.set', encodePresenceSet(false)); // what was sent before it was served
    const publishing = publisher.open('topic.publish');
    const rounds = 40;
    for (let round = 0; round < rounds; round += 1) {
      const batch = Array.from({ length: 500 }, () => ({ topic, payload: new Uint8Array(0) }));
      await publishing.send(encodeTopicBatch(batch));
    }
    await publisher.request('presence.set', encodePresenceSet(false));
    // The stream's credit, what it buffers once and what waits: the rest was dropped.
    subscribing.end();
    let got = 0;
    let longest = 0;
    for (let next = await subscribing.receive(); next !== null; next = await subscribing.receive()) {
      const { length } = decodeTopicBatch(next);
      got += length;
      longest = Math.max(longest, length);
    }
    expect(longest).toBeLessThanOrEqual(300);
    expect(got).toBeLessThan((rounds * 500) / 1.5);
  });

  it('hands a topic’s messages to its subscribers and to nobody else', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    await using bob = await opened.world.connect('bob', ['relay']);
    await Promise.all([alice.links[0]?.up(), bob.links[0]?.up()]);
    const [topic, other] = [inboxIdOf(new Uint8Array(16).fill(1)), inboxIdOf(new Uint8Array(16).fill(2))];
    const seen: string[] = [];
    using _one = bob.client.raw.subscribe(topic, (payload) => seen.push(`bob ${textOf(payload)}`));
    using _two = alice.client.raw.subscribe(topic, (payload) => seen.push(`alice ${textOf(payload)}`));
    await expect
      .poll(() => {
        if (seen.length < 2) alice.client.raw.publish(topic, bytesOf('tick'));
        return [...new Set(seen)].sort();
      })
      .toEqual(['alice tick', 'bob tick']);
    alice.client.raw.publish(other, bytesOf('nobody'));
    expect(seen.some((text) => text.includes('nobody'))).toBe(false);
  });
});

describe('an agent whose key is revoked', () => {
  it('is cut off at once, in open sessions', async () => {
    await using opened = await openWorld();
    await using alice = await opened.world.connect('alice', ['relay']);
    const session = await alice.links[0]?.up();
    const { Condition } = await import('@pulsemesh/base');
    expect(opened.relay.endAgent(opened.world.identity('alice').peerId, new Condition('revoked', 'revoked'))).toBe(1);
    expect(await session?.closed).toMatchObject({ code: 'revoked' });
  });
});

describe('two relays', () => {
  it('give the receiver each message once', async () => {
    await using opened = await openWorld();
    opened.world.startRelay('second', createMemoryEngine({}, opened.world.dependencies));
    await using alice = await opened.world.connect('alice', ['relay', 'second']);
    await using bob = await opened.world.connect('bob', ['relay', 'second'], { inboxState: createMemoryInboxState() });
    await Promise.all(bob.links.map((link) => link.up()));
    const receipts = receiptsOf(alice);
    const atBob = collect(bob);
    for (let index = 0; index < 20; index += 1) {
      await alice.client.raw.send([bob.client.address], bytesOf(`${index}`));
    }
    await receipts.until('delivered', 40);
    expect([...atBob.texts].sort()).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`).sort());
  });
});
