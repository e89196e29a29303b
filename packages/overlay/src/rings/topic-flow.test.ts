import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { createPeers, noonMs } from './testing/peers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';
import { flowLimits, TopicFlow } from './topic-flow.ts';

const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const route = ward.route(epochAt(noonMs, epochMs.ring));
const small = new TextEncoder().encode('a window');
const peers = createPeers(40).map(({ descriptor }) => descriptor.peer);
const peer = (index: number): PeerId => peers[index] as PeerId;
const { calm, troubledMs, hungryMax, hungryMs, hungryAfterMs, hungryWithinMs } = flowLimits;
const { giverEvents, giversMax, giversPerEvent, exploreEveryMs, newTroubleMs, newTroubleEveryMs } = flowLimits;

/** A flow that an event has just been asked for. */
function troubled(): { flow: TopicFlow; nowMs: number } {
  const flow = new TopicFlow(noonMs);
  flow.came('late', peer(0), true, noonMs, noonMs);
  const nowMs = noonMs + calm.afterMs;
  flow.wake(nowMs);
  return { flow, nowMs };
}

describe('the flow of a topic', () => {
  it('is troubled for a minute where an event came only because it was asked for', () => {
    const flow = new TopicFlow(noonMs);
    flow.came('a', peer(0), false, noonMs, noonMs);
    expect(flow.wake(noonMs + 5_000)).toBe(false);
    flow.came('b', peer(0), true, noonMs, noonMs + 5_000);
    expect(flow.wake(noonMs + 5_000 + calm.afterMs)).toBe(true);
    expect(flow.isTroubled(noonMs + 5_000 + calm.afterMs + troubledMs - 1)).toBe(true);
    expect(flow.isTroubled(noonMs + 5_000 + calm.afterMs + troubledMs)).toBe(false);
  });

  it('goes to members without a connection seldom: each ten seconds, twice a second where it is newly troubled, and each two later; and more of those connected are told then', () => {
    const calmly = new TopicFlow(noonMs);
    expect(calmly.mayExplore(noonMs)).toBe(true);
    calmly.explored(noonMs);
    expect(calmly.mayExplore(noonMs + exploreEveryMs.calm - 1)).toBe(false);
    expect(calmly.mayExplore(noonMs + exploreEveryMs.calm)).toBe(true);
    const { flow, nowMs } = troubled();
    expect([calmly.naming(nowMs), flow.naming(nowMs)].map(({ members }) => members)).toEqual([1, 24]);
    flow.explored(nowMs);
    expect(flow.mayExplore(nowMs + exploreEveryMs.newlyTroubled - 1)).toBe(false);
    expect(flow.mayExplore(nowMs + exploreEveryMs.newlyTroubled)).toBe(true);
    const laterMs = nowMs + newTroubleMs + 1;
    expect(flow.naming(laterMs).members).toBe(8);
    flow.explored(laterMs);
    expect(flow.isTroubled(laterMs + exploreEveryMs.troubled)).toBe(true);
    expect(flow.mayExplore(laterMs + exploreEveryMs.troubled - 1)).toBe(false);
    expect(flow.mayExplore(laterMs + exploreEveryMs.troubled)).toBe(true);
  });

  it('takes trouble for new once in five minutes at most: who can make some at will is not told more for it', () => {
    const { flow, nowMs } = troubled();
    expect(flow.naming(nowMs).members).toBe(flowLimits.newlyTroubled.members);
    const againMs = nowMs + troubledMs + 1;
    expect(flow.isTroubled(againMs)).toBe(false);
    flow.came('again', peer(0), true, noonMs, againMs - calm.afterMs);
    flow.wake(againMs);
    expect(flow.naming(againMs).members).toBe(flowLimits.troubled.members);
    const laterMs = nowMs + newTroubleEveryMs.usual;
    flow.came('later', peer(0), true, noonMs, laterMs - calm.afterMs);
    flow.wake(laterMs);
    expect(flow.naming(laterMs).members).toBe(flowLimits.newlyTroubled.members);
  });

  it('takes it for new again after a minute where half of the last events had to be asked for', () => {
    const { flow, nowMs } = troubled();
    const cameAt = (atMs: number, askedCount: number) => {
      for (let index = 0; index < 8; index += 1) {
        flow.came(`${atMs} ${index}`, peer(index), index < askedCount, noonMs, atMs - calm.afterMs);
      }
      flow.wake(atMs);
      return flow.naming(atMs).members;
    };
    const earlyMs = nowMs + newTroubleMs + 1_000;
    expect(cameAt(earlyMs, 8)).toBe(flowLimits.troubled.members);
    expect(cameAt(nowMs + newTroubleEveryMs.broad, 3)).toBe(flowLimits.troubled.members);
    expect(cameAt(nowMs + newTroubleEveryMs.broad + 1, 4)).toBe(flowLimits.newlyTroubled.members);
  });

  it('is not troubled by who names an event early, nor by events from before it began', () => {
    const flow = new TopicFlow(noonMs);
    flow.came('named early', peer(0), true, noonMs, noonMs);
    flow.cameAgain('named early', peer(1));
    flow.came('old', peer(0), true, noonMs - 1, noonMs);
    expect(flow.wake(noonMs + 5_000)).toBe(false);
    expect(flow.isTroubled(noonMs + 5_000)).toBe(false);
  });

  it('gives the next events to who asks for overdue ones again and again, for two minutes', () => {
    const flow = new TopicFlow(noonMs);
    flow.asked(peer(1), calm.afterMs - 1, noonMs);
    expect(flow.eager(noonMs)).toEqual([]);
    flow.asked(peer(1), calm.afterMs, noonMs);
    expect(flow.eager(noonMs)).toEqual([]);
    const laterMs = noonMs + hungryAfterMs;
    flow.asked(peer(1), calm.afterMs, laterMs);
    expect(flow.eager(laterMs)).toEqual([peer(1)]);
    expect(flow.eager(laterMs + hungryMs)).toEqual([]);
  });

  it('gives no more to who was busy for a moment, and lacked a crowd of events at once, or now and then one', () => {
    const flow = new TopicFlow(noonMs);
    for (let count = 0; count < 100; count += 1) flow.asked(peer(1), 5_000, noonMs + count);
    for (let count = 0; count < 10; count += 1) flow.asked(peer(2), 5_000, noonMs + count * (hungryWithinMs + 1));
    expect(flow.eager(noonMs + 10 * (hungryWithinMs + 1))).toEqual([]);
  });

  it('feeds six at most, whoever asks how often, and takes the place of none that gives', () => {
    const flow = new TopicFlow(noonMs);
    flow.came('a', peer(39), false, noonMs, noonMs);
    flow.asked(peer(39), 5_000, noonMs);
    flow.asked(peer(39), 5_000, noonMs + hungryAfterMs);
    for (let round = 0; round < 10; round += 1) {
      const atMs = noonMs + (round + 2) * hungryAfterMs;
      for (let index = 0; index < 39; index += 1) flow.asked(peer(index), 5_000, atMs);
    }
    expect(flow.eager(noonMs + 12 * hungryAfterMs)).toHaveLength(hungryMax);
    expect(flow.eager(noonMs + 12 * hungryAfterMs)).toContain(peer(39));
  });

  it('gives to who gave lately while it is troubled, and forgets who gives nothing any more', () => {
    const { flow, nowMs } = troubled();
    expect(flow.eager(nowMs)).toEqual([peer(0)]);
    for (let index = 1; index <= 30; index += 1) flow.came(`${index}`, peer(index), false, noonMs, nowMs);
    expect(flow.givers()).toEqual([30, 29, 28, 27, 26].map(peer));
    expect(flow.givers()).toHaveLength(giversPerEvent);
    for (let index = 0; index < giverEvents; index += 1) flow.came(`x${index}`, peer(31), false, noonMs, nowMs);
    expect(flow.givers()).toEqual([peer(31)]);
    expect(giverEvents).toBeGreaterThan(giversMax);
  });

  it('asks for events when a stream stops, some times, and the less often the more it was in vain', () => {
    const { events, ticks, quietMs, factor } = flowLimits.silence;
    const flow = new TopicFlow(noonMs);
    let nowMs = noonMs;
    const streamThenCount = (untilMs: number) => {
      for (let index = 0; index < events; index += 1) {
        nowMs += 100;
        flow.came(`${nowMs}`, peer(0), false, nowMs, nowMs);
      }
      const fromMs = nowMs;
      let count = 0;
      for (; nowMs < fromMs + untilMs; nowMs += 1_000) if (flow.isSilent(nowMs)) count += 1;
      return count;
    };
    expect(streamThenCount(quietMs)).toBe(0);
    expect(streamThenCount(60_000)).toBe(ticks);
    expect(streamThenCount(quietMs * factor)).toBe(0);
    expect(flow.wasTroubled).toBe(true);
    flow.wake(nowMs);
    expect(flow.wasTroubled).toBe(false);
  });

  it('does not take an event that we gave for a gift when it comes back', () => {
    const { flow, nowMs } = troubled();
    flow.forwarded('e', [peer(5)], false, nowMs);
    flow.cameAgain('e', peer(5));
    expect(flow.givers()).toEqual([peer(0)]);
    flow.cameAgain('e', peer(6));
    expect(flow.givers()).toEqual([peer(6), peer(0)]);
  });
});

