import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Condition, createLogger, createPrometheusMeter, createSystemClock } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import type { LinkSession } from '@pulsemesh/link';
import { concatBytes } from '@pulsemesh/wire';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type ContinuityLost,
  connectRelay,
  createMemoryInboxState,
  inboxTokensAhead,
  type Sealer,
} from '../client/index.ts';
import { openLmdbEngine } from '../engines/lmdb/lmdb-engine.ts';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import type { InboxId } from '../inbox-id.ts';
import { type TestLink, TestWorld } from '../testing/test-world.ts';
import { decodeClaimResponse, encodeClaimRequest } from '../wire/agents.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-relay-'));
afterAll(() => rm(base, { recursive: true }));
const clock = createSystemClock({ unref: true });

describe('what a relay learns', () => {
  it('holds none of 64 markers that were sent sealed: not on its disk, not in its logs, not in its metrics', async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'debug' }, { write: (line) => void lines.push(line) });
    const meter = createPrometheusMeter();
    await using world = new TestWorld({ clock, logger, meter });
    const directory = join(base, 'markers');
    const engine = await openLmdbEngine({ directory }, world.dependencies);
    world.startRelay('relay', engine);
    const box = createBox(new Uint8Array(32).fill(3), world.dependencies);
    await using bob = await world.connect('bob', ['relay']);
    await bob.links[0]?.up();
    await expect.poll(() => engine.claimOf(bob.client.address)).not.toBeNull();
    await bob[Symbol.asyncDispose]();
    const sealer: Sealer<InboxId> = {
      inboxOf: (contact) => contact,
      addressOf: (contact) => contact,
      seal: (_to, bytes, messageId) => box.seal(concatBytes(messageId, bytes)),
      open(envelope) {
        const opened = box.open(envelope);
        return { from: bob.client.address, messageId: opened.subarray(0, 16), bytes: opened.subarray(16) };
      },
    };
    await using link = world.link('alice', 'relay');
    const identity = world.identity('alice');
    await using alice = await connectRelay(
      { relays: [{ name: 'relay', link }], identity, sealer, inboxState: createMemoryInboxState() },
      world.dependencies,
    );
    const markers = Array.from({ length: 64 }, (_, index) => `marker-${index}-heart-rate-${index * 7}`);
    for (const marker of markers) {
      const { stored } = await alice.send(bob.client.address, new TextEncoder().encode(marker));
      await stored;
    }
    expect((await engine.stats()).messages).toBe(64);
    const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const disk = Buffer.concat(await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name)))));
    const said = lines.join('') + (await meter.text());
    for (const marker of markers) {
      expect(disk.includes(marker)).toBe(false);
      expect(said.includes(marker)).toBe(false);
    }
    for (const secret of [alice.address, bob.client.address, identity.peerId]) expect(said).not.toContain(secret);
  });

  it('is noticed to have lost its store, by the epoch, and goes on with the new one', async () => {
    await using world = new TestWorld({ clock });
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    const inboxState = createMemoryInboxState();
    await using bob = await world.connect('bob', ['relay'], { inboxState });
    await bob.links[0]?.up();
    await expect.poll(async () => (await inboxState.positions()).length).toBe(1);
    const lost = Promise.withResolvers<ContinuityLost>();
    bob.client.onContinuityLost(lost.resolve);
    await world.crashRelay('relay');
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    expect(await lost.promise).toEqual({ relay: 'relay', inbox: bob.client.address });
    const arrived = Promise.withResolvers<void>();
    bob.client.raw.receive(async () => arrived.resolve());
    await bob.client.raw.send([bob.client.address], new Uint8Array(1));
    await arrived.promise;
  });

  it('is named when it keeps back what another relay delivered', async () => {
    const meter = createPrometheusMeter();
    await using world = new TestWorld({ clock, meter });
    world.startRelay('honest', createMemoryEngine({}, world.dependencies));
    const inner = createMemoryEngine({}, world.dependencies);
    // Says that it stored, and delivers nothing.
    const dropping = Object.assign(Object.create(inner) as typeof inner, {
      name: 'memory',
      limits: inner.limits,
      append: inner.append.bind(inner),
      ack: inner.ack.bind(inner),
      claim: inner.claim.bind(inner),
      claimOf: inner.claimOf.bind(inner),
      position: inner.position.bind(inner),
      stats: inner.stats.bind(inner),
      sweep: inner.sweep.bind(inner),
      watch: inner.watch.bind(inner),
      read: async (request: Parameters<typeof inner.read>[0]) => ({
        epoch: (await inner.position(request.inbox))?.epoch ?? null,
        messages: [],
      }),
      [Symbol.asyncDispose]: inner[Symbol.asyncDispose].bind(inner),
    });
    world.startRelay('dropping', dropping);
    const relays = ['honest', 'dropping'];
    await using alice = await world.connect('alice', relays, { limits: { receiptGraceMs: 0 } });
    await using bob = await world.connect('bob', relays);
    await Promise.all([...alice.links, ...bob.links].map((link) => link.up()));
    const arrived = Promise.withResolvers<void>();
    bob.client.raw.receive(async () => arrived.resolve());
    const { stored } = await alice.client.raw.send([bob.client.address], new Uint8Array(1));
    await Promise.all([stored, arrived.promise]);
    const missing = /missing_receipts_total\{relay="(\w+)"\} 1/;
    await expect.poll(async () => missing.exec(await meter.text())?.[1], { timeout: 20_000 }).toBe('dropping');
  });
});

