import { createSeededRandom, type Random } from '@pulsemesh/base';
import { numberOf, payloadOf, topicNameOf, victims, type WorkloadPlan } from '@pulsemesh/simulation';
import { Attackers } from './attackers.ts';
import { Counting } from './counting.ts';
import { randomGraph } from './graph.ts';
import { type Host, startHost } from './host.ts';
import { inTurns } from './in-turns.ts';
import type { Figures, Outcome, Phase, Setting } from './setting.ts';
import { Tally } from './tally.ts';

/** How long after the last publication of a phase deliveries are waited for. */
const drainMs = 15_000;

/** So long after the run-in nothing is measured: what messages leave behind, such as asking around because they ended, goes on for seconds. */
const afterRunInMs = 20_000;

/** A whole network in this process: hosts, who reads what, and what they are given. */
export class Network {
  readonly #setting: Setting;
  readonly #plan: WorkloadPlan;
  readonly #random: Random;
  readonly #counting = new Counting();
  readonly #hosts: Host[] = [];
  #attackers: Attackers | null = null;
  #tally: Tally;
  #published = 0;
  #memoryBefore = 0;
  #attackAtMs = Number.POSITIVE_INFINITY;

  constructor(setting: Setting, plan: WorkloadPlan) {
    this.#setting = setting;
    this.#plan = plan;
    this.#random = createSeededRandom(setting.seed);
    this.#tally = new Tally(setting.nodes);
  }

