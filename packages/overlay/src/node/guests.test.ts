import { describe, expect, it } from 'vitest';
import { keyOfBytes } from '../events/event.ts';
import { World, worldStartMs } from '../testing/node-world.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { Guests, guestLimits } from './guests.ts';

const topic = createTopic('news');
const routeKey = keyOfBytes(topic.route(epochAt(worldStartMs, epochMs.ring)));

describe('guests of a topic', () => {
  it('are told once that a reader leaves, those of late only', () => {
    const world = new World(1);
    const [self, early, late] = [world.add(), world.add(), world.add()];
    const guests = new Guests();
    guests.heard(routeKey, early.self, worldStartMs);
    guests.heard(routeKey, late.self, worldStartMs + 1_000);
    const nowMs = worldStartMs + guestLimits.ageMsMax + 500;
    const told = guests.farewells(topic, self.descriptor, nowMs);
    expect(told.map((output) => output.kind === 'send' && output.to)).toEqual([late.self]);
    expect(guests.farewells(topic, self.descriptor, nowMs)).toEqual([]);
  });

  it('are bounded, the latest staying', () => {
    const world = new World(2);
    const self = world.add();
    const guests = new Guests();
    const names = Array.from({ length: guestLimits.guestsMax + 1 }, () => world.add().self);
    for (const name of names) guests.heard(routeKey, name, worldStartMs);
    const told = guests.farewells(topic, self.descriptor, worldStartMs);
    expect(told.map((output) => output.kind === 'send' && output.to)).toEqual(names.slice(1));
    guests.heard(routeKey, self.self, worldStartMs);
    for (let route = 0; route < guestLimits.routesMax; route += 1) guests.heard(`${route}`, self.self, worldStartMs);
    expect(guests.farewells(topic, self.descriptor, worldStartMs)).toEqual([]);
  });

  it('cannot be talked out of other readers: a farewell concerns its sender alone', () => {
    const world = new World(3);
    const [guest, reader, liar] = [world.add(), world.add(), world.add()];
    world.connect(guest, reader);
    world.connect(guest, liar);
    world.do(reader, reader.subscribe(topic, {}, world.nowMs));
    world.run(1_000);
    world.do(guest, guest.lookFor(topic, {}, world.nowMs));
    expect(world.run(10_000, () => guest.knowsSubscribers(topic))).toBe(true);
    const route = topic.route(epochAt(world.nowMs, epochMs.ring));
    const lie = { kind: 'ring', route, nonce: 0, isReply: false, proof: new Uint8Array(16) } as const;
    guest.receive(liar.self, { ...lie, self: liar.descriptor, descriptors: [], isLeaving: true }, world.nowMs);
    expect(guest.knowsSubscribers(topic)).toBe(true);
    world.do(reader, reader.unsubscribe(topic, world.nowMs)); // nothing was published yet: it does not know the guest
    const published = guest.publish(topic, new Uint8Array(1), { class: 'normal' }, world.nowMs);
    expect(published.recipients).toEqual([reader.self]);
    guest.receive(reader.self, { ...lie, self: reader.descriptor, descriptors: [], isLeaving: true }, world.nowMs);
    expect(guest.knowsSubscribers(topic)).toBe(false);
  });
});
