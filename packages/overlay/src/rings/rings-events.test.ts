import { encodeCbor, type PeerId } from '@pulsemesh/wire';
import { beforeEach, describe, expect, it } from 'vitest';
import { createEvent, eventLimits } from '../events/event.ts';
import type { EventMessage, HaveMessage, Message, WantMessage } from '../message.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { disseminationLimits } from './dissemination.ts';
import { servedLimits } from './served.ts';
import { noonMs } from './testing/peers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';
import { wantsLimits } from './wants.ts';

const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const small = new TextEncoder().encode('a window');
const large = new Uint8Array(20_000).fill(9);
const route = ward.route(epochAt(noonMs, epochMs.ring));

/** A world whose ring is formed and still. */
function formed(count: number, options: ConstructorParameters<typeof RingWorld>[1] = {}): RingWorld {
  const world = new RingWorld(count, options);
  world.joinAll(ward, 4);
  world.run(60);
  world.sent.clear();
  return world;
}

const deliveries = (world: RingWorld) => world.all.map((node) => node.delivered.length);
const eventOf = (bytes: Uint8Array): EventMessage => ({ kind: 'event', bytes, hops: 0 });

describe('an event on a formed ring', () => {
  it('is delivered once to each member, with its author, hops and who handed it on', () => {
    const world = formed(40);
    const source = world.node(0);
    const id = world.publish(source, ward, small);
    world.run(2);
    expect(source.delivered).toEqual([]);
    for (const node of world.all.slice(1)) {
      expect(node.delivered).toHaveLength(1);
      expect(node.delivered[0]).toMatchObject({ id, data: small, class: 'normal', topic: ward });
      expect(node.delivered[0]?.author?.peer).toBe(source.peer);
      expect(node.delivered[0]?.hops).toBeGreaterThan(0);
      expect(node.delivered[0]?.hops).toBeLessThan(9);
      expect(world.nodes.has(node.delivered[0]?.from as PeerId)).toBe(true);
    }
    expect((world.sent.get('event') ?? 0) / 39).toBeLessThan(3.1);
  });

  it('costs two sends a delivery among few, two or three by chance among some, five where it is urgent', () => {
    for (const [count, eventClass, sends] of [
      [15, 'normal', 2],
      [40, 'normal', 2.5],
      [40, 'urgent', 5],
    ] as const) {
      const world = formed(count);
      world.publish(world.node(0), ward, small, eventClass);
      world.run(2);
      const sent = (world.sent.get('event') ?? 0) / count;
      expect(Math.abs(sent - sends)).toBeLessThan(Number.isInteger(sends) ? 0.05 : 0.3);
      const duplicates = world.all.reduce((sum, node) => sum + node.rings.counts.duplicates, 0);
      expect(duplicates).toBe((world.sent.get('event') ?? 0) - (count - 1));
    }
  });

  it('travels whole along the ring and by name elsewhere when it is large', () => {
    const world = formed(60);
    world.publish(world.node(0), ward, large);
    world.run(5);
    expect(deliveries(world).slice(1)).toEqual(Array(59).fill(1));
    const events = world.sent.get('event') ?? 0;
    expect(world.sent.get('have')).toBeGreaterThan(60);
    expect(world.sent.get('want')).toBeGreaterThan(5);
    expect(events / 59).toBeLessThan(2.2);
  });

  it('is found in the end by who missed it, since neighbours name what they have', () => {
    const world = formed(30);
    const deaf = world.node(7);
    world.intercept = (_from, to, message) => (to === deaf.peer && message.kind === 'event' ? null : message);
    world.publish(world.node(0), ward, small);
    world.run(3);
    expect(deaf.delivered).toHaveLength(0);
    world.intercept = (_from, _to, message) => message;
    world.run(25);
    expect(deliveries(world).slice(1)).toEqual(Array(29).fill(1));
  });

  it('reaches a member that comes half a minute later at most', () => {
    const world = new RingWorld(2);
    const [one, other] = [world.node(0), world.node(1)];
    world.joinAll(ward, 0, [one]);
    world.publish(one, ward, small);
    world.run(20);
    world.joinAll(ward, 0, [other]);
    other.rings.addCandidates(ward, [one.descriptor], world.nowMs);
    world.run(2);
    expect(other.delivered).toHaveLength(1);
  });

  it('reaches all but one in a thousand though a fifth of the sends is lost and no other event follows', () => {
    const missing = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((seed) => {
      const world = formed(60, { loss: 0.2, seed });
      world.publish(world.node(0), ward, small);
      world.publish(world.node(1), ward, large);
      world.run(40);
      return (
        2 * 58 -
        deliveries(world)
          .slice(2)
          .reduce((sum, count) => sum + count, 0)
      );
    });
    expect(missing.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1);
  });
});

