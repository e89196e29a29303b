import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../../descriptor.ts';
import type { Message } from '../../message.ts';
import type { DeliveredEvent, NodeOutput } from '../../overlay-node-types.ts';
import type { Topic } from '../../topic.ts';
import { Rings, type RingsOptions } from '../rings.ts';
import { createPeers, noonMs, type TestPeer } from './peers.ts';

interface Arrival {
  readonly atMs: number;
  readonly from: PeerId;
  readonly to: PeerId;
  readonly message: Message;
}

/** How a test's world is. */
export interface RingWorldOptions {
  readonly seed?: number;
  readonly startMs?: number;
  readonly options?: RingsOptions;
  /** Probability that a message is lost. */
  readonly loss?: number;
  /** Whether an event for a peer without connection opens one, as a driver does, or is lost. Default: it opens one. */
  readonly isLinkBound?: boolean;
  /** Each peer's clock is wrong by up to so much, milliseconds. Default: none is. */
  readonly skewMsMax?: number;
}

/** One peer of the world. */
export interface WorldNode extends TestPeer {
  readonly peer: PeerId;
  readonly rings: Rings;
  /** By how much its clock is ahead. */
  readonly skewMs: number;
  readonly connections: Set<PeerId>;
  readonly delivered: DeliveredEvent[];
  readonly subscriptions: { readonly peer: PeerId; readonly isSubscribed: boolean }[];
}

/** Rings of many peers on one clock: messages take 20 … 80 ms, the dead take none. For tests of rings alone. */
export class RingWorld {
  readonly random: Random;
  readonly nodes = new Map<PeerId, WorldNode>();
  readonly dead = new Set<PeerId>();
  /** Peers whose application has to accept each event. */
  readonly validating = new Set<PeerId>();
  /** Messages sent, by kind. */
  readonly sent = new Map<string, number>();
  /** Sees each message on its way, and may replace or swallow it. */
  intercept: (from: PeerId, to: PeerId, message: Message) => Message | null = (_from, _to, message) => message;
  nowMs: number;
  readonly #options: RingWorldOptions;
  #sequenceNumber = 0n;
  /** By the millisecond of arrival. */
  readonly #arrivals = new Map<number, Arrival[]>();

  constructor(count: number, options: RingWorldOptions = {}) {
    this.#options = options;
    this.random = createSeededRandom(options.seed ?? 1);
    this.nowMs = options.startMs ?? noonMs;
    for (const peer of createPeers(count, this.random, this.nowMs, ['/ip4/192.0.2.1/tcp/1'])) this.addNode(peer);
  }

  addNode(peer: TestPeer, options: RingsOptions = this.#options.options ?? {}): WorldNode {
    const connections = new Set<PeerId>();
    const mustValidate = () => this.validating.has(peer.descriptor.peer);
    const rings = new Rings(options, { random: this.random, self: () => peer.descriptor, connections, mustValidate });
    const { skewMsMax } = this.#options;
    const skewMs = skewMsMax === undefined ? 0 : Math.round((2 * this.random.float() - 1) * skewMsMax);
    const node = { ...peer, peer: peer.descriptor.peer, rings, skewMs, connections, delivered: [], subscriptions: [] };
    this.nodes.set(node.peer, node);
    return node;
  }

  get all(): WorldNode[] {
    return [...this.nodes.values()];
  }

  get live(): WorldNode[] {
    return this.all.filter((node) => !this.dead.has(node.peer));
  }

