import { createSeededRandom, type Meter, type Random, silentLogger, silentMeter, sleep } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { toHex } from '@pulsemesh/wire';
import { expect, test } from 'vitest';
import type { LinkSession, LinkStream } from '../session.ts';
import { createTestLinkIdentity } from '../testing/linked-pair.ts';
import { createMemoryCarrierPair, type MemoryCarrierPair, type MemoryDirection } from '../testing/memory-carriers.ts';
import { decodePacket, encodeRefusalPacket } from '../wire/packet.ts';
import { createClientSession, createSessionServer, sessionConstants, sessionLimits } from './index.ts';
import type { SessionCore } from './session-core.ts';

const seed = Number(process.env['SEED'] ?? 7);
const messagesEachWay = Number(process.env['MESSAGES'] ?? 50_000);
const streamCount = 4;

/** A message says which it is: stream, number, and a length that follows from both. */
function messageOf(stream: number, number: number): Uint8Array {
  const large = number % 997 === 0 ? 40_000 : 0;
  const message = new Uint8Array(8 + ((number * 37) % 1500) + large);
  const view = new DataView(message.buffer);
  view.setUint32(0, stream);
  view.setUint32(4, number);
  message.fill(number & 0xff, 8);
  return message;
}

/** Checks that messages are exactly 0, 1, 2 … of one stream. */
class Ledger {
  next = 0;
  readonly #stream: number;
  constructor(stream: number) {
    this.#stream = stream;
  }
  take(message: Uint8Array): void {
    const expected = messageOf(this.#stream, this.next);
    if (message.length !== expected.length || toHex(message.subarray(0, 12)) !== toHex(expected.subarray(0, 12))) {
      const got = new DataView(message.buffer, message.byteOffset).getUint32(4);
      throw new Error(`stream ${this.#stream}: expected ${this.next}, got ${got} (seed ${seed})`);
    }
    this.next += 1;
  }
}

/** Somebody who holds the box in the middle: keeps packets, alters them, puts in others. */
class Attacker {
  readonly #random: Random;
  readonly #recorded: Record<MemoryDirection, Uint8Array[]> = { 'to-server': [], 'to-agent': [] };
  session: Uint8Array | null = null;
  acts = 0;
  constructor(random: Random) {
    this.#random = random;
  }

  record(packet: Uint8Array, direction: MemoryDirection): void {
    const kept = this.#recorded[direction];
    if (kept.length < 200) kept.push(packet.slice());
    else kept[this.#random.integer(200)] = packet.slice();
    const decoded = decodePacket(packet);
    if (decoded.kind === 'sealed') this.session = decoded.session.slice();
  }