describe('an event that the application has to accept', () => {
  it('goes on when it is accepted, once, and ends where it is not', () => {
    const world = formed(3);
    const [source, gate, last] = [world.node(0), world.node(1), world.node(2)];
    world.validating.add(gate.peer);
    // Nothing passes between the two others but through the gate.
    world.intercept = (from, to, message) => (from !== gate.peer && to === last.peer ? null : message);
    const accepted = world.publish(source, ward, small);
    const refused = world.publish(source, ward, small);
    world.run(0.5);
    expect(gate.delivered).toHaveLength(2);
    world.run(5);
    expect(last.delivered).toEqual([]);
    world.act(gate, gate.rings.validated(ward, refused, false, world.nowMs));
    world.act(gate, gate.rings.validated(ward, refused, true, world.nowMs));
    world.act(gate, gate.rings.validated(ward, accepted, true, world.nowMs));
    expect(gate.rings.validated(ward, accepted, true, world.nowMs)).toEqual([]);
    world.run(5);
    expect(last.delivered.map((event) => event.id)).toEqual([accepted]);
  });

  it('is named from its acceptance on, however long that took, to who lost what it was handed', () => {
    const world = formed(3);
    const [source, gate, last] = [world.node(0), world.node(1), world.node(2)];
    world.validating.add(gate.peer);
    let lostCount = 0;
    world.intercept = (from, to, message) => {
      if (to !== last.peer) return message;
      const isLost = message.kind === 'event' && lostCount === 0;
      if (isLost) lostCount += 1;
      return from !== gate.peer || isLost ? null : message;
    };
    const accepted = world.publish(source, ward, small);
    world.run(40);
    world.act(gate, gate.rings.validated(ward, accepted, true, world.nowMs));
    world.run(5);
    expect(lostCount).toBe(1);
    expect(last.delivered.map((event) => event.id)).toEqual([accepted]);
  });

  it('is let go unforwarded when too many wait', () => {
    const world = formed(2);
    const [source, gate] = [world.node(0), world.node(1)];
    world.validating.add(gate.peer);
    const ids = Array.from({ length: disseminationLimits.heldMax + 1 }, () => world.publish(source, ward, small));
    world.run(1);
    expect(gate.delivered).toHaveLength(ids.length);
    expect(gate.rings.refusals.get('too-many')).toBe(1);
  });
});

