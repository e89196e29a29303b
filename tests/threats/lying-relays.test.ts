import { createPrometheusMeter, createSeededRandom } from '@pulsemesh/base';
import { createMemoryEngine, type MailboxEngine, type StoreOutcome, startRelayServer } from '@pulsemesh/relay';
import { connectRelay, createEnvelopeSealer, createTableInboxState } from '@pulsemesh/relay/client';
import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Given, LyingRelay } from './lying-relay.ts';
import {
  connectClient,
  contactByKey,
  contactOf,
  dependencies,
  identityOf,
  relayIdentity,
  startAgent,
} from './relayed-agents.ts';

const alicesSealer = createEnvelopeSealer({ identity: identityOf(1), contactOf: contactByKey }, dependencies);

/** What Alice (1) sealed for Bob (2): one message for each text. */
function sealed(texts: readonly string[]): Promise<Given[]> {
  return Promise.all(
    texts.map(async (text) => {
      const messageId = dependencies.random.bytes(16);
      return { messageId, envelope: await alicesSealer.seal(contactOf(2), Buffer.from(text), messageId) };
    }),
  );
}

/** Bob, and what his application is given. */
async function bobAt(relays: readonly LyingRelay[], meter = createPrometheusMeter()) {
  const uses = relays.map((link, index) => ({ name: `relay ${index}`, link }));
  const { client } = await connectClient({ number: 2, relays: uses, meter });
  const given: string[] = [];
  client.receive(async ({ bytes }) => void given.push(Buffer.from(bytes).toString()));
  return { given, meter, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** The machine's clock, twenty times as fast: receipts are missed after seconds. */
const fast = {
  now: () => dependencies.clock.now(),
  monotonicMs: () => dependencies.clock.monotonicMs() * 20,
  setTimer: (action: () => void, delayMs: number) => dependencies.clock.setTimer(action, delayMs / 20),
};

/** An engine that says of a share of the messages that it stored them, and does not. */
function droppingEngine(share: number) {
  const inner = createMemoryEngine({}, dependencies);
  const random = createSeededRandom(3);
  let dropped = 0;
  const append: MailboxEngine['append'] = async (batch) => {
    const isKept = batch.map(({ kind }) => kind === 'receipt' || random.float() >= share);
    const kept = await inner.append(batch.filter((_message, index) => isKept[index]));
    dropped += isKept.filter((each) => !each).length;
    let next = 0;
    return batch.map((_message, index): StoreOutcome => {
      if (!isKept[index]) return { kind: 'stored', offset: null, isNew: true };
      next += 1;
      return kept[next - 1] as StoreOutcome; // one for each that was kept
    });
  };
  const engine: MailboxEngine = {
    name: inner.name,
    limits: inner.limits,
    append,
    read: (request) => inner.read(request),
    ack: (acks) => inner.ack(acks),
    position: (inbox) => inner.position(inbox),
    claim: (claims) => inner.claim(claims),
    release: (inbox, owner) => inner.release(inbox, owner),
    claimOf: (inbox) => inner.claimOf(inbox),
    watch: (inbox, handler) => inner.watch(inbox, handler),
    stats: () => inner.stats(),
    sweep: () => inner.sweep(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  return { engine, dropped: () => dropped };
}

function serve(engine: MailboxEngine) {
  const listen = { host: '127.0.0.1', port: 0, tls: null };
  return startRelayServer({ identity: relayIdentity, engine, listen }, dependencies);
}

describe('row 3: one of two relays that keeps back a share of what it stored', () => {
  it.each([0, 0.1, 0.5, 1])('is named, and all arrives once and in order, with a share of %d', async (share) => {
    const { engine, dropped } = droppingEngine(share);
    await using dropping = await serve(engine);
    await using honest = await serve(createMemoryEngine({}, dependencies));
    const meter = createPrometheusMeter();
    const agentOf = async (number: number) => {
      const stack = new AsyncDisposableStack();
      const relays = [];
      for (const [name, { url }] of Object.entries({ dropping, honest })) {
        const agent = await startAgent({ number, url });
        stack.use(agent.link);
        await agent.client[Symbol.asyncDispose]();
        relays.push({ name, link: agent.link });
      }
      const limits = { receiptGraceMs: 2_000 };
      const { client } = await connectClient({ number, relays, limits, clock: fast, meter });
      stack.use(client);
      return { client, [Symbol.asyncDispose]: () => stack.disposeAsync() };
    };
    await using bob = await agentOf(2);
    const given: string[] = [];
    bob.client.receive(async ({ bytes }) => void given.push(Buffer.from(bytes).toString()));
    await using alice = await agentOf(1);
    const texts = Array.from({ length: 60 }, (_, index) => `${index}`);
    const sent = await Promise.all(texts.map((text) => alice.client.send(contactOf(2), Buffer.from(text))));
    for (const { stored } of sent) await stored;
    const named = async (relay: string) =>
      Number(new RegExp(`missing_receipts_total\\{relay="${relay}"\\} (\\d+)`).exec(await meter.text())?.[1] ?? 0);
    await expect.poll(() => given.length, { timeout: 20_000 }).toBe(60);
    await expect.poll(() => named('dropping'), { timeout: 20_000 }).toBe(dropped());
    expect(given).toEqual(texts);
    expect(await named('honest')).toBe(0);
    if (share === 0) expect(dropped()).toBe(0);
    if (share === 1) expect(dropped()).toBe(60);
    if (share > 0) expect(dropped()).toBeGreaterThan(0);
  });
});

describe('row 4: relays that reorder and repeat', () => {
  it('have each message given once, whatever they give, in whatever pieces, and whatever was acknowledged', async () => {
    const messages = await sealed(Array.from({ length: 6 }, (_, index) => `${index}`));
    const piece = fc.record({ relay: fc.nat(1), which: fc.array(fc.nat(5), { minLength: 1, maxLength: 12 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (pieces) => {
        await using first = await LyingRelay.to(2);
        await using second = await LyingRelay.to(2);
        await using bob = await bobAt([first, second]);
        const relays = [first, second] as const;
        for (const { relay, which } of pieces) {
          await relays[relay === 0 ? 0 : 1].give(which.map((index) => messages[index] as Given));
        }
        const expected = new Set(pieces.flatMap(({ which }) => which.map(String)));
        expect(bob.given.length).toBe(expected.size);
        expect(new Set(bob.given)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });
});

describe('row 6: a relay that tampers', () => {
  it('has none of 3,000 envelopes with one bit flipped given, and the untouched ones still', async () => {
    const random = createSeededRandom(6);
    const [first, second] = (await sealed(['the first', 'the second'])) as [Given, Given];
    await using relay = await LyingRelay.to(2);
    await using bob = await bobAt([relay]);
    const flip = ({ messageId, envelope }: Given, bit: number): Given => {
      const bytes = envelope.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      return { messageId, envelope: bytes };
    };
    // Every bit of the head, the keys and the sender's box; then anywhere.
    const everyBit = Array.from({ length: 250 * 8 }, (_, bit) => flip(first, bit));
    const anyBit = Array.from({ length: 1000 }, () => flip(second, random.integer(second.envelope.length * 8)));
    // Under ids of their own, so that none is passed over as known.
    const flipped = [...everyBit, ...anyBit].map((each) => ({ ...each, messageId: random.bytes(16) }));
    for (let from = 0; from < flipped.length; from += 200) await relay.give(flipped.slice(from, from + 200));
    expect(bob.given).toEqual([]);
    expect(await bob.meter.text()).toContain('outcome="unopened"} 3000');
    await relay.give([first, second]);
    expect(bob.given).toEqual(['the first', 'the second']);
  });

  it('hides no message by giving something else under its id, first or at another relay', async () => {
    const [message, other] = (await sealed(['the true one', 'another'])) as [Given, Given];
    await using lying = await LyingRelay.to(2);
    await using honest = await LyingRelay.to(2);
    await using bob = await bobAt([lying, honest]);
    await lying.give([
      { messageId: message.messageId, envelope: other.envelope },
      { messageId: message.messageId, envelope: new Uint8Array(1000) },
    ]);
    expect(bob.given).toEqual([]);
    await honest.give([message]);
    expect(bob.given).toEqual(['the true one']);
  });

  it('has an envelope given under no other id than the one sealed in it', async () => {
    const [message] = (await sealed(['once'])) as [Given];
    await using relay = await LyingRelay.to(2);
    await using bob = await bobAt([relay]);
    await relay.give([
      { ...message, messageId: new Uint8Array(16) },
      message,
      { ...message, messageId: new Uint8Array(16).fill(1) },
    ]);
    expect(bob.given).toEqual(['once']);
  });
});

describe('row 15: a relay that gives an old message again', () => {
  it.each([1, 15, 29])('has no second effect %d days later, after the receiver was restarted', async (days) => {
    const tables = createMemoryTables();
    const [old, ...others] = (await sealed(['old', ...Array.from({ length: 40 }, (_, index) => `${index}`)])) as [
      Given,
      ...Given[],
    ];
    const runBob = async (daysAhead: number, messages: readonly Given[]) => {
      const clock = { ...dependencies.clock, now: () => dependencies.clock.now() + daysAhead * 86_400_000 };
      const deps = { ...dependencies, clock };
      const identity = identityOf(2);
      await using relay = await LyingRelay.to(2);
      await using client = await connectRelay(
        {
          relays: [{ name: 'relay', link: relay }],
          identity,
          sealer: createEnvelopeSealer({ identity, contactOf: contactByKey }, deps),
          inboxState: createTableInboxState(tables, deps),
        },
        deps,
      );
      const given: string[] = [];
      client.receive(async ({ bytes }) => void given.push(Buffer.from(bytes).toString()));
      await relay.give(messages);
      return given;
    };
    expect(await runBob(0, [old])).toEqual(['old']);
    // Old marks go as new ones come.
    expect(await runBob(days, [...others, old])).toHaveLength(40);
    expect(await runBob(days, [old])).toEqual([]);
  });
});

describe('row 28: a relay that gives more than the agent asked for', () => {
  it('is not read on: what waits for a slow application is bounded', async () => {
    await using relay = await LyingRelay.to(2);
    const { client } = await connectClient({ number: 2, relays: [{ name: 'relay', link: relay }] });
    const isFree = Promise.withResolvers<void>();
    const last = Promise.withResolvers<void>();
    let given = 0;
    client.raw.receive(async ({ envelope }) => {
      given += 1;
      if (envelope.length === 1) last.resolve();
      await isFree.promise;
    });
    expect(await relay.flood(100_000, 4_096)).toBeLessThan(100_000);
    isFree.resolve();
    await relay.giveOnly([{ messageId: new Uint8Array(16), envelope: new Uint8Array(1) }]);
    await last.promise;
    await client[Symbol.asyncDispose]();
    // The window, or less: what came by the stream that was given up is not kept.
    expect(given).toBeLessThanOrEqual(257);
  });
});