/** A world whose ring is formed and still. */
function formed(count: number, seed = 1): RingWorld {
  const world = new RingWorld(count, { seed });
  world.joinAll(ward, 4);
  world.run(60);
  world.sent.clear();
  return world;
}

describe('members of a ring', () => {
  it('name what came to few others while all is well, and ask for nothing', () => {
    const world = formed(40);
    const events = 10;
    for (let index = 0; index < events; index += 1) {
      world.publish(world.node(index), ward, small);
      world.run(1);
    }
    world.run(10);
    expect(world.sent.get('want') ?? 0).toBe(0);
    // Two tellings of each member, of several events each; each publisher tells everybody it knows once. Then, some say it
    // once more to whom they ask because the stream stopped.
    const { spanMs } = calm;
    const { ticks, members } = flowLimits.silence;
    expect(world.sent.get('have')).toBeGreaterThan(40);
    expect(world.sent.get('have')).toBeLessThan(40 * (events + spanMs / 1_000 + 2 + 2 * ticks * members) + 40 * events);
  });

  it('get every event within ten seconds though three of four members hand on nothing, from one moment on', () => {
    const world = formed(48);
    const honest = world.all.slice(0, 12);
    const good = new Set(honest.map((node) => node.peer));
    world.intercept = (from, _to, message) =>
      good.has(from) || (message.kind !== 'event' && message.kind !== 'have') ? message : null;
    const events = 20;
    for (let index = 0; index < events; index += 1) {
      world.publish(honest[index % 4] as WorldNode, ward, small);
      world.run(1);
    }
    world.run(9);
    const missing = honest.map((node, index) => events - (index < 4 ? 5 : 0) - node.delivered.length);
    expect(missing).toEqual(honest.map(() => 0));
  });

  it('are told no more by who is named invented events, and ask for a bounded number', () => {
    const world = formed(30);
    const [liar, victim] = [world.node(0), world.node(15)];
    const before = victim.rings.counts.announced;
    for (let second = 0; second < 20; second += 1) {
      const ids = Array.from({ length: 30 }, (_, index) => new Uint8Array(16).fill(index).fill(second, 8));
      world.inject(liar.peer, victim.peer, { kind: 'have', route, ids });
      world.run(1);
    }
    expect(victim.rings.counts.announced).toBe(before);
    expect(victim.rings.counts.wanted).toBeLessThanOrEqual(600);
  });

  it('send at most six more copies of an event, however many ask for what they have', () => {
    const world = formed(40);
    const victim = world.node(0);
    const id = world.publish(victim, ward, small);
    world.run(3);
    for (let times = 0; times < 3; times += 1) {
      for (const greedy of world.all.slice(1)) {
        world.inject(greedy.peer, victim.peer, { kind: 'want', route, ids: [id] });
      }
      world.run(2);
    }
    const before = victim.rings.counts.sent;
    world.publish(victim, ward, small);
    expect(victim.rings.counts.sent - before).toBeGreaterThan(2);
    expect(victim.rings.counts.sent - before).toBeLessThanOrEqual(3 + hungryMax);
  });
});
