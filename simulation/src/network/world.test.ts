import { createSeededRandom } from '@pulsemesh/base';
import type { Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { constantLatency, uniformLatency } from './latency.ts';
import type { SimulatedNode } from './node.ts';
import type { Place } from './place.ts';
import { World, type WorldOptions, worldStartMs } from './world.ts';

/** A node that hands every new event on to the peers it knows, and asks one of them something each second. */
class Flooder implements SimulatedNode {
  dueAtMs = Number.POSITIVE_INFINITY;
  readonly heard: string[] = [];
  readonly told: string[] = [];
  readonly #peers: readonly PeerId[];
  #turn = 0;

  constructor(peers: readonly PeerId[]) {
    this.#peers = peers;
  }

  start(_seeds: unknown, nowMs: number): readonly NodeOutput[] {
    this.dueAtMs = nowMs + 1_000;
    return [];
  }

  wake(nowMs: number): readonly NodeOutput[] {
    this.dueAtMs = nowMs + 1_000;
    this.#turn += 1;
    const to = this.#peers[this.#turn % this.#peers.length];
    return to === undefined
      ? []
      : [{ kind: 'send', to, message: { kind: 'probe', nonce: this.#turn, isReply: false } }];
  }

  receive(_from: PeerId, message: Message): readonly NodeOutput[] {
    if (message.kind !== 'event') return [];
    const text = String.fromCharCode(...message.bytes);
    const isNew = !this.heard.includes(text);
    this.heard.push(text);
    return isNew ? this.say(message) : [];
  }

  say(message: Message): readonly NodeOutput[] {
    return this.#peers.map((to) => ({ kind: 'send', to, message }));
  }

  connected(peer: PeerId): readonly NodeOutput[] {
    this.told.push(`+${peer}`);
    return [];
  }

  disconnected(peer: PeerId): readonly NodeOutput[] {
    this.told.push(`-${peer}`);
    return [];
  }

  unreachable(peer: PeerId): readonly NodeOutput[] {
    this.told.push(`?${peer}`);
    return [];
  }

  wantedLinks(): readonly PeerId[] {
    return this.#peers.slice(0, 2);
  }
}

const event = (text: string): Message => ({ kind: 'event', bytes: new TextEncoder().encode(text), hops: 0 });

function peerOf(index: number): PeerId {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, index + 1);
  return peerIdOfEd25519(key);
}

/** Places in a circle, each knowing the next and the one after, all up. */
function circle(count: number, seed = 1, options: Partial<WorldOptions> = {}) {
  const random = createSeededRandom(seed);
  const latency = uniformLatency({ fromMs: 10, untilMs: 60 }, random);
  const world = new World({ latency, linksMax: 8, ...options }, { random });
  const nodes = Array.from({ length: count }, (_, index) => {
    return new Flooder([peerOf((index + 1) % count), peerOf((index + 2) % count)]);
  });
  const places = nodes.map((node, index) => world.add({ peer: peerOf(index), node }));
  for (const place of places) world.start(place, []);
  const say = (index: number, text: string) => {
    world.act(places[index] as Place, () => (nodes[index] as Flooder).say(event(text)));
  };
  return { world, nodes, places, say };
}

describe('World', () => {
  it('carries a message over a connection made for it', () => {
    const { world, nodes, say } = circle(3, 1, { latency: constantLatency(10) });
    say(0, 'hello');
    world.runUntil(71); // a dial of three round trips and 2 ms
    expect(nodes[1]?.heard).toEqual([]);
    world.runUntil(73);
    expect(nodes[1]?.heard).toEqual(['hello']);
    expect(nodes[1]?.told).toContain(`+${peerOf(0)}`);
  });

  it('runs the same for the same seed, and otherwise for another', () => {
    const run = (seed: number) => {
      const { world, say } = circle(30, seed);
      world.conditions = { lossRate: 0.1, duplicationRate: 0.1, reorderingRate: 0.1, reorderingMsMax: 100 };
      world.at(3_000, () => say(0, 'x'));
      world.at(4_000, () => world.stop(world.places[7] as Place, 'killed'));
      world.runUntil(20_000);
      return { trace: world.traceHash, counts: world.counts };
    };
    expect(run(5)).toEqual(run(5));
    expect(run(5).trace).not.toBe(run(6).trace);
  });

  it('keeps the messages of a connection in order unless told to reorder', () => {
    const orderOf = (reorderingRate: number) => {
      const { world, nodes, say } = circle(2);
      world.runUntil(10_000);
      world.conditions = { ...world.conditions, reorderingRate };
      for (let number = 0; number < 50; number += 1) say(0, String.fromCharCode(65 + number));
      world.runUntil(20_000);
      return [...new Set(nodes[1]?.heard)].join('');
    };
    const sorted = Array.from({ length: 50 }, (_, number) => String.fromCharCode(65 + number)).join('');
    expect(orderOf(0)).toBe(sorted);
    expect(orderOf(0.5)).not.toBe(sorted);
  });

  it.each([
    ['killed', 0, 61],
    ['vanished', 19_900, 20_061],
  ] as const)('tells the neighbours of a machine that is %s when they can know', (how, notBeforeMs, byMs) => {
    const { world, nodes, places } = circle(4);
    world.runUntil(10_000);
    world.stop(places[1] as Place, how);
    world.runUntil(10_000 + notBeforeMs);
    for (const sign of ['-', '?']) expect(nodes[0]?.told).not.toContain(`${sign}${peerOf(1)}`);
    world.runUntil(10_000 + byMs);
    expect(nodes[0]?.told).toContain(`-${peerOf(1)}`);
    world.runUntil(60_000);
    expect(nodes[0]?.told).toContain(`?${peerOf(1)}`); // dialled anew, in vain
  });

  it('gives a machine that comes up again a life of its own', () => {
    const { world, nodes, places, say } = circle(4);
    world.runUntil(5_000);
    world.stop(places[1] as Place, 'killed');
    const [before] = [nodes[1]?.heard.length];
    say(0, 'missed');
    world.runUntil(8_000);
    expect(nodes[1]?.heard.length).toBe(before);
    const born = new Flooder([peerOf(2)]);
    world.start(places[1] as Place, [], born);
    world.runUntil(20_000);
    say(0, 'again');
    world.runUntil(30_000);
    expect(new Set(born.heard)).toEqual(new Set(['again']));
  });

  it('cuts one direction of a partition and lets the other through until the silence is noticed', () => {
    const { world, nodes, places, say } = circle(3);
    world.runUntil(10_000);
    (places[0] as Place).group = 1;
    world.partition(1, 0);
    say(0, 'unheard');
    say(1, 'heard');
    world.runUntil(12_000);
    expect(nodes[1]?.heard).not.toContain('unheard');
    expect(nodes[0]?.heard).toContain('heard');
    world.runUntil(40_000);
    expect(nodes[0]?.told).toContain(`-${peerOf(1)}`);
    world.partitions.unblock(1, 0);
    world.runUntil(60_000);
    say(0, 'healed');
    world.runUntil(70_000);
    expect(nodes[1]?.heard).toContain('healed');
  });

  it.each([1, 2, 3, 4, 5])('never holds more connections than allowed: what nobody wants goes (seed %i)', (seed) => {
    const random = createSeededRandom(seed);
    const links = { youngMs: 300 };
    const latency = uniformLatency({ fromMs: 5, untilMs: 200 }, random);
    const world = new World({ latency, linksMax: 4, links }, { random });
    const everybody = Array.from({ length: 20 }, (_, index) => peerOf(index));
    const peersOf = (index: number) => [...everybody.slice(index + 1), ...everybody.slice(0, index)];
    const counts: number[] = [];
    world.observe({ linked: (_node, count) => counts.push(count) });
    const nodes = everybody.map((_, index) => new Flooder(peersOf(index)));
    const places = nodes.map((node, index) => world.add({ peer: peerOf(index), node }));
    for (const place of places) world.start(place, []);
    // Everybody calls on everybody at once: dials cross, wait for room, and are refused.
    for (let atMs = 1_000; atMs < 20_000; atMs += 700) {
      world.at(atMs, () => {
        for (const place of places) world.act(place, () => (place.node as Flooder).say(event(`${atMs}`)));
      });
    }
    world.runUntil(30_000);
    expect(Math.max(...counts)).toBe(4);
    expect(world.links.counts.closedForRoom).toBeGreaterThan(100);
    expect(world.links.counts.givenUp).toBeGreaterThan(0);
    for (const place of places) expect(place.links.size).toBeLessThanOrEqual(4);
  });

  it('times out a dial to somebody who never was, or cannot be dialled', () => {
    const random = createSeededRandom(3);
    const world = new World({ latency: constantLatency(5), linksMax: 5 }, { random });
    const node = new Flooder([peerOf(1), peerOf(77)]);
    const place = world.add({ peer: peerOf(0), node });
    world.start(world.add({ peer: peerOf(1), node: new Flooder([]), isDialable: false }), []);
    world.start(place, []);
    world.act(place, () => node.say(event('x')));
    world.runUntil(4_900);
    expect(node.told).toEqual([]);
    world.runUntil(5_100);
    expect(new Set(node.told)).toEqual(new Set([`?${peerOf(1)}`, `?${peerOf(77)}`]));
  });

  it('shows each node its own clock', () => {
    const random = createSeededRandom(3);
    const world = new World({ latency: constantLatency(5), linksMax: 5 }, { random });
    const times: number[] = [];
    class Watcher extends Flooder {
      override wake(nowMs: number) {
        times.push(nowMs);
        return super.wake(nowMs);
      }
    }
    world.start(world.add({ peer: peerOf(0), node: new Watcher([]), skewMs: 2_500 }), []);
    world.runUntil(2_000);
    expect(times).toEqual([worldStartMs + 3_500, worldStartMs + 4_500]);
  });

  it('wakes a node that wants to be woken at once not more often than each millisecond', () => {
    const random = createSeededRandom(3);
    const world = new World({ latency: constantLatency(5), linksMax: 5 }, { random });
    class Restless extends Flooder {
      override wake(nowMs: number) {
        this.dueAtMs = nowMs;
        return [];
      }
    }
    world.start(world.add({ peer: peerOf(0), node: new Restless([]) }), []);
    world.runUntil(2_000);
    expect(world.counts.events).toBeLessThan(1_100);
  });
});
