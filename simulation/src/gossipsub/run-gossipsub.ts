import { type Clock, createSeededRandom, type Random, sleep } from '@pulsemesh/base';
import { DeliveryBook, type DeliveryPromise } from '../checkers/delivery-book.ts';
import { attackFigures, type WorkloadResult, workloadFigures } from '../workload/result.ts';
import {
  numberOf,
  payloadOf,
  planWorkload,
  topicNameOf,
  type Workload,
  type WorkloadPlan,
} from '../workload/workload.ts';
import { type GossipsubHost, type GossipsubVariant, startGossipsubHost } from './host.ts';
import { MetricSums } from './metrics.ts';
import { attackAt, connectSybils, type GossipsubAttack, joinAsSybil } from './sybils.ts';

export interface GossipsubOptions {
  readonly seed: number;
  readonly variant: GossipsubVariant;
  readonly promise: DeliveryPromise;
}

/** Hosts started, and dials made, side by side. */
const atOnceMax = 16;
/** The run looks up from waiting at least so often. */
const lookUpMs = 500;

/** Each run has addresses of its own: the in-memory transport is one for the whole process. */
let runs = 0;

/** What a run over gossipsub needs from outside. */
export interface GossipsubDependencies {
  readonly clock: Clock;
  readonly onProgress?: (virtualMs: number, untilMs: number) => void;
}

/**
 * Plays a workload over `@libp2p/gossipsub` on the in-memory transport. Gossipsub reads the machine's clock, so this
 * takes as long as the workload says, and only the plan repeats with the seed, not the run.
 */
export async function runGossipsub(
  workload: Workload,
  options: GossipsubOptions,
  dependencies: GossipsubDependencies,
): Promise<WorkloadResult> {
  await using run = new GossipsubRun(workload, options, dependencies);
  return await run.play();
}

class GossipsubRun {
  readonly #workload: Workload;
  readonly #options: GossipsubOptions;
  readonly #dependencies: GossipsubDependencies;
  readonly #random: Random;
  readonly #plan: WorkloadPlan;
  readonly #book: DeliveryBook;
  readonly #metrics = new MetricSums();
  readonly #hosts: GossipsubHost[] = [];
  readonly #number: number;
  #honest: readonly GossipsubHost[] = [];
  #attack: GossipsubAttack | undefined;
  #sybils: Promise<unknown> | undefined;
  #startedMs = 0;

  constructor(workload: Workload, options: GossipsubOptions, dependencies: GossipsubDependencies) {
    this.#workload = workload;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#random = createSeededRandom(options.seed);
    this.#plan = planWorkload(workload, this.#random);
    this.#book = new DeliveryBook(options.promise, workload.nodes, this.#plan.readersOf);
    runs += 1;
    this.#number = runs;
  }

