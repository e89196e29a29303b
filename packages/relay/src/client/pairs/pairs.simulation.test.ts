import { createSeededRandom, type Random, sleep } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { createTableEngine } from '../../engines/lmdb/table-engine.ts';
import { addressOfKey } from '../../inbox-id.ts';
import { CrashStore, createDisk } from '../../testing/crash-store.ts';
import { createTableInboxState, createTableOutbox, createTablePairs } from '../index.ts';
import { SealedWorld, type SealingAgent } from './sealed-world.ts';

// Agents who write in pair sessions. They and their relays crash between any two steps, carriers are cut, delayed and lossy, and Bob
// comes back without his sessions now and then. What a send acknowledged arrives once, in the sender's order. More seeds:
// RELAY_SEEDS=200; one of them: RELAY_SEED=17.

const seedsDefault = 6;
const stepCount = 60;
const names = ['alice', 'bob', 'carol'];
/** Sessions begin, grow old and are left all the time. */
const pairLimits = { offerAgainMs: 1_000, writeMsMax: 60_000, renewMs: 5_000, saveEveryMs: 500, saveEveryCount: 5 };

class Actor {
  readonly disk: TableStore = createDisk();
  readonly acknowledged: string[] = [];
  agent: (SealingAgent<readonly TableChange[]> & { readonly links: ReturnType<SealedWorld['link']>[] }) | null = null;
  store: CrashStore | null = null;
  next = 0;
  received = 0;

  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get log(): string[] {
    return [...this.disk.range('log')].map(({ value }) => new TextDecoder().decode(value));
  }
}

class Simulation {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly world: SealedWorld;
  readonly actors = names.map((name) => new Actor(name));
  readonly relayDisks = new Map<string, TableStore>();
  readonly relayNames: readonly string[];
  /** What went through relays, by how it is sealed. */
  readonly frames = { envelope: 0, session: 0 };

  constructor(seed: number) {
    this.random = createSeededRandom(seed);
    this.relayNames = seed % 2 === 0 ? ['one', 'two'] : ['one'];
    const carrier = { delayMs: 2, jitterMs: 10, loss: 0.02, duplicates: 0.02 };
    this.world = new SealedWorld({ clock: this.clock, seed: seed + 1, carrier });
  }

  startRelay(name: string): void {
    if (this.world.relay(name) !== undefined) return;
    const disk = this.relayDisks.get(name) ?? createDisk();
    this.relayDisks.set(name, disk);
    const store = new CrashStore(disk, this.clock, this.random);
    const engine = createTableEngine('memory', {}, { clock: this.clock, random: this.random, store });
    const append = engine.append.bind(engine);
    engine.append = (batch) => {
      for (const { kind, envelope } of batch) {
        if (kind === 'message') this.frames[envelope[0] === 2 ? 'session' : 'envelope'] += 1;
      }
      return append(batch);
    };
    this.world.startRelay(name, engine);
  }

  async startActor(actor: Actor): Promise<void> {
    if (actor.agent !== null) return;
    const store = new CrashStore(actor.disk, this.clock, this.random);
    const box = createBox(new Uint8Array(32).fill(7), this.world.dependencies);
    actor.store = store;
    actor.agent = await this.world.join<readonly TableChange[]>(actor.name, this.relayNames, {
      outbox: createTableOutbox(store),
      inboxState: createTableInboxState(store, { clock: this.clock }),
      pairs: createTablePairs(store, { box }),
      pairLimits,
    });
    actor.agent.client.receive(async ({ bytes, from }, mark) => {
      // Now and then the effect takes a while, fails at first, or answers: what is sealed meanwhile must not spoil it.
      const choice = this.random.integer(10);
      if (choice === 0) await sleep(this.clock, this.random.integer(100));
      if (choice === 1) throw new Error('not now');
      if (choice === 2)
        void this.sendTo(
          actor,
          this.actors.find(({ name }) => this.world.contact(name) === from),
        );
      const key = new Uint8Array(16);
      const view = new DataView(key.buffer);
      // By time, so that a commit of a process that is gone, and lands late, takes nobody's place.
      view.setFloat64(0, this.clock.monotonicMs());
      view.setFloat64(8, actor.received);
      actor.received += 1;
      await store.commit([...mark, { kind: 'put', table: 'log', key, value: bytes }]);
      return 'marked';
    });
  }

  async crashActor(actor: Actor): Promise<void> {
    const { agent, store } = actor;
    if (agent === null) return;
    actor.agent = null;
    store?.crash();
    for (const link of agent.links) link.lose();
    // A store that crashed never answers: what the client would still write is not waited for.
    void agent.client[Symbol.asyncDispose]();
    for (const link of agent.links) await link[Symbol.asyncDispose]();
    // What was being written is on the disk, or not, before the next process begins.
    await sleep(this.clock, 100);
  }

  /** As with a store that was put back without them. */
  async forgetSessions(actor: Actor): Promise<void> {
    await this.crashActor(actor);
    for (const table of ['pair-session', 'pair-kept', 'pair-lost']) {
      const changes = [...actor.disk.range(table)].map(({ key }) => ({ kind: 'remove', table, key }) as const);
      await actor.disk.commit(changes);
    }
  }

