import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { OverlayNode } from '../node/overlay-node.ts';
import type { DeliveredEvent, NodeOutput, OverlayNodeDependencies, OverlayNodeOptions } from '../overlay-node-types.ts';
import type { Topic } from '../topic.ts';

/** When every world begins, unix milliseconds. */
export const worldStartMs = 1_790_000_000_000;
const latencyMs = 20;
const logMax = 20_000;

interface Mail {
  readonly atMs: number;
  readonly from: PeerId;
  readonly to: PeerId;
  readonly message: Extract<NodeOutput, { kind: 'send' }>['message'];
}

/** Nodes in one process: every message takes 20 ms, everybody can connect to everybody who has an address. */
export class World {
  readonly random: Random;
  readonly nodes = new Map<PeerId, OverlayNode>();
  readonly delivered = new Map<PeerId, DeliveredEvent[]>();
  readonly changes: Extract<NodeOutput, { kind: 'subscription' }>[] = [];
  /** Whether a peer can connect to another. */
  reaches: (from: PeerId, to: PeerId) => boolean = () => true;
  nowMs = worldStartMs;
  /** Messages by kind, and the last ones of them. */
  readonly sent = new Map<string, number>();
  readonly log: Pick<Mail, 'from' | 'to' | 'message'>[] = [];
  readonly #connections = new Map<PeerId, Set<PeerId>>();
  #mails: Mail[] = [];

  constructor(seed: number) {
    this.random = createSeededRandom(seed);
  }

  add(options: Partial<OverlayNodeOptions> = {}, more: Partial<OverlayNodeDependencies> = {}): OverlayNode {
    const signer = createSigner(this.random.bytes(32));
    const address = `/ip4/10.${this.nodes.size % 200}.0.1/tcp/4001`;
    const deviceSecret = this.random.bytes(32);
    const node = new OverlayNode(
      { signer, addresses: [address], deviceSecret, ...options },
      { random: this.random, ...more },
    );
    this.nodes.set(node.self, node);
    this.delivered.set(node.self, []);
    this.#connections.set(node.self, new Set());
    this.do(node, node.start([], this.nowMs));
    return node;
  }

  connect(one: OverlayNode, other: OverlayNode): void {
    this.#connections.get(one.self)?.add(other.self);
    this.#connections.get(other.self)?.add(one.self);
    this.do(one, one.connected(other.self, this.nowMs));
    this.do(other, other.connected(one.self, this.nowMs));
  }

  do(node: OverlayNode, outputs: readonly NodeOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'deliver') this.delivered.get(node.self)?.push(output.event);
      if (output.kind === 'subscription') this.changes.push(output);
      if (output.kind === 'send') this.#send(node, output.to, output.message);
    }
  }

  eventsOf(node: OverlayNode): readonly DeliveredEvent[] {
    return this.delivered.get(node.self) ?? [];
  }

  /** Runs until `isDone`, at most so long. Whether it was done. */
  run(forMs: number, isDone: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      if (isDone()) return true;
      this.nowMs += latencyMs;
      const due = this.#mails.filter(({ atMs }) => atMs <= this.nowMs);
      this.#mails = this.#mails.filter(({ atMs }) => atMs > this.nowMs);
      for (const { from, to, message } of due) {
        const node = this.nodes.get(to);
        if (node !== undefined) this.do(node, node.receive(from, message, this.nowMs));
      }
      for (const node of this.nodes.values()) {
        if (node.dueAtMs <= this.nowMs) this.do(node, node.wake(this.nowMs));
      }
    }
    return isDone();
  }

  /** Takes a node away without a word. */
  crash(node: OverlayNode): void {
    this.nodes.delete(node.self);
    for (const peer of this.#connections.get(node.self) ?? []) {
      this.#connections.get(peer)?.delete(node.self);
      const other = this.nodes.get(peer);
      if (other !== undefined) this.do(other, other.disconnected(node.self, this.nowMs));
    }
  }

  #send(node: OverlayNode, to: PeerId, message: Mail['message']): void {
    this.log.push({ from: node.self, to, message });
    if (this.log.length > logMax) this.log.splice(0, logMax / 2);
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1);
    if (!this.#connections.get(node.self)?.has(to)) {
      const other = this.nodes.get(to);
      if (other === undefined || other.descriptor.addresses.length === 0 || !this.reaches(node.self, to)) {
        queueMicrotask(() => this.do(node, node.unreachable(to, this.nowMs)));
        return;
      }
      this.connect(node, other);
    }
    this.#mails.push({ atMs: this.nowMs + latencyMs, from: node.self, to, message });
  }
}

/** A network where everybody first knew the first one, and reads `topic`. */
export function startNetwork(count: number, seed: number, joined: Topic) {
  const world = new World(seed);
  const nodes = Array.from({ length: count }, () => world.add());
  const [first] = nodes as [OverlayNode, ...OverlayNode[]];
  for (const node of nodes) world.do(node, node.subscribe(joined, {}, world.nowMs));
  for (const node of nodes.slice(1)) world.connect(first, node);
  return { world, nodes, first };
}

/** Whether the successors of all nodes make one circle through all of them. */
export function isOneRing(nodes: readonly OverlayNode[], joined: Topic): boolean {
  const next = new Map(nodes.map((node) => [node.self, node.ring(joined).shapes.at(-1)?.successors[0]]));
  const [start] = next.keys();
  const seen = new Set<PeerId>();
  for (let peer = start; peer !== undefined && !seen.has(peer); peer = next.get(peer)) seen.add(peer);
  return seen.size === nodes.length;
}