describe('events from hostile peers', () => {
  let world: RingWorld;
  let member: WorldNode;
  let victim: WorldNode;
  let sequenceNumber = 0n;
  const author = () => {
    sequenceNumber += 1n;
    return { signer: member.signer, sequenceNumber };
  };
  const refused = (kind: Parameters<WorldNode['rings']['refusals']['get']>[0]) => victim.rings.refusals.get(kind) ?? 0;
  const send = (message: Message, from = member.peer) => {
    world.inject(from, victim.peer, message);
    world.run(0.05);
  };

  beforeEach(() => {
    world = formed(2);
    [member, victim] = [world.node(0), world.node(1)];
  });

  it('are delivered once however often they are replayed, also after they were forgotten', () => {
    const bytes = createEvent(ward, { data: small, class: 'normal', author: author() }, world.nowMs, world.random);
    send(eventOf(bytes));
    send(eventOf(bytes.slice()));
    send(eventOf(bytes.slice()), 'a stranger' as PeerId);
    expect(victim.delivered).toHaveLength(1);
    expect(victim.rings.counts.duplicates).toBe(2);
    world.run(1_200);
    send(eventOf(bytes.slice()));
    expect(victim.delivered).toHaveLength(1);
    expect(refused('too-old')).toBe(1);
  });

  it('are delivered once also where others seal anew what its author signed, and never to the author', () => {
    const content = { data: small, class: 'normal', author: author() } as const;
    const madeAtMs = world.nowMs;
    for (let copy = 0; copy < 5; copy += 1) send(eventOf(createEvent(ward, content, madeAtMs, world.random)));
    expect(victim.delivered).toHaveLength(1);
    expect(refused('copied')).toBe(4);
    const sequenceNumber = 99n;
    const own = { ...content, author: { signer: victim.signer, sequenceNumber } };
    world.act(victim, victim.rings.publish(ward, own, world.nowMs)?.outputs ?? []);
    send(eventOf(createEvent(ward, own, world.nowMs, world.random)));
    expect(victim.delivered).toHaveLength(1);
    expect(refused('copied')).toBe(5);
  });

  it('are refused when late or early', () => {
    for (const ms of [-eventLimits.ageMsMax - 1_000, eventLimits.aheadMsMax + 1_000]) {
      const content = { data: small, class: 'normal', author: author() } as const;
      send(eventOf(createEvent(ward, content, world.nowMs + ms, world.random)));
    }
    expect(victim.delivered).toEqual([]);
    expect(refused('too-old')).toBe(1);
    expect(refused('too-early')).toBe(1);
  });

  it('are refused when forged, and looked at once', () => {
    const content = { data: small, class: 'normal', author: author() } as const;
    const bytes = createEvent(ward, content, world.nowMs, world.random);
    const forged = bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte));
    const bySomebodyElse = { ...author(), signer: { ...member.signer, publicKey: victim.signer.publicKey } };
    const unsigned = createEvent(ward, { data: small, class: 'normal' }, world.nowMs, world.random);
    send(eventOf(forged));
    send(eventOf(forged));
    send(eventOf(createEvent(ward, { ...content, author: bySomebodyElse }, world.nowMs, world.random)));
    send(eventOf(unsigned));
    expect(victim.delivered).toEqual([]);
    expect(refused('forged')).toBe(4);
    // What was forged does not keep the true one away.
    send(eventOf(bytes));
    expect(victim.delivered).toHaveLength(1);
  });

  it('are refused when of another topic, no event at all, or too large', () => {
    const other = createTopic('ward 4', new Uint8Array(32).fill(7));
    send(eventOf(createEvent(other, { data: small, class: 'normal', author: author() }, world.nowMs, world.random)));
    send(eventOf(new Uint8Array([1, 2, 3])));
    send(eventOf(encodeCbor([1, route, 0, world.nowMs, new Uint8Array(eventLimits.bytesMax)])));
    expect(refused('unknown-route')).toBe(1);
    expect(refused('malformed')).toBe(2);
  });

  it('count hops that make no sense as none', () => {
    for (const hops of [-1, 0.5, Number.NaN, 2 ** 60]) {
      const bytes = createEvent(ward, { data: small, class: 'normal', author: author() }, world.nowMs, world.random);
      send({ kind: 'event', bytes, hops });
    }
    expect(victim.delivered.map((event) => event.hops)).toEqual([1, 1, 1, disseminationLimits.hopsMax]);
  });
});