describe('a sealed message', () => {
  it('is given once, whatever id or inbox the relay gives the same envelope', async () => {
    await using world = new TestWorld({ clock });
    const engine = createMemoryEngine({}, world.dependencies);
    world.startRelay('relay', engine);
    await using link = world.link('alice', 'relay');
    const identity = world.identity('alice');
    const sealer: Sealer<InboxId> = {
      inboxOf: (contact) => contact,
      addressOf: (contact) => contact,
      seal: (_to, bytes, messageId) => concatBytes(messageId, bytes),
      open: (envelope) => ({ from: alice.address, messageId: envelope.subarray(0, 16), bytes: envelope.subarray(16) }),
    };
    const inboxState = createMemoryInboxState();
    await using alice = await connectRelay(
      { relays: [{ name: 'relay', link }], identity, sealer, inboxState },
      world.dependencies,
    );
    await link.up();
    const given: number[] = [];
    const last = Promise.withResolvers<void>();
    alice.receive(async ({ bytes }) => {
      given.push(bytes[0] ?? 0);
      if (bytes[0] === 2) last.resolve();
    });
    await (await alice.send(alice.address, Uint8Array.of(1))).stored;
    const envelope = concatBytes(new Uint8Array(16).fill(1), Uint8Array.of(1));
    const replayed = { inbox: alice.address, sender: alice.address, kind: 'message', priority: 'normal' } as const;
    for (const id of [2, 3]) {
      const messageId = new Uint8Array(16).fill(id);
      await engine.append([{ ...replayed, messageId, envelope, ttlMs: 1e9, receiptTo: null }]);
    }
    await alice.send(alice.address, Uint8Array.of(2));
    await last.promise;
    expect(given).toEqual([1, 2]);
  });
});

describe('an agent that floods', () => {
  it('uses up its own allowance and quota, and nobody else’s', async () => {
    await using world = new TestWorld({ clock, limits: { messagesPerSecondMax: 200, messagesBurstMax: 500 } });
    const limits = { senderCountMax: 300 };
    world.startRelay('relay', createMemoryEngine({ limits }, world.dependencies));
    await using mallory = await world.connect('mallory', ['relay']);
    await using alice = await world.connect('alice', ['relay']);
    await using bob = await world.connect('bob', ['relay']);
    await Promise.all([mallory, alice, bob].map(({ links }) => links[0]?.up()));
    const codes = new Set<string>();
    mallory.client.onReceipt(({ kind, code }) => kind === 'refused' && codes.add(code));
    for (let count = 0; count < 2000; count += 1) {
      await mallory.client.raw.send([bob.client.address], new Uint8Array(2000), { receipts: false });
    }
    await expect.poll(() => [...codes]).toEqual(['sender-full']);
    for (let count = 0; count < 20; count += 1) {
      await (await alice.client.raw.send([bob.client.address], new Uint8Array(10))).stored;
    }
    const relay = await world.relay('relay')?.relay.health();
    expect(relay?.mailboxes?.messages).toBeLessThanOrEqual(300 + 20);
  });

  it('keeps nobody waiting by claiming: no more than one request’s worth of its claims is under way', async () => {
    await using world = new TestWorld({ clock });
    const engine = createMemoryEngine({}, world.dependencies);
    world.startRelay('relay', engine);
    await using link = world.link('mallory', 'relay');
    const session = await link.up();
    const claim = engine.claim.bind(engine);
    const away = Promise.withResolvers<void>();
    engine.claim = (claims) => away.promise.then(() => claim(claims));
    const ask = (first: number) => {
      const claims = Array.from({ length: 40 }, (_, index) => ({
        token: new Uint8Array(32).fill(first + index),
        forSeconds: 60,
        takesStreams: false,
      }));
      return session.request('inbox.claim', encodeClaimRequest({ claims, release: [] }));
    };
    const one = ask(0);
    await expect(ask(100)).rejects.toMatchObject({ code: 'too-many' });
    away.resolve();
    expect(decodeClaimResponse(await one)).toHaveLength(40);
    await ask(100);
  });

  it('has its oldest session ended when it opens too many', async () => {
    await using world = new TestWorld({ clock, limits: { sessionsPerAgentMax: 2 } });
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    const links = [world.link('mallory', 'relay'), world.link('mallory', 'relay')];
    const sessions = await Promise.all(links.map((link) => link.up()));
    await world.link('mallory', 'relay').up();
    expect(await Promise.race(sessions.map((session) => session.closed))).toMatchObject({ code: 'replaced' });
  });
});

