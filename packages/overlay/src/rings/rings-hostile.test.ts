import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDescriptor, type Descriptor } from '../descriptor.ts';
import { createEvent } from '../events/event.ts';
import type { RingMessage } from '../message.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { placeOf } from './place.ts';
import { ringParameters } from './ring-parameters.ts';
import { createPeers, noonMs } from './testing/peers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';

const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const epoch = epochAt(noonMs, epochMs.ring);
const route = ward.route(epoch);

function ringMessage(from: WorldNode, to: WorldNode, fields: Partial<RingMessage> = {}): RingMessage {
  return {
    kind: 'ring',
    route,
    nonce: 1,
    isReply: false,
    proof: ward.proof(from.descriptor.publicKey, to.descriptor.publicKey, epoch),
    self: from.descriptor,
    descriptors: [],
    isLeaving: false,
    ...fields,
  };
}

function pair(): { world: RingWorld; member: WorldNode; victim: WorldNode } {
  const world = new RingWorld(2);
  const [member, victim] = [world.node(0), world.node(1)];
  victim.rings.join(ward, world.nowMs);
  return { world, member, victim };
}

describe('ring messages from hostile peers', () => {
  it('change nothing when unasked, stale, expired or forged', () => {
    const { world, member, victim } = pair();
    const refused = (fields: Partial<RingMessage>, from = member.peer) => {
      const outputs = victim.rings.onRing(from, ringMessage(member, victim, fields), world.nowMs);
      expect(outputs).toEqual([]);
      expect(victim.rings.members(ward)).toEqual([]);
    };
    const expired = createDescriptor(
      { ...member.descriptor, expiresAtSeconds: world.nowMs / 1_000 - 1 },
      member.signer,
    );
    const tooLong = createDescriptor(
      { ...member.descriptor, expiresAtSeconds: world.nowMs / 1_000 + 1e6 },
      member.signer,
    );
    const forged: Descriptor = { ...member.descriptor, version: member.descriptor.version + 1 };
    refused({ isReply: true });
    refused({ route: ward.route(epoch + 1) });
    refused({ route: ward.route(epoch - 1) });
    refused({ self: expired });
    refused({ self: tooLong });
    refused({ self: forged });
    refused({ self: victim.descriptor });
    refused({ self: victim.descriptor }, victim.peer);
    refused({ proof: new Uint8Array(16) });
    refused({ proof: new Uint8Array(3) });
    refused({ proof: ward.proof(member.descriptor.publicKey, victim.descriptor.publicKey, epoch + 1) });
    refused({ descriptors: Array(11).fill(member.descriptor) });
    refused({}, 'a stranger' as PeerId);
    expect(Object.fromEntries(victim.rings.refusals)).toEqual({
      unasked: 1,
      'unknown-route': 2,
      'bad-descriptor': 3,
      'wrong-peer': 3,
      'wrong-proof': 3,
      'too-many': 1,
    });
    expect(victim.rings.onRing(member.peer, ringMessage(member, victim), world.nowMs)).toHaveLength(2);
  });

  it('are answered no more often than every so often', () => {
    const { world, member, victim } = pair();
    let answers = 0;
    for (let turn = 0; turn < 100; turn += 1) {
      world.nowMs += 10;
      answers += victim.rings
        .onRing(member.peer, ringMessage(member, victim), world.nowMs)
        .filter((output) => output.kind === 'send').length;
    }
    expect(answers).toBeLessThanOrEqual(1_000 / ringParameters.answerEveryMs + 1);
    expect(victim.rings.refusals.get('too-often')).toBe(100 - answers);
  });

  it('cannot fill the ring with peers that do not exist: proven neighbours stay, and the list stays short', () => {
    const world = new RingWorld(40);
    world.joinAll(ward, 4);
    world.run(30);
    const [liar, victim] = [world.node(0), world.node(1)];
    const before = victim.rings.view(ward).shapes;
    const invented = createPeers(600, createSeededRandom(99)).map((peer) => peer.descriptor);
    for (let turn = 0; turn < 60; turn += 1) {
      world.inject(
        liar.peer,
        victim.peer,
        ringMessage(liar, victim, { descriptors: invented.slice(turn * 10, turn * 10 + 10) }),
      );
      world.run(1);
    }
    expect(victim.rings.view(ward).shapes).toEqual(before);
    expect(victim.rings.wantedPeers().every((peer) => world.nodes.has(peer))).toBe(true);
    // Each invented peer costs two questions at most, and none of them is told of a member.
    expect(world.sent.get('ring') ?? 0).toBeLessThan(40 * 200 + 2 * 600);
    for (const node of world.all) expect(node.rings.wantedPeers().every((peer) => world.nodes.has(peer))).toBe(true);
  });

  it('never throw and never make it send much, whatever their fields', () => {
    const { world, member, victim } = pair();
    const others = createPeers(12, world.random).map((peer) => peer.descriptor);
    const descriptor = fc.constantFrom(member.descriptor, victim.descriptor, ...others);
    const bytes = (length: number) => fc.oneof(fc.constant(route), fc.uint8Array({ maxLength: length }));
    const from = fc.constantFrom(member.peer, victim.peer, 'a stranger' as PeerId);
    const ids = fc.array(fc.uint8Array({ maxLength: 33 }), { maxLength: 70 });
    const good = createEvent(ward, { data: new Uint8Array(8), class: 'normal' }, noonMs, world.random);
    const message = fc.oneof(
      fc.record({
        kind: fc.constant('ring' as const),
        route: bytes(17),
        nonce: fc.nat(),
        isReply: fc.boolean(),
        proof: fc.oneof(fc.constant(ringMessage(member, victim).proof), fc.uint8Array({ maxLength: 20 })),
        self: descriptor,
        descriptors: fc.array(descriptor, { maxLength: 12 }),
        isLeaving: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('have' as const), route: bytes(17), ids }),
      fc.record({ kind: fc.constant('want' as const), route: bytes(17), ids }),
      fc.record({
        kind: fc.constant('event' as const),
        bytes: fc.oneof(fc.constant(good), fc.uint8Array({ maxLength: 99 })),
        hops: fc.oneof(fc.nat(), fc.double()),
      }),
      fc.record({ kind: fc.constant('carry' as const), route: bytes(17), seconds: fc.nat(), isAnswer: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(from, message), { maxLength: 40 }), (inputs) => {
        for (const [peer, one] of inputs) world.inject(peer, victim.peer, one);
        world.run(0.3);
        expect(victim.rings.wantedPeers().length).toBeLessThanOrEqual(40);
      }),
      { numRuns: 150, seed: 7 },
    );
    expect(world.sent.get('ring') ?? 0).toBeLessThan(2_000);
  });
});

describe('a place ground beside a victim', () => {
  it('is worth nothing the next day', () => {
    const random = createSeededRandom(5);
    const victim = createPeers(1, random)[0]?.descriptor.publicKey ?? new Uint8Array(32);
    const distance = (key: Uint8Array, day: number) => {
      const after = BigInt.asUintN(64, placeOf(key, day) - placeOf(victim, day));
      return after < 2n ** 63n ? after : 2n ** 64n - after;
    };
    const keys = Array.from({ length: 20_000 }, () => random.bytes(32));
    keys.sort((one, other) => (distance(one, epoch) < distance(other, epoch) ? -1 : 1));
    const ground = keys.slice(0, 20);
    const nearToday = ground.filter((key) => distance(key, epoch) < 2n ** 63n / 500n).length;
    const nearTomorrow = ground.filter((key) => distance(key, epoch + 1) < 2n ** 63n / 500n).length;
    expect(nearToday).toBe(20);
    expect(nearTomorrow).toBeLessThanOrEqual(1);
  });
});