describe('announcements', () => {
  let world: RingWorld;
  let member: WorldNode;
  let other: WorldNode;
  let victim: WorldNode;
  const have = (ids: readonly Uint8Array[]): HaveMessage => ({ kind: 'have', route, ids });
  const want = (ids: readonly Uint8Array[]): WantMessage => ({ kind: 'want', route, ids });
  const outputs = (node: WorldNode, from: WorldNode | PeerId, message: HaveMessage | WantMessage) => {
    const peer = typeof from === 'string' ? from : from.peer;
    return message.kind === 'have'
      ? node.rings.onHave(peer, message, world.nowMs)
      : node.rings.onWant(peer, message, world.nowMs);
  };

  beforeEach(() => {
    world = formed(3);
    [member, other, victim] = [world.node(0), world.node(1), world.node(2)];
  });

  it('are asked of the next who named the event when the first does not answer, then given up', () => {
    const id = new Uint8Array(16).fill(1);
    expect(outputs(victim, member, have([id, id]))).toMatchObject([
      { to: member.peer, message: { kind: 'want', ids: [id] } },
    ]);
    expect(outputs(victim, other, have([id]))).toEqual([]);
    expect(victim.rings.dueAtMs).toBeLessThanOrEqual(world.nowMs + wantsLimits.answerMs);
    world.nowMs += wantsLimits.answerMs;
    const wants = victim.rings
      .wake(world.nowMs)
      .filter((output) => output.kind === 'send' && output.message.kind === 'want');
    expect(wants).toMatchObject([{ to: other.peer, message: { ids: [id] } }]);
    world.nowMs += wantsLimits.answerMs;
    const more = victim.rings
      .wake(world.nowMs)
      .filter((output) => output.kind === 'send' && output.message.kind === 'want');
    expect(more).toEqual([]);
  });

  it('are refused from who did not prove itself, in unknown routes, and past their number', () => {
    const stranger = 'a stranger' as PeerId;
    expect(outputs(victim, stranger, have([new Uint8Array(16)]))).toEqual([]);
    expect(outputs(victim, stranger, want([new Uint8Array(16)]))).toEqual([]);
    expect(victim.rings.refusals.get('unproven')).toBe(2);
    const unknown = new Uint8Array(16);
    victim.rings.onHave(member.peer, { ...have([]), route: unknown }, world.nowMs);
    victim.rings.onWant(member.peer, { ...want([]), route: unknown }, world.nowMs);
    expect(victim.rings.refusals.get('unknown-route')).toBe(2);
    const many = Array.from({ length: 65 }, () => world.random.bytes(16));
    expect(outputs(victim, member, have(many))).toEqual([]);
    expect(outputs(victim, member, want(many))).toEqual([]);
    expect(outputs(victim, member, have([new Uint8Array(31)]))).toEqual([]);
  });

  it('make nobody wait for more than so many events of one peer', () => {
    let asked = 0;
    for (let turn = 0; turn < 10; turn += 1) {
      for (const output of outputs(victim, member, have(Array.from({ length: 64 }, () => world.random.bytes(16))))) {
        if (output.kind === 'send' && output.message.kind === 'want') asked += output.message.ids.length;
      }
    }
    expect(asked).toBe(wantsLimits.wantsPerPeerMax);
    expect(victim.rings.refusals.get('too-many')).toBe(640 - wantsLimits.wantsPerPeerMax);
    // The other member is heard all the same.
    expect(outputs(victim, other, have([world.random.bytes(16)]))).toHaveLength(1);
  });

  it('are answered once an id, of events at hand, and not again and again', () => {
    const id = world.publish(member, ward, large);
    expect(outputs(member, other, want([id, id, new Uint8Array(16), new Uint8Array(3)]))).toHaveLength(1);
    let answers = 0;
    for (let turn = 0; turn < 1_000; turn += 1) answers += outputs(member, other, want([id])).length;
    expect(answers).toBe(servedLimits.againMax - 1);
    expect(member.rings.refusals.get('too-often')).toBe(1_000 - answers);
    expect(outputs(member, victim, want([id]))).toHaveLength(1);
    world.nowMs += servedLimits.windowMs;
    expect(outputs(member, other, want([id]))).toHaveLength(1);
  });
});