  send(actor: Actor): Promise<void> {
    return this.sendTo(actor, this.actors[this.random.integer(this.actors.length)]);
  }

  async sendTo(actor: Actor, to: Actor | undefined): Promise<void> {
    if (actor.agent === null || to === undefined || to === actor) return;
    const text = `${actor.name}>${to.name}:${String(actor.next).padStart(5, '0')}`;
    actor.next += 1;
    try {
      await actor.agent.client.send(this.world.contact(to.name), new TextEncoder().encode(text));
      actor.acknowledged.push(text);
    } catch {
      // Not acknowledged: it may arrive or not.
    }
  }

  async everybodyKnown(): Promise<void> {
    for (const relay of this.relayNames) {
      const engine = this.world.relay(relay)?.engine;
      for (const { name } of this.actors) {
        const address = addressOfKey(this.world.identity(name).publicKey);
        while ((await engine?.claimOf(address)) === null) await sleep(this.clock, 50);
      }
    }
  }

  async step(): Promise<void> {
    const actor = this.actors[this.random.integer(this.actors.length)] as Actor;
    const relay = this.relayNames[this.random.integer(this.relayNames.length)] as string;
    const choice = this.random.integer(26);
    if (choice < 15) for (let count = 1 + this.random.integer(5); count > 0; count -= 1) void this.send(actor);
    else if (choice < 17) actor.agent?.links[0]?.cut();
    else if (choice < 18) actor.agent?.links[0]?.lose();
    else if (choice < 20) this.partition(actor);
    else if (choice < 22) await this.world.crashRelay(relay);
    else if (choice < 23) await this.crashActor(actor);
    else if (choice < 24) await this.forgetSessions(this.actors[1] as Actor);
    else this.startRelay(relay);
    if (this.random.integer(3) === 0) await this.startActor(actor);
    await sleep(this.clock, this.random.integer(400));
  }

  partition(actor: Actor): void {
    const link = actor.agent?.links[this.random.integer(this.relayNames.length)];
    if (link === undefined) return;
    link.isPartitioned = !link.isPartitioned;
    link.cut();
  }

  async heal(): Promise<void> {
    for (const name of this.relayNames) this.startRelay(name);
    for (const actor of this.actors) {
      await this.startActor(actor);
      for (const link of actor.agent?.links ?? []) link.isPartitioned = false;
    }
    const all = () => this.actors.flatMap(({ acknowledged }) => acknowledged);
    for (let second = 0; second < 300; second += 1) {
      await sleep(this.clock, 1000);
      const seen = new Set(this.actors.flatMap(({ log }) => log));
      const isQuiet = this.actors.every(({ agent }) => agent?.client.outboxCount === 0);
      if (isQuiet && all().every((text) => seen.has(text))) break;
    }
    // What is still under way shows itself now.
    await sleep(this.clock, 5000);
  }

  check(): void {
    const acknowledged = this.actors.flatMap((actor) => actor.acknowledged).sort();
    for (const actor of this.actors) {
      const { log } = actor;
      expect(new Set(log).size, `${actor.name} was given something twice`).toBe(log.length);
      for (const sender of names) {
        const from = log.filter((text) => text.startsWith(`${sender}>`));
        expect(from, `${actor.name} was given what ${sender} sent out of order`).toEqual([...from].sort());
      }
    }
    const seen = new Set(this.actors.flatMap(({ log }) => log));
    expect(acknowledged.filter((text) => !seen.has(text))).toEqual([]);
  }
}

async function run(seed: number): Promise<Simulation['frames']> {
  const simulation = new Simulation(seed);
  let isDone = false;
  const scenario = (async () => {
    for (const name of simulation.relayNames) simulation.startRelay(name);
    for (const actor of simulation.actors) await simulation.startActor(actor);
    await simulation.everybodyKnown();
    for (let step = 0; step < stepCount; step += 1) await simulation.step();
    await simulation.heal();
    simulation.check();
  })().finally(() => {
    isDone = true;
  });
  scenario.catch(() => {});
  while (!isDone) await simulation.clock.advance(50);
  await scenario;
  const closing = simulation.world[Symbol.asyncDispose]();
  let isClosed = false;
  void closing.finally(() => {
    isClosed = true;
  });
  while (!isClosed) await simulation.clock.advance(50);
  return simulation.frames;
}

const only = process.env['RELAY_SEED'];
const seeds =
  only === undefined
    ? Array.from({ length: Number(process.env['RELAY_SEEDS'] ?? seedsDefault) }, (_, index) => index + 1)
    : [Number(only)];

describe('pair sessions between crashes, cuts and agents that forget', () => {
  const total = { envelope: 0, session: 0 };
  it.each(seeds)('lose nothing acknowledged, double nothing, keep each sender’s order: seed %d', async (seed) => {
    const { envelope, session } = await run(seed);
    total.envelope += envelope;
    total.session += session;
  });

  it('are what much of it went in', () => {
    expect(total.session).toBeGreaterThan(total.envelope / 4);
  });
});
