import { createSeededRandom } from '@pulsemesh/base';
import { createTopic, type DeliveredEvent, type Topic } from '@pulsemesh/overlay/protocol';
import { DeliveryBook, type DeliveryPromise } from '../checkers/delivery-book.ts';
import { LinkWatch } from '../checkers/links.ts';
import { TrafficCount } from '../checkers/traffic.ts';
import { viewFigures } from '../checkers/views.ts';
import { attackFigures, type WorkloadResult, workloadFigures } from '../workload/result.ts';
import {
  numberOf,
  payloadOf,
  planWorkload,
  topicNameOf,
  type Workload,
  type WorkloadPlan,
} from '../workload/workload.ts';
import { Fleet, type FleetOptions } from './fleet.ts';
import { withPlainProofs } from './remembered-crypto.ts';
import { planSybils, type SybilPlan } from './sybils.ts';
import { ringOf } from './watch-rings.ts';

/** How a workload is played over our overlay. */
export interface OverlayRunOptions extends Omit<FleetOptions, 'nodes' | 'linksMax' | 'sybils'> {
  readonly promise: DeliveryPromise;
  /** Topics with a secret that attackers do not have. */
  readonly isPrivate?: boolean;
  /** Nodes come up at random within this time. */
  readonly upWithinMs?: number;
  readonly eventClass?: 'normal' | 'urgent';
  /** Attackers other than the workload's own. */
  readonly sybils?: (run: OverlayRun) => SybilPlan;
  /** Called before anything happens: sets what goes wrong, and when. */
  readonly prepare?: (run: OverlayRun) => void;
  readonly onProgress?: (virtualMs: number, untilMs: number) => void;
}

const upWithinMsDefault = 2_000;
/** The ring of so many topics is looked at when the first message is published. */
const ringsLookedAt = 10;

/** A workload being played over a fleet of real overlay nodes. */
export class OverlayRun {
  readonly fleet: Fleet;
  readonly plan: WorkloadPlan;
  readonly book: DeliveryBook;
  readonly traffic: TrafficCount;
  readonly links: LinkWatch;
  readonly topics: readonly Topic[];
  readonly #workload: Workload;
  readonly #options: OverlayRunOptions;
  readonly #sybils: SybilPlan | undefined;
  #ringCorrect = 0;
  #unheard = 0;

  constructor(workload: Workload, options: OverlayRunOptions) {
    this.#workload = workload;
    this.#options = options;
    const random = createSeededRandom(options.seed);
    this.plan = planWorkload(workload, random);
    this.topics = Array.from({ length: workload.topics }, (_, topic) => {
      const secret = random.bytes(32);
      return this.#topic(topicNameOf(topic), options.isPrivate === true ? secret : undefined);
    });
    const ownSybils = workload.attack === undefined ? undefined : planSybils(workload.attack, this.plan);
    this.#sybils = options.sybils?.(this) ?? ownSybils;
    const { nodes, linksMax } = workload;
    const { sybils: _, ...shared } = options;
    const sybils = this.#sybils === undefined ? {} : { sybils: this.#sybils.options };
    this.fleet = new Fleet({ ...shared, nodes, linksMax, ...sybils });
    this.book = new DeliveryBook(options.promise, nodes, this.plan.readersOf);
    this.traffic = new TrafficCount(nodes);
    this.links = new LinkWatch(this.fleet.world.places);
    this.#observe();
    this.#schedule();
    options.prepare?.(this);
  }