  async play(): Promise<Outcome> {
    const { nodes, degree, linksMax, warmUpSeconds, settleSecondsMax = 0, runIn } = this.#setting;
    const { idleSeconds, phases, attack } = this.#setting;
    this.#memoryBefore = memoryBytes();
    await inTurns(nodes, async (index) => {
      this.#hosts[index] = await this.#start(`node-${index}`);
    });
    const pairs = randomGraph(nodes, degree, linksMax, this.#random);
    await inTurns(pairs.length, (index) => this.#connect(pairs[index] as [number, number])); // below the length
    this.#hosts.forEach((host, node) => {
      this.#listen(host, node);
    });
    // Attackers are there from the beginning, so that a network which takes in newcomers with care is attacked all the same.
    if (attack !== undefined) await this.#summon();
    await sleep(1_000 * warmUpSeconds);
    await settle(settleSecondsMax);
    if (runIn !== undefined) {
      await this.#phase(runIn, 0);
      await sleep(afterRunInMs);
      await settle(settleSecondsMax);
    }
    const idle = await this.#idle(idleSeconds);
    const outcome: Record<string, Figures> = { network: { ...this.#shape(), ...idle } };
    this.#attackAtMs = performance.now();
    if (attack?.kind === 'flash') this.#attackers?.turn();
    for (const phase of phases) {
      outcome[phase.name] = { ...(await this.#phase(phase, idle['idle CPU per node'] ?? 0)), ...this.#attacked() };
    }
    return outcome;
  }

  async stop(): Promise<void> {
    await this.#attackers?.stop();
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }

  #start(name: string): Promise<Host> {
    const { protocol, transport, linksMax, attack, topics } = this.#setting;
    const isBound = attack === undefined && topics > 1;
    const keySeed = this.#random.bytes(32);
    return startHost({ protocol, transport, name, keySeed, linksMax, isBound }, this.#counting);
  }

  async #connect([one, other]: [number, number]): Promise<void> {
    await this.#hosts[one]?.dial(this.#hosts[other]?.getMultiaddrs() ?? []).catch(() => {}); // full is an answer, too
  }

  #listen(host: Host, node: number): void {
    host.services.pubsub.addEventListener('message', ({ detail }) => {
      const number = numberOf(detail.data);
      if (number !== undefined) this.#tally.got(number, node, performance.now());
    });
    for (const topic of this.#plan.topicsOf[node] ?? []) host.services.pubsub.subscribe(topicNameOf(topic));
  }

  async #idle(seconds: number): Promise<Figures> {
    const { nodes } = this.#setting;
    const [cpuBefore, bytesBefore] = [cpuSeconds(), this.#counting.pubsubBytes];
    await sleep(1_000 * seconds);
    return {
      'idle CPU per node': (cpuSeconds() - cpuBefore) / seconds / nodes,
      'idle pubsub bytes per node': (this.#counting.pubsubBytes - bytesBefore) / seconds / nodes,
    };
  }

  #shape(): Figures {
    const links = this.#hosts.map((host) => host.getConnections().length);
    return {
      'memory per node': (memoryBytes() - this.#memoryBefore) / this.#setting.nodes / 2 ** 20,
      'links per node': links.reduce((sum, count) => sum + count, 0) / links.length,
      'links of one node at most': Math.max(...links),
    };
  }

  async #phase(phase: Phase, idleCpuPerNode: number): Promise<Figures> {
    const { nodes } = this.#setting;
    const tally = new Tally(nodes);
    this.#tally = tally;
    const counting = this.#counting;
    const before = { copies: counting.copies, pubsub: counting.pubsubBytes, sockets: counting.socketBytes };
    const [startedMs, cpuBefore] = [performance.now(), cpuSeconds()];
    await this.#publishAll(phase, tally, startedMs);
    await this.#drain(tally);
    const seconds = (performance.now() - startedMs) / 1_000;
    const cpu = cpuSeconds() - cpuBefore - idleCpuPerNode * nodes * seconds;
    const delivered = Math.max(1, tally.delivered);
    const useful = delivered * phase.payloadBytes;
    const socketBytes = (counting.socketBytes - before.sockets) / useful;
    return {
      'delivery ratio': tally.ratio,
      ...{ p50: tally.at(0.5), p95: tally.at(0.95), p99: tally.at(0.99) },
      'copies per delivery': (counting.copies - before.copies) / delivered,
      'pubsub bytes per useful byte': (counting.pubsubBytes - before.pubsub) / useful,
      ...(socketBytes > 0 ? { 'socket bytes per useful byte': socketBytes } : {}),
      'CPU per 1,000 deliveries': (1_000 * Math.max(0, cpu)) / delivered,
      'deliveries per second': delivered / ((tally.lastAtMs - startedMs) / 1_000),
    };
  }

  async #publishAll(phase: Phase, tally: Tally, startedMs: number): Promise<void> {
    const { publications, readersOf } = this.#plan;
    for (let count = 0; count < phase.messages; count += 1) {
      const dueMs = phase.messagesPerSecond === undefined ? 0 : startedMs + (1_000 * count) / phase.messagesPerSecond;
      if (dueMs > performance.now()) await sleep(dueMs - performance.now());
      const number = this.#published;
      const { node, topic } = publications[number % publications.length] as (typeof publications)[number]; // below it
      this.#published += 1;
      const readers = (readersOf[topic] ?? []).length - 1;
      tally.sent(number, node, readers, performance.now());
      // A message that finds nobody is a message lost: the tally knows it.
      await this.#hosts[node]?.services.pubsub
        .publish(topicNameOf(topic), payloadOf(number, phase.payloadBytes))
        .catch(() => {});
    }
  }

  async #drain(tally: Tally): Promise<void> {
    const untilMs = performance.now() + drainMs;
    while (tally.delivered < tally.expected && performance.now() < untilMs) await sleep(50);
    await sleep(500); // copies that are on their way
  }

  /** Attackers come, and take part in the topic. */
  async #summon(): Promise<void> {
    const { attack } = this.#setting;
    if (attack === undefined) return;
    const near =
      attack.kind === 'eclipse' ? this.#hosts.slice(victims.eclipsed(), victims.eclipsed() + 1) : this.#hosts;
    const targets = near.map((host) => host.getMultiaddrs().map(String));
    this.#attackers = await Attackers.begin({ setting: this.#setting, targets });
  }

  #attacked(): Figures {
    switch (this.#setting.attack?.kind) {
      case undefined:
        return {};
      case 'eclipse':
        return { 'victim served': this.#tally.servedOf(victims.eclipsed(), this.#attackAtMs) };
      case 'censor':
        return { 'victim heard': this.#tally.heardOf(victims.censored(this.#plan), this.#attackAtMs) };
      default:
        return { 'attacked deliveries': this.#tally.heardOf(undefined, this.#attackAtMs) };
    }
  }
}

/** Waits until the process has little to do, a fifth of a core, `secondsMax` at most. */
async function settle(secondsMax: number): Promise<void> {
  for (let seconds = 0; seconds < secondsMax; seconds += 2) {
    const before = cpuSeconds();
    await sleep(2_000);
    if ((cpuSeconds() - before) / 2 <= 0.2) return;
  }
}

function memoryBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
