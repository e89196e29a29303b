import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { DescriptorMemory, decodeMessage, encodeMessage } from '../codec.ts';
import type { DeliveredEvent, NodeOutput, OverlayNodeOptions } from '../overlay-node-types.ts';
import { createTopic, type Topic } from '../topic.ts';
import { OverlayNode } from './overlay-node.ts';

const startMs = 1_790_000_000_000;
const latencyMs = 20;

interface Mail {
  readonly atMs: number;
  readonly from: PeerId;
  readonly to: PeerId;
  readonly message: Extract<NodeOutput, { kind: 'send' }>['message'];
}

/** Nodes in one process: every message takes 20 ms, everybody can connect to everybody who has an address. */
class World {
  readonly random: Random;
  readonly nodes = new Map<PeerId, OverlayNode>();
  readonly delivered = new Map<PeerId, DeliveredEvent[]>();
  readonly changes: Extract<NodeOutput, { kind: 'subscription' }>[] = [];
  nowMs = startMs;
  sent = new Map<string, number>();
  readonly #connections = new Map<PeerId, Set<PeerId>>();
  #mails: Mail[] = [];

  constructor(seed: number) {
    this.random = createSeededRandom(seed);
  }

  add(options: Partial<OverlayNodeOptions> = {}): OverlayNode {
    const signer = createSigner(this.random.bytes(32));
    const address = `/ip4/10.${this.nodes.size % 200}.0.1/tcp/4001`;
    const deviceSecret = this.random.bytes(32);
    const node = new OverlayNode({ signer, addresses: [address], deviceSecret, ...options }, { random: this.random });
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
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1);
    if (!this.#connections.get(node.self)?.has(to)) {
      const other = this.nodes.get(to);
      if (other === undefined || other.descriptor.addresses.length === 0) {
        queueMicrotask(() => this.do(node, node.unreachable(to, this.nowMs)));
        return;
      }
      this.connect(node, other);
    }
    this.#mails.push({ atMs: this.nowMs + latencyMs, from: node.self, to, message });
  }
}

const memory = new DescriptorMemory();
const topic = createTopic('ward 7');

/** A network where everybody first knew the first one, and reads `topic`. */
function network(count: number, seed: number, joined: Topic = topic) {
  const world = new World(seed);
  const nodes = Array.from({ length: count }, () => world.add());
  const [first] = nodes as [OverlayNode, ...OverlayNode[]];
  for (const node of nodes) world.do(node, node.subscribe(joined, {}, world.nowMs));
  for (const node of nodes.slice(1)) world.connect(first, node);
  return { world, nodes, first };
}

/** Whether the successors of all nodes make one circle through all of them. */
function isOneRing(nodes: readonly OverlayNode[], joined: Topic = topic): boolean {
  const next = new Map(nodes.map((node) => [node.self, node.ring(joined).shapes.at(-1)?.successors[0]]));
  const [start] = next.keys();
  const seen = new Set<PeerId>();
  for (let peer = start; peer !== undefined && !seen.has(peer); peer = next.get(peer)) seen.add(peer);
  return seen.size === nodes.length;
}

describe('a node of the overlay', () => {
  it.each([2, 10, 40])('forms one ring of %i members within seconds, and everybody gets an event once', (count) => {
    const { world, nodes, first } = network(count, count);
    expect(world.run(15_000, () => isOneRing(nodes))).toBe(true);
    const published = first.publish(topic, Uint8Array.of(1, 2, 3), { class: 'normal' }, world.nowMs);
    expect(published.recipients.length).toBeGreaterThan(0);
    world.do(first, published.outputs);
    world.run(3_000);
    for (const node of nodes) {
      const events = world.delivered.get(node.self) ?? [];
      expect(events.map(({ data }) => [...data])).toEqual(node === first ? [] : [[1, 2, 3]]);
      if (node !== first) expect(events[0]?.author?.peer).toBe(first.self);
    }
  });
});
void memory;
void decodeMessage;
void encodeMessage;