describe('an agent that was killed and started again', () => {
  /** A stream of Bob's to the agent's first session. */
  async function talk(world: TestWorld) {
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    const [alice, bob] = [await world.connect('alice', ['relay']), await world.connect('bob', ['relay'])];
    const first = alice.links[0] as TestLink; // of the one relay
    await Promise.all([first.up(), bob.links[0]?.up()]);
    alice.client.raw.serve('echo', async (stream) => {
      for (let message = await stream.receive(); message !== null; message = await stream.receive()) {
        await stream.send(message);
      }
    });
    const stream = bob.client.raw.stream(alice.client.address, 'echo');
    await stream.send(Uint8Array.of(7));
    expect(await stream.receive()).toEqual(Uint8Array.of(7));
    return { first, stream, sessions: () => world.relay('relay')?.server.sessions().length };
  }

  it('has its old session ended soon after its new login, and what others had open to it', async () => {
    await using world = new TestWorld({ clock, limits: { leftSessionMs: 50 } });
    const { first, stream, sessions } = await talk(world);
    first.isPartitioned = true;
    first.cut();
    await world.link('alice', 'relay').up();
    await expect(stream.receive()).rejects.toMatchObject({ code: 'session-closed' });
    expect(sessions()).toBe(2);
  });

  it('keeps both sessions where both are there, or the older one comes back in time', async () => {
    await using world = new TestWorld({ clock, limits: { leftSessionMs: 2_000 } });
    const { first, stream, sessions } = await talk(world);
    await world.link('alice', 'relay').up();
    first.cut();
    await stream.send(Uint8Array.of(8));
    expect(await stream.receive()).toEqual(Uint8Array.of(8));
    expect(sessions()).toBe(3);
  });
});

describe('an engine that was away when an agent logged in', () => {
  it('keeps no inbox unread: they are claimed once it is back', async () => {
    await using world = new TestWorld({ clock });
    const engine = createMemoryEngine({}, world.dependencies);
    const claim = engine.claim.bind(engine);
    let failures = 0;
    engine.claim = async (claims) => {
      failures += 1;
      if (failures > 2) return claim(claims);
      throw new Condition('engine-away', 'the engine is away', { retryable: true });
    };
    world.startRelay('relay', engine);
    const [week] = inboxTokensAhead(new Uint8Array(32).fill(4), clock.now(), 1);
    if (week === undefined) throw new Error('no week');
    await using alice = await world.connect('alice', ['relay'], { inboxes: [week], limits: { retryMsMin: 10 } });
    const texts: number[] = [];
    const both = Promise.withResolvers<void>();
    alice.client.raw.receive(async ({ envelope }) => {
      texts.push(envelope[0] ?? 0);
      if (texts.length === 2) both.resolve();
    });
    const { address, raw } = alice.client;
    for (const inbox of [address, week.inbox]) await expect.poll(() => engine.claimOf(inbox)).not.toBeNull();
    for (const inbox of [address, week.inbox]) await (await raw.send([inbox], Uint8Array.of(1))).stored;
    await both.promise;
  });
});

describe('guests', () => {
  it('give way to guests past the limit, and leave agents where they are', async () => {
    const members = new Set<string>();
    await using world = new TestWorld({
      clock,
      limits: { guestSessionsMax: 2 },
      admit: ({ peerId }) => ({ kind: members.has(peerId) ? 'admitted' : 'guest' }),
    });
    members.add(world.identity('alice').peerId);
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    const alice = await world.link('alice', 'relay').up();
    const guests: LinkSession[] = [];
    for (const name of ['one', 'two', 'three']) guests.push(await world.link(name, 'relay').up());
    expect(await guests[0]?.closed).toMatchObject({ code: 'too-many-guests' });
    expect([alice, ...guests].map(({ status }) => status.state)).toEqual(['up', 'closed', 'up', 'up']);
    await expect(guests[1]?.request('peer.open', new Uint8Array(0))).rejects.toMatchObject({ code: 'unknown-method' });
  });
});