  /** Plays all of it. */
  play(): OverlayResult {
    const { world, members } = this.fleet;
    const { untilMs } = this.plan;
    world.runUntil(untilMs, (nowMs) => this.#options.onProgress?.(nowMs, untilMs));
    const delivery = this.book.close(untilMs);
    const up = members.filter(({ place }) => place.isUp);
    const views = viewFigures(
      up.map(({ node }) => node),
      (peer) => world.places[world.indexOf(peer) ?? -1]?.isByzantine ?? false,
    );
    const figures = workloadFigures(this.book, delivery, {
      copies: this.traffic.events,
      bytes: this.traffic.eventBytes,
      payloadBytes: this.#workload.payloadBytes,
      links: up.map(({ place }) => place.links.size),
    });
    const violations = [...delivery.violations, ...this.links.violations()];
    if (views.isolated > 0) violations.push(`${views.isolated} nodes know nobody honest any more`);
    if (this.#unheard > 0) violations.push(`${this.#unheard} messages of nodes that were down`);
    return {
      delivery,
      figures: {
        ...figures,
        ...this.#ownFigures(),
        viewByzantineShare: views.byzantineShare,
        ...attackFigures(this.#workload, this.plan, this.book, delivery),
      },
      violations,
      traceHash: world.traceHash,
      virtualMs: untilMs,
    };
  }

  #topic(name: string, secret?: Uint8Array): Topic {
    const topic = createTopic(name, secret);
    return this.#options.hasRealCrypto === true ? topic : withPlainProofs(topic);
  }

  #ownFigures(): Record<string, number> {
    const { world, members } = this.fleet;
    const sent = members.reduce((sum, { node }) => sum + node.counts.sent, 0);
    const seconds = this.plan.untilMs / 1_000;
    return {
      sendsPerDelivery: sent / Math.max(1, this.book.hops.count),
      hopsMean: this.book.hops.mean,
      hopsMax: this.book.hops.max,
      linksPeak: this.links.most,
      ringCorrectShare: this.#ringCorrect,
      gossipBytesPerNodeSecond: this.traffic.otherBytes / members.length / seconds,
      dialsPerNodeMinute: (60 * world.links.counts.dials) / members.length / seconds,
      dialsRefused: world.links.counts.refused + world.links.counts.givenUp,
      messagesDropped: world.links.counts.dropped,
    };
  }

  #observe(): void {
    const { world } = this.fleet;
    world.observe(this.traffic);
    world.observe(this.links);
    const { nodes } = this.#workload;
    world.observe({
      delivered: (node, event, atMs) => {
        if (node < nodes) this.#delivered(node, event, atMs);
      },
      cameUp: (node, atMs) => this.book.cameUp(node, atMs),
      wentDown: (node, atMs) => this.book.wentDown(node, atMs),
    });
  }

  #delivered(node: number, event: DeliveredEvent, atMs: number): void {
    this.book.delivered(node, numberOf(event.data), atMs, event.hops);
  }

  #schedule(): void {
    const { world, random } = this.fleet;
    const upWithinMs = this.#options.upWithinMs ?? upWithinMsDefault;
    this.plan.topicsOf.forEach((mine, node) => {
      world.at(random.float() * upWithinMs, () => {
        this.fleet.start(node);
        for (const topic of mine) this.fleet.subscribe(node, this.topics[topic] as Topic); // of the plan's topics
      });
    });
    this.#scheduleSybils(upWithinMs);
    const [first] = this.plan.publications;
    if (first !== undefined) world.at(first.atMs, () => this.#lookAtRings());
    this.plan.publications.forEach(({ atMs, node, topic }, number) => {
      world.at(atMs, () => {
        const isUp = this.fleet.members[node]?.place.isUp === true;
        if (!isUp) return; // who is away has nothing to say
        this.book.published(number, topic, node, world.nowMs);
        const data = payloadOf(number, this.#workload.payloadBytes);
        if (!this.fleet.publish(node, this.topics[topic] as Topic, data, this.#options.eventClass)) this.#unheard += 1;
      });
    });
  }

  #scheduleSybils(upWithinMs: number): void {
    const { world, random } = this.fleet;
    const sybils = this.#sybils;
    if (sybils === undefined) return;
    // Without the secret a topic is another one, whatever it is called.
    const sybilTopics =
      this.#options.isPrivate === true ? this.topics.map(({ name }) => this.#topic(name)) : this.topics;
    this.fleet.sybilPlaces.forEach((place, index) => {
      world.at(sybils.upAtMs + random.float() * upWithinMs, () => {
        this.fleet.startSybil(index);
        for (const topic of sybilTopics) {
          world.act(place, (nowMs) => sybils.worn[index]?.subscribe(topic, {}, nowMs) ?? []);
        }
      });
    });
  }

  #lookAtRings(): void {
    const readersOf = this.plan.readersOf.slice(0, ringsLookedAt);
    const shares = readersOf.map((readers, topic) => {
      return ringOf(this.fleet, this.topics[topic] as Topic, readers).correctShare; // of the plan's topics
    });
    this.#ringCorrect = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  }
}

/** What came of a workload over our overlay. */
export interface OverlayResult extends WorkloadResult {
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly virtualMs: number;
}