  node(index: number): WorldNode {
    const node = this.all[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  /** What a peer's own clock says. */
  timeOf(node: WorldNode): number {
    return this.nowMs + node.skewMs;
  }

  /** Everybody joins, knowing `known` random others. */
  joinAll(topic: Topic, known: number, nodes: readonly WorldNode[] = this.all): void {
    const descriptors = nodes.map((node) => node.descriptor);
    for (const node of nodes) {
      node.rings.join(topic, this.timeOf(node));
      const picked = Array.from({ length: known }, () => descriptors[this.random.integer(descriptors.length)]);
      node.rings.addCandidates(topic, picked as Descriptor[], this.timeOf(node));
    }
  }

  publish(node: WorldNode, topic: Topic, data: Uint8Array, eventClass: 'normal' | 'urgent' = 'normal'): Uint8Array {
    this.#sequenceNumber += 1n;
    const author = { signer: node.signer, sequenceNumber: this.#sequenceNumber };
    const publication = node.rings.publish(topic, { data, class: eventClass, author }, this.timeOf(node));
    if (publication === null) throw new Error('not joined');
    this.act(node, publication.outputs);
    return publication.id;
  }

  /** Does what a machine asks for. */
  act(node: WorldNode, outputs: readonly NodeOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'deliver') node.delivered.push(output.event);
      else if (output.kind === 'subscription') node.subscriptions.push(output);
      else this.#send(node, output.to, output.message);
    }
  }

  /** Lets a message arrive `delayMs` from now, whoever sent it. */
  inject(from: PeerId, to: PeerId, message: Message, delayMs = 1): void {
    const atMs = Math.ceil(this.nowMs + delayMs);
    const sameTime = this.#arrivals.get(atMs);
    const arrival = { atMs, from, to, message };
    if (sameTime === undefined) this.#arrivals.set(atMs, [arrival]);
    else sameTime.push(arrival);
  }

  /** Lets `seconds` pass. */
  run(seconds: number): void {
    const untilMs = this.nowMs + seconds * 1_000;
    // A step of 10 ms is fine enough for messages of 20 … 80 ms, and costs no heap.
    while (this.nowMs < untilMs) {
      const fromMs = this.nowMs;
      this.nowMs += 10;
      for (let atMs = fromMs + 1; atMs <= this.nowMs; atMs += 1) {
        for (const arrival of this.#arrivals.get(atMs) ?? []) this.#arrive(arrival);
        this.#arrivals.delete(atMs);
      }
      for (const node of this.nodes.values()) {
        if (this.dead.has(node.peer) || node.rings.dueAtMs > this.timeOf(node)) continue;
        this.act(node, node.rings.wake(this.timeOf(node)));
      }
    }
  }

  /** Peers die at once; connected ones notice, as a closed connection tells them. */
  crash(peers: Iterable<PeerId>, isDetected: boolean): void {
    for (const peer of peers) this.dead.add(peer);
    for (const node of this.live) {
      for (const peer of this.dead) {
        node.connections.delete(peer);
        if (isDetected) this.act(node, node.rings.unreachable(peer, this.timeOf(node)));
      }
    }
  }

  connect(one: WorldNode, other: WorldNode): void {
    if (one.connections.has(other.peer)) return;
    one.connections.add(other.peer);
    other.connections.add(one.peer);
    one.rings.connected(other.peer, this.timeOf(one));
    other.rings.connected(one.peer, this.timeOf(other));
  }

  #send(node: WorldNode, to: PeerId, message: Message): void {
    const target = this.nodes.get(to);
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1);
    if (target === undefined || this.dead.has(to)) return;
    if (this.#options.isLinkBound !== true) this.connect(node, target);
    else if (message.kind === 'event' && !node.connections.has(to)) return;
    if (this.random.float() < (this.#options.loss ?? 0)) return;
    const passed = this.intercept(node.peer, to, message);
    if (passed !== null) this.inject(node.peer, to, passed, 20 + this.random.integer(60));
  }

  #arrive({ from, to, message }: Arrival): void {
    const node = this.nodes.get(to);
    if (node === undefined || this.dead.has(to)) return;
    this.act(node, receive(node.rings, from, message, this.timeOf(node)));
  }
}

function receive(rings: Rings, from: PeerId, message: Message, nowMs: number): NodeOutput[] {
  switch (message.kind) {
    case 'ring':
      return rings.onRing(from, message, nowMs);
    case 'event':
      return rings.onEvent(from, message, nowMs);
    case 'have':
      return rings.onHave(from, message, nowMs);
    case 'want':
      return rings.onWant(from, message, nowMs);
    case 'carry':
      return rings.onCarry(from, message, nowMs);
    default:
      return [];
  }
}