  alter(packet: Uint8Array): Uint8Array | null {
    this.acts += 1;
    const altered = packet.slice();
    const choice = this.#random.integer(3);
    if (choice === 0) return altered.subarray(0, this.#random.integer(packet.length));
    if (choice === 1) return null;
    const at = this.#random.integer(packet.length);
    altered[at] = (altered[at] as number) ^ (1 << this.#random.integer(8));
    return altered;
  }

  act(pair: MemoryCarrierPair): void {
    this.acts += 1;
    const direction = this.#random.float() < 0.5 ? 'to-server' : 'to-agent';
    const choice = this.#random.integer(3);
    const kept = this.#recorded[direction];
    if (choice === 0 && kept.length > 0)
      pair.inject(direction, (kept[this.#random.integer(kept.length)] as Uint8Array).slice());
    else if (choice === 1 && this.session !== null) {
      pair.inject('to-agent', encodeRefusalPacket('unknown-session', 'go away', this.session));
    } else pair.inject(direction, this.#random.bytes(1 + this.#random.integer(200)));
  }
}

/** Counts what the session counts, by name and reason. */
function countingMeter(): { readonly meter: Meter; readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const counter = (name: string) => ({
    add(amount = 1, labels: Readonly<Record<string, string>> = {}) {
      const key = [name, ...Object.values(labels)].join(' ');
      counts.set(key, (counts.get(key) ?? 0) + amount);
    },
  });
  return { counts, meter: { ...silentMeter, counter } };
}

interface World {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly attacker: Attacker;
  readonly agent: ReturnType<typeof createClientSession>;
  readonly counts: Map<string, number>;
  addCarriers(): MemoryCarrierPair;
}

function createWorld(): World & { readonly sessions: LinkSession[] } {
  const clock = new VirtualClock();
  const random = createSeededRandom(seed);
  const defer = (action: () => void) => void clock.setTimer(action, 0);
  const { meter, counts } = countingMeter();
  const dependencies = { clock, random, logger: silentLogger, meter, defer };
  const identity = createTestLinkIdentity(random);
  const server = createSessionServer({ identity, certificateSha256: () => null }, dependencies);
  const sessions: LinkSession[] = [];
  server.onSession((session) => sessions.push(session));
  const attacker = new Attacker(random);
  const agentIdentity = createTestLinkIdentity(random);
  const agent = createClientSession(
    { identity: agentIdentity, server: identity.peerId, software: 'sim' },
    dependencies,
  );
  const addCarriers = () => {
    const isAttacked = random.float() < 0.4;
    const pair = createMemoryCarrierPair({
      clock,
      random,
      delayMs: random.integer(20),
      jitterMs: random.integer(10),
      loss: random.float() < 0.3 ? 0.02 : 0,
      duplicates: random.float() < 0.3 ? 0.1 : 0,
      isPoll: random.float() < 0.4,
      highWaterBytes: 128 * 1024,
      tamper(packet, direction) {
        attacker.record(packet, direction);
        return isAttacked && random.float() < 0.02 ? attacker.alter(packet) : packet;
      },
    });
    server.accept(pair.server);
    return pair;
  };
  return { clock, random, attacker, agent, counts, addCarriers, sessions };
}

/** Moves to a new carrier every 100 ms and breaks old ones in every way there is, until told to stop. */
async function disturb(world: World, pairs: MemoryCarrierPair[], isDone: () => boolean): Promise<void> {
  const { agent, clock, random, attacker } = world;
  while (!isDone()) {
    await sleep(clock, 100);
    const pair = world.addCarriers();
    pairs.push(pair);
    void agent.attach(pair.agent).then(
      () => agent.use(pair.agent),
      () => {},
    );
    for (const old of pairs.splice(0, Math.max(0, pairs.length - 3))) {
      const way = random.integer(4);
      if (way === 0) old.cut();
      else if (way === 1) old.agent.close(null);
      else if (way === 2) old.server.close(null);
      else {
        old.blackhole();
        clock.setTimer(() => old.cut(), 150);
      }
    }
    const victim = pairs[random.integer(pairs.length)];
    if (victim === undefined) continue;
    const way = random.integer(6);
    if (way === 0) victim.cut();
    else if (way === 1) victim.limitBytes(32 * 1024);
    else if (way > 3) for (let count = 0; count < 4; count += 1) attacker.act(victim);
  }
}

/** Writes the messages of one direction of a stream, a few at a time, within what room there is. */
async function produce(clock: VirtualClock, stream: LinkStream, index: number, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    await stream.send(messageOf(index, number));
    if (number % 10 === 9) await sleep(clock, 5);
  }
  stream.end();
}

test(`100,000 messages two ways over carriers that fail in every way lose, double and reorder nothing (seed ${seed})`, async () => {
  const world = createWorld();
  const { agent, clock } = world;
  const count = messagesEachWay / streamCount;
  const ledgers: Ledger[] = [];
  const waits: Promise<void>[] = [];
  const read = async (stream: LinkStream, ledger: Ledger) => {
    ledgers.push(ledger);
    for (;;) {
      const message = await stream.receive();
      if (message === null) return;
      ledger.take(message);
    }
  };
  let finished = 0;
  let failure: unknown = null;
  const watch = (work: Promise<void>) => {
    waits.push(
      work.then(
        () => {
          finished += 1;
        },
        (error: unknown) => {
          failure ??= error;
        },
      ),
    );
  };
  const pairs = [world.addCarriers()];
  const first = pairs[0] as MemoryCarrierPair;
  void agent.attach(first.agent).catch(() => {});
  let serverSession: LinkSession | undefined;
  for (let waited = 0; serverSession === undefined && waited < 50; waited += 1) {
    await clock.advance(100);
    serverSession = world.sessions[0];
    if (serverSession === undefined) void agent.attach(world.addCarriers().agent).catch(() => {});
  }
  if (serverSession === undefined) throw new Error('no session');
  for (let index = 0; index < streamCount; index += 1) {
    serverSession.serve(`s${index}`, (stream) => {
      watch(read(stream, new Ledger(index)));
      watch(produce(clock, stream, 100 + index, count));
    });
    const stream = agent.open(`s${index}`);
    watch(produce(clock, stream, index, count));
    watch(read(stream, new Ledger(100 + index)));
  }
  const isDone = () => finished === streamCount * 4 || failure !== null;
  const disturbing = disturb(world, pairs, isDone);
  let unackedMax = 0;
  let earlyMax = 0;
  for (let elapsed = 0; !isDone() && elapsed < 600_000; elapsed += 50) {
    await clock.advance(50);
    for (const session of [agent, serverSession]) {
      const held = (session as unknown as SessionCore).diagnostics();
      unackedMax = Math.max(unackedMax, held.unackedBytes);
      earlyMax = Math.max(earlyMax, held.earlyBytes);
    }
  }
  await clock.advance(200);
  await disturbing;
  expect(failure, `seed ${seed}`).toBeNull();
  expect(finished, `seed ${seed}`).toBe(streamCount * 4);
  expect(ledgers.map((ledger) => ledger.next)).toEqual(ledgers.map(() => count));
  expect(agent.status.migrations).toBeGreaterThan(10);
  // All of it happened: what was lost went again, and what the attacker sent had no effect.
  for (const name of [
    'items_sent_again_total',
    'packets_dropped_total replayed',
    'packets_dropped_total does-not-open',
  ]) {
    expect(world.counts.get(`link_${name}`) ?? 0, name).toBeGreaterThan(0);
  }
  if (process.env['SHOW'] !== undefined)
    process.stderr.write(
      `${JSON.stringify([...world.counts, agent.status.migrations, unackedMax, earlyMax, clock.monotonicMs()])}\n`,
    );
  // One message may be past the limit, and what is sent in answer.
  expect(unackedMax).toBeLessThanOrEqual(sessionLimits.unackedBytesMax + sessionConstants.controlBytesMax);
  expect(earlyMax).toBeLessThanOrEqual(sessionLimits.earlyBytesMax);
  await Promise.all([agent[Symbol.asyncDispose](), clock.advance(5_000)]);
});

test(`servers that restart lose sessions aloud: what arrived is a beginning of what was sent, and the loss is reported (seed ${seed})`, async () => {
  const clock = new VirtualClock();
  const random = createSeededRandom(seed);
  const defer = (action: () => void) => void clock.setTimer(action, 0);
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter, defer };
  const identity = createTestLinkIdentity(random);
  const agentIdentity = createTestLinkIdentity(random);
  const received: number[][] = [];
  const startServer = () => {
    const server = createSessionServer({ identity, certificateSha256: () => null }, dependencies);
    server.onSession((session) => {
      session.serve('numbers', (stream) => {
        const ledger: number[] = [];
        received.push(ledger);
        stream.consume(
          (message) =>
            void (message !== null && ledger.push(new DataView(message.buffer, message.byteOffset).getUint32(0))),
          () => {},
        );
      });
    });
    return server;
  };
  let server = startServer();
  const losses: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    const agent = createClientSession(
      { identity: agentIdentity, server: identity.peerId, software: 'sim' },
      dependencies,
    );
    const pairs: MemoryCarrierPair[] = [];
    const connect = () => {
      const pair = createMemoryCarrierPair({ clock, random, delayMs: random.integer(10) });
      pairs.push(pair);
      server.accept(pair.server);
      agent.attach(pair.agent).catch(() => {});
    };
    connect();
    const stream = agent.open('numbers');
    const broken = new Promise<string>((resolve) =>
      stream.consume(
        () => {},
        ({ code }) => resolve(code),
      ),
    );
    const atMs = 50 + random.integer(300);
    for (let number = 0; number * 5 < atMs; number += 1) {
      const message = new Uint8Array(4 + random.integer(2_000));
      new DataView(message.buffer).setUint32(0, number);
      stream.write(message);
      await clock.advance(5);
    }
    // The process dies: connections break, and a new one knows nothing.
    for (const pair of pairs.splice(0)) pair.cut();
    server = startServer();
    connect();
    await clock.advance(3_000);
    const reason = await agent.closed;
    losses.push(`${reason?.code} ${reason?.retryable} ${await broken}`);
  }
  expect(losses).toEqual(losses.map(() => 'session-lost true session-closed'));
  expect(received).toHaveLength(20);
  for (const ledger of received) expect(ledger).toEqual(ledger.map((_, index) => index));
  expect(received.some((ledger) => ledger.length > 5)).toBe(true);
});
