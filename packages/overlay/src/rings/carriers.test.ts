import { equalBytes, type PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createEvent } from '../events/event.ts';
import type { CarryMessage } from '../message.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { carryLimits } from './carry-limits.ts';
import { noonMs } from './testing/peers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';

const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const data = new TextEncoder().encode('a window');
const route = ward.route(epochAt(noonMs, epochMs.ring));
const carry = { asks: true, offers: true };

/** Everybody with `degree` random connections of its own making or more; every tenth reads the topic, and finds the others by gossip. */
function sparse(count: number, degree: number, isCarrying: boolean): RingWorld {
  const world = new RingWorld(count, { isLinkBound: true, options: isCarrying ? { carry } : {} });
  for (const node of world.all) {
    while (node.connections.size < degree) world.connect(node, world.node(world.random.integer(count)));
  }
  const readers = world.all.filter((_, index) => index % 10 === 0);
  world.joinAll(ward, 5, readers);
  world.run(60);
  return world;
}

function deliveryRatio(world: RingWorld): number {
  const readers = world.all.filter((_, index) => index % 10 === 0);
  let delivered = 0;
  for (const source of readers.slice(0, 10)) {
    const id = world.publish(source, ward, data);
    // Shorter than the time after which neighbours name what they have.
    world.run(0.9);
    const hasIt = (node: WorldNode) => node.delivered.filter((event) => equalBytes(event.id, id)).length === 1;
    delivered += readers.filter(hasIt).length / (readers.length - 1);
  }
  return delivered / 10;
}

describe('carrying of events by those who do not read them', () => {
  it('reaches 0.99 of the members over 15 random connections each, where without it hardly any is reached', () => {
    expect(deliveryRatio(sparse(400, 10, false))).toBeLessThan(0.6);
    expect(deliveryRatio(sparse(400, 10, true))).toBeGreaterThanOrEqual(0.99);
  });

  it('is off unless both sides opted in', () => {
    const world = new RingWorld(3, { isLinkBound: true });
    const [one, middle, other] = [world.node(0), world.node(1), world.node(2)];
    world.connect(one, middle);
    world.connect(middle, other);
    world.joinAll(ward, 0, [one, other]);
    const ask: CarryMessage = { kind: 'carry', route, seconds: 600, isAnswer: false };
    expect(middle.rings.onCarry(one.peer, ask, world.nowMs)).toEqual([]);
    expect(middle.rings.onCarry(other.peer, ask, world.nowMs)).toEqual([]);
    expect(middle.rings.refusals.get('unasked')).toBe(2);
    const bytes = createEvent(ward, { data, class: 'normal' }, world.nowMs, world.random);
    expect(middle.rings.onEvent(one.peer, { kind: 'event', bytes, hops: 0 }, world.nowMs)).toEqual([]);
    world.run(30);
    expect(world.sent.get('carry')).toBeUndefined();
  });

  it('goes between those who asked, once, for as long as they asked, and nobody else', () => {
    const world = new RingWorld(5, { options: { carry } });
    const [carrier, one, other, third, stranger] = world.all;
    if (!carrier || !one || !other || !third || !stranger) throw new Error('five were made');
    const ask = (seconds: number): CarryMessage => ({ kind: 'carry', route, seconds, isAnswer: false });
    const to = (outputs: ReturnType<typeof carrier.rings.onCarry>) =>
      outputs.map((output) => (output.kind === 'send' ? output.to : null));
    const event = (from: PeerId) => {
      const bytes = createEvent(ward, { data, class: 'normal' }, world.nowMs, world.random);
      const first = carrier.rings.onEvent(from, { kind: 'event', bytes, hops: 0 }, world.nowMs);
      expect(carrier.rings.onEvent(from, { kind: 'event', bytes, hops: 0 }, world.nowMs)).toEqual([]);
      return to(first);
    };
    expect(to(carrier.rings.onCarry(one.peer, ask(600), world.nowMs))).toEqual([]);
    // The second one makes it worth while for both; a third is told alone.
    expect(to(carrier.rings.onCarry(other.peer, ask(600), world.nowMs))).toEqual([one.peer, other.peer]);
    expect(to(carrier.rings.onCarry(third.peer, ask(60), world.nowMs))).toEqual([third.peer]);
    expect(event(one.peer)).toEqual([other.peer, third.peer]);
    expect(event(stranger.peer)).toEqual([]);
    expect(carrier.rings.onCarry(other.peer, ask(0), world.nowMs)).toEqual([]);
    expect(event(one.peer)).toEqual([third.peer]);
    world.nowMs += 61_000;
    expect(event(one.peer)).toEqual([]);
    world.nowMs += 600_000;
    const told = carrier.rings.wake(world.nowMs).filter((output) => output.kind === 'send');
    expect(told.map((output) => output.message)).toMatchObject([{ kind: 'carry', seconds: 0, isAnswer: true }]);
  });

  it('is bounded in routes of one peer, in who asks for one route, and in bytes', () => {
    const world = new RingWorld(1, { options: { carry } });
    const { rings } = world.node(0);
    const ask = (one: Uint8Array): CarryMessage => ({ kind: 'carry', route: one, seconds: 600, isAnswer: false });
    const peer = (index: number) => `peer ${index}` as PeerId;
    for (let index = 0; index <= carryLimits.routesPerPeerMax; index += 1) {
      rings.onCarry(peer(0), ask(world.random.bytes(16)), world.nowMs);
    }
    expect(rings.refusals.get('too-many')).toBe(1);
    for (let index = 1; index <= carryLimits.askersPerRouteMax + 1; index += 1) {
      rings.onCarry(peer(index), ask(route), world.nowMs);
    }
    expect(rings.refusals.get('too-many')).toBe(2);
    const large = new Uint8Array(1_000_000);
    const sends = Array.from({ length: 6 }, () => {
      const bytes = createEvent(ward, { data: large, class: 'normal' }, world.nowMs, world.random);
      return rings.onEvent(peer(1), { kind: 'event', bytes, hops: 0 }, world.nowMs).length;
    });
    expect(sends.map((count) => count > 0)).toEqual([true, true, true, true, false, false]);
    expect(rings.refusals.get('too-often')).toBe(2);
    rings.disconnected(peer(0), world.nowMs);
    rings.onCarry(peer(0), ask(world.random.bytes(16)), world.nowMs);
    expect(rings.refusals.get('too-many')).toBe(2);
  });

  it('is asked of who stays connected, not of who is for one message', () => {
    const world = new RingWorld(3, { isLinkBound: true, options: { carry } });
    const [one, passing, staying] = world.all;
    if (!one || !passing || !staying) throw new Error('three were made');
    world.joinAll(ward, 0, [one]);
    world.run(1);
    const asked: PeerId[] = [];
    world.intercept = (_from, to, message) => {
      if (message.kind === 'carry') asked.push(to);
      return message;
    };
    world.connect(one, passing);
    world.connect(one, staying);
    world.run(1);
    one.connections.delete(passing.peer);
    one.rings.disconnected(passing.peer, world.nowMs, 'closed');
    expect(asked).toEqual([]);
    world.run(carryLimits.askAfterMs / 1_000);
    expect(asked).toEqual([staying.peer]);
  });

  it('takes no answer that was not asked for', () => {
    const world = new RingWorld(1, { options: { carry } });
    const answer: CarryMessage = { kind: 'carry', route, seconds: 600, isAnswer: true };
    expect(world.node(0).rings.onCarry('peer' as PeerId, answer, world.nowMs)).toEqual([]);
    expect(world.node(0).rings.refusals.get('unasked')).toBe(1);
  });
});