  async play(): Promise<WorkloadResult> {
    const { nodes, linksMax, coolDownSeconds, payloadBytes } = this.#workload;
    this.#honest = await inTurns(nodes, (index) => this.#start(`node-${index}`));
    this.#startedMs = this.#dependencies.clock.monotonicMs();
    for (const [node, host] of this.#honest.entries()) this.#listen(node, host);
    await connectAtRandom(this.#honest, linksMax, this.#random);
    this.#attack = attackAt(this.#workload, this.#honest, this.#plan);
    await this.#waitUntil(this.#plan.publications[0]?.atMs ?? 0);
    const usage = process.cpuUsage();
    for (const [number, { atMs, node, topic }] of this.#plan.publications.entries()) {
      await this.#waitUntil(atMs);
      this.#book.published(number, topic, node, this.#nowMs);
      const { pubsub } = (this.#honest[node] as GossipsubHost).services; // the plan's nodes are ours
      // A message that finds nobody is a message lost: the book knows it.
      await pubsub.publish(topicNameOf(topic), payloadOf(number, payloadBytes)).catch(() => {});
    }
    await this.#waitUntil(this.#nowMs + 1_000 * coolDownSeconds);
    const used = process.cpuUsage(usage);
    await this.#sybils;
    return this.#result((used.user + used.system) / 1e6);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map(async (host) => host.stop()));
  }

  get #nowMs(): number {
    return this.#dependencies.clock.monotonicMs() - this.#startedMs;
  }

  /** Waits, and lets the sybils come when it is time. */
  async #waitUntil(atMs: number): Promise<void> {
    for (;;) {
      const sybilsAtMs = 1_000 * (this.#attack?.sybilsAtSeconds ?? Number.POSITIVE_INFINITY);
      if (this.#nowMs >= sybilsAtMs) this.#sybils ??= this.#summon();
      const leftMs = Math.min(atMs, this.#sybils === undefined ? sybilsAtMs : Number.POSITIVE_INFINITY) - this.#nowMs;
      if (this.#nowMs >= atMs) return;
      await sleep(this.#dependencies.clock, Math.min(lookUpMs, Math.max(1, leftMs)));
      this.#dependencies.onProgress?.(this.#nowMs, this.#plan.untilMs);
    }
  }

  #summon(): Promise<unknown> {
    const attack = this.#attack;
    return inTurns(attack === undefined ? 0 : (this.#workload.attack?.sybils ?? 0), async (index) => {
      if (attack === undefined) return;
      const host = await this.#start(`sybil-${index}`, new MetricSums()); // what sybils receive is not counted
      joinAsSybil(host, attack, this.#workload, () => this.#nowMs);
      await connectSybils(host, attack, this.#honest, this.#random);
    });
  }

  async #start(name: string, metrics = this.#metrics): Promise<GossipsubHost> {
    const address = `/memory/simulation-${this.#number}-${name}`;
    const options = { address, variant: this.#options.variant, metrics };
    const host = await startGossipsubHost(options, { random: this.#random });
    this.#hosts.push(host);
    return host;
  }

  #listen(node: number, host: GossipsubHost): void {
    this.#book.cameUp(node, 0);
    host.services.pubsub.addEventListener('message', ({ detail }) => {
      this.#book.delivered(node, numberOf(detail.data), this.#nowMs, 0);
    });
    for (const topic of this.#plan.topicsOf[node] ?? []) host.services.pubsub.subscribe(topicNameOf(topic));
  }

  #result(cpuSeconds: number): WorkloadResult {
    const delivery = this.#book.close(this.#nowMs);
    const figures = workloadFigures(this.#book, delivery, {
      copies: this.#metrics.of('gossipsub_msg_received_prevalidation_total'),
      bytes: this.#metrics.of('gossipsub_rpc_recv_bytes_total'),
      payloadBytes: this.#workload.payloadBytes,
      links: this.#honest.map((host) => host.getConnections().length),
    });
    const cpuSecondsPer1000 = (1_000 * cpuSeconds) / Math.max(1, delivery.delivered);
    const attack = attackFigures(this.#workload, this.#plan, this.#book, delivery);
    return { delivery, figures: { ...figures, cpuSecondsPer1000, ...attack } };
  }
}

/** A connected random graph in which nobody has more than `degree` connections: a line through all, then pairs at random. */
async function connectAtRandom(hosts: readonly GossipsubHost[], degree: number, random: Random): Promise<void> {
  const order = random.shuffle(hosts.map((_, index) => index));
  const taken = new Map<number, Set<number>>(order.map((index) => [index, new Set()]));
  const pair = (one: number, other: number) => {
    const [mine, theirs] = [taken.get(one), taken.get(other)];
    const isFull = mine === undefined || theirs === undefined || mine.size >= degree || theirs.size >= degree;
    if (isFull || one === other || mine.has(other)) return;
    mine.add(other);
    theirs.add(one);
    pairs.push([one, other]);
  };
  const pairs: [number, number][] = [];
  for (let index = 1; index < order.length; index += 1) pair(order[index - 1] as number, order[index] as number); // below the length
  for (let tries = 0; tries < 4 * hosts.length * degree; tries += 1) {
    pair(random.integer(hosts.length), random.integer(hosts.length));
  }
  await inTurns(pairs.length, async (index) => {
    const [one, other] = pairs[index] as [number, number]; // below the length
    await hosts[one]?.dial(hosts[other]?.getMultiaddrs() ?? []);
  });
}

async function inTurns<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let from = 0; from < count; from += atOnceMax) {
    const length = Math.min(atOnceMax, count - from);
    made.push(...(await Promise.all(Array.from({ length }, (_, index) => make(from + index)))));
  }
  return made;
}
