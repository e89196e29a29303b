import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { descriptorOfNumber } from '../testing/sampling-network.ts';
import {
  answerAll,
  live,
  made,
  of,
  others,
  peersOf,
  pullOf,
  self,
  send,
  someOf,
  startMs,
} from '../testing/sampling-peer.ts';
import { TrustBook } from '../trust/trust-book.ts';
import { peerSamplingDefaults, peerSamplingLimits } from './options.ts';

describe('a round of peer sampling', () => {
  it('asks four different peers of the view, and the next one those that were not asked', () => {
    const node = made();
    const first = of(node.start(others.slice(0, 8), startMs), 'pull');
    expect(new Set(first.map(({ to }) => to)).size).toBe(4);
    const second = of(node.wake(node.dueAtMs), 'pull');
    expect(second.length).toBeGreaterThanOrEqual(3);
    for (const { to } of second) expect(first.map((pull) => pull.to)).not.toContain(to);
  });

  it('costs one dial where enough of the view is connected, and asks all of it in turn', () => {
    const node = made();
    live(node, 4);
    const connected = new Set(peersOf(node.view).slice(0, 12));
    let nowMs = node.dueAtMs;
    for (const peer of connected) node.connected(peer, nowMs);
    const asked = new Set<PeerId>();
    let dials = 0;
    for (let round = 0; round < 32; round += 1) {
      const messages = node.wake(nowMs);
      const pulls = of(messages, 'pull').map(({ to }) => to);
      expect(pulls).toHaveLength(peerSamplingDefaults.pullsPerRound);
      dials += pulls.filter((peer) => !connected.has(peer)).length;
      for (const peer of pulls) asked.add(peer);
      answerAll(node, messages, nowMs, () => []);
      nowMs = node.dueAtMs;
    }
    // One or two a round, and now and then a seed.
    expect(dials).toBeLessThanOrEqual(1.75 * 32);
    expect([...asked].filter((peer) => !connected.has(peer)).length).toBeGreaterThan(5);
    const held = peersOf(node.view);
    expect(held.length).toBeGreaterThan(10);
    expect(held.filter((peer) => !asked.has(peer)).length).toBeLessThanOrEqual(2);
  });

  it('probes nobody who was heard from in the last two minutes, and others over connections as well', () => {
    const node = made({ stillRoundMs: peerSamplingDefaults.roundMs });
    let nowMs = live(node, 4);
    const heardAtMs = new Map<PeerId, number>();
    const probed = new Set<PeerId>();
    for (const peer of peersOf(others)) node.connected(peer, nowMs);
    for (let round = 0; round < 60; round += 1) {
      nowMs = node.dueAtMs;
      for (const { to, message } of node.wake(nowMs)) {
        if (message.kind === 'probe') {
          const quietMs = nowMs - (heardAtMs.get(to) ?? Number.NEGATIVE_INFINITY);
          expect(quietMs).toBeGreaterThan(peerSamplingDefaults.aliveMs);
          probed.add(to);
        }
        if (message.kind === 'probe') node.onProbe(to, { ...message, isReply: true }, nowMs);
        else if (message.kind === 'pull') {
          node.onView(to, { kind: 'view', nonce: message.nonce, descriptors: [] }, nowMs);
        }
        heardAtMs.set(to, nowMs);
      }
    }
    expect(probed.size).toBeGreaterThan(3);
  });

  it('follows after about a second while the view is short, else after ten give or take two', () => {
    const short = made();
    short.start(others.slice(0, 3), startMs);
    expect(short.dueAtMs - startMs).toBeGreaterThanOrEqual(800);
    expect(short.dueAtMs - startMs).toBeLessThanOrEqual(1_200);
    const full = made();
    const beganMs = live(full, 4);
    expect(full.dueAtMs - beganMs).toBeGreaterThanOrEqual(8_000);
    expect(full.dueAtMs - beganMs).toBeLessThanOrEqual(12_000);
  });

  it('slows down once nobody new is heard of, and not before: until then those who were there first have more than their share', () => {
    const pauseAfter = (answer?: () => Descriptor[]) => {
      const node = made({ stillAfterRounds: 6 });
      const beganMs = live(node, 40, startMs, answer);
      return node.dueAtMs - beganMs;
    };
    let next = 1_000;
    const newcomers = () => {
      next += 10;
      return Array.from({ length: 10 }, (_, index) => descriptorOfNumber(next + index));
    };
    expect(pauseAfter()).toBeGreaterThanOrEqual(0.8 * peerSamplingDefaults.stillRoundMs);
    expect(pauseAfter(newcomers)).toBeLessThanOrEqual(1.2 * peerSamplingDefaults.roundMs);
  });

  it('asks a seed each twenty seconds for five minutes, then every eighty or with the next round, however seldom rounds have become', () => {
    const node = made({ stillAfterRounds: 1 });
    const [seed] = others as [Descriptor];
    let messages = node.start([seed], startMs);
    let nowMs = startMs;
    let askedAtMs = startMs;
    const gaps: number[] = [];
    const { seedEveryRounds, seedEveryRoundsFirst, seedFirstRounds } = peerSamplingLimits;
    const firstGaps: number[] = [];
    for (let round = 0; round < 60; round += 1) {
      if (of(messages, 'pull').some(({ to }) => to === seed.peer)) {
        const isFirst = nowMs - startMs < seedFirstRounds * peerSamplingDefaults.roundMs;
        (isFirst ? firstGaps : gaps).push(nowMs - askedAtMs);
        askedAtMs = nowMs;
      }
      answerAll(node, messages, nowMs, () => someOf(others.slice(0, 40)));
      nowMs = node.dueAtMs;
      messages = node.wake(nowMs);
    }
    const { roundMs, stillRoundMs, roundJitter } = peerSamplingDefaults;
    expect(nowMs - startMs).toBeGreaterThan(30 * stillRoundMs);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(seedEveryRounds * roundMs + (1 + roundJitter) * stillRoundMs);
    expect(Math.max(...firstGaps)).toBeLessThanOrEqual(
      seedEveryRoundsFirst * roundMs + (1 + roundJitter) * stillRoundMs,
    );
    expect(firstGaps.length).toBeGreaterThan(3);
  });

  it('takes for a seed whom others than the overlay connected us to, and asks it again after it was found dead', () => {
    const node = made();
    const [seed, stranger, ...rest] = others as [Descriptor, Descriptor, ...Descriptor[]];
    let messages = node.start([], startMs);
    node.connected(seed.peer, startMs, true);
    node.connected(stranger.peer, startMs);
    const askedAtMs = new Map<PeerId, number[]>([seed, stranger].map(({ peer }) => [peer, []]));
    let nowMs = startMs;
    const liveUntil = (endMs: number) => {
      for (; nowMs < endMs; nowMs = node.dueAtMs, messages = node.wake(nowMs)) {
        for (const { to } of of(messages, 'pull')) askedAtMs.get(to)?.push(nowMs);
        // Neither is ever named by others.
        answerAll(node, messages, nowMs, () => someOf(rest.slice(0, 60)));
      }
    };
    node.onPull(seed.peer, { kind: 'pull', nonce: 1, self: seed, want: 1 }, nowMs);
    liveUntil(startMs + 600_000);
    node.disconnected(seed.peer);
    node.disconnected(stranger.peer);
    node.unreachable(seed.peer, nowMs);
    const deadMs = nowMs;
    liveUntil(deadMs + 2 * peerSamplingDefaults.deadMs);
    const askedAt = (peer: PeerId) => askedAtMs.get(peer) ?? [];
    expect(askedAt(seed.peer).filter((atMs) => atMs < deadMs).length).toBeGreaterThan(10);
    const later = askedAt(seed.peer).filter((atMs) => atMs > deadMs);
    expect(later.length).toBeGreaterThan(3);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(deadMs + peerSamplingDefaults.deadMs);
    expect(askedAt(stranger.peer).filter((atMs) => atMs > startMs + 300_000)).toEqual([]);
  });

  it('slows down when there are not enough peers to fill half a view', () => {
    const node = made();
    let messages = node.start(others.slice(0, 2), startMs);
    let lastMs = startMs;
    for (let round = 0; round < peerSamplingDefaults.fastRoundsMax + 1; round += 1) {
      answerAll(node, messages, node.dueAtMs, () => [...others.slice(0, 2)]);
      lastMs = node.dueAtMs;
      messages = node.wake(lastMs);
    }
    answerAll(node, messages, lastMs, () => []);
    expect(node.dueAtMs - lastMs).toBeGreaterThanOrEqual(8_000);
    expect(new Set(peersOf(node.view))).toEqual(new Set(peersOf(others.slice(0, 2))));
  });

  it('is made in less and less haste where three rounds brought nobody new, until somebody comes', () => {
    const node = made();
    const few = others.slice(0, 4);
    let nowMs = startMs;
    let messages = node.start(few, nowMs);
    for (let round = 0; round < peerSamplingLimits.vainRoundsMax + 5; round += 1) {
      answerAll(node, messages, nowMs, () => [...few]);
      nowMs = node.dueAtMs;
      messages = node.wake(nowMs);
    }
    answerAll(node, messages, nowMs, () => [...few]);
    expect(node.dueAtMs - nowMs).toBeGreaterThanOrEqual(8_000);
    node.connected((others[9] as Descriptor).peer, nowMs);
    expect(node.dueAtMs - nowMs).toBeLessThanOrEqual(peerSamplingDefaults.fastRoundMs);
  });

  it('is made in haste as long as nobody answers: that says nothing about who else there is', () => {
    const node = made();
    node.start(others.slice(0, 4), startMs);
    const pausesMs: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const nowMs = node.dueAtMs;
      node.wake(nowMs);
      pausesMs.push(node.dueAtMs - nowMs);
    }
    expect(Math.max(...pausesMs)).toBeLessThanOrEqual(1_200);
  });

  it('fills the view with what is answered, each peer once and never itself', () => {
    const node = made();
    live(node, 6, startMs, () => [self, ...someOf(others)].slice(0, 10));
    expect(node.view).toHaveLength(20);
    expect(new Set(peersOf(node.view)).size).toBe(20);
    expect(peersOf(node.view)).not.toContain(self.peer);
    for (const { peer } of node.view) expect(node.descriptorOf(peer)).toBeDefined();
  });

  it('keeps the view as it is when nobody answers, so that silence chooses nobody', () => {
    const node = made();
    const nowMs = live(node, 5);
    const before = peersOf(node.view);
    node.onPull((others[70] as Descriptor).peer, pullOf(others[70] as Descriptor), nowMs);
    for (const { peer } of node.view) node.disconnected(peer);
    // Up to the end of the round that is under way, whose answers have come, and of one without answers.
    node.wake(node.dueAtMs);
    const settled = peersOf(node.view);
    node.wake(node.dueAtMs);
    expect(peersOf(node.view).filter((peer) => settled.includes(peer)).length).toBeGreaterThanOrEqual(16);
    expect(before).toHaveLength(20);
  });

  it('asks a friend in each round', () => {
    const trust = new TrustBook();
    const friend = others[0] as Descriptor;
    trust.set(friend.peer, 0.9);
    const node = made({ trust });
    let messages = node.start(others.slice(0, 20), startMs);
    for (let round = 0; round < 30; round += 1) {
      expect(of(messages, 'pull').map(({ to }) => to)).toContain(friend.peer);
      answerAll(node, messages, node.dueAtMs, () => someOf(others.slice(1))); // nobody names the friend
      messages = node.wake(node.dueAtMs);
    }
  });

  it('takes trusted peers more often among those whom strangers name, and strangers no less than half as often', () => {
    const trusted = new Set(peersOf(others.slice(40)));
    const shareWith = (trust: number) => {
      const held = Array.from({ length: 100 }, (_, seed) => {
        const book = new TrustBook();
        for (const peer of trusted) book.set(peer, trust);
        const node = made({ trust: book, viewSize: 10, pulledShare: 0.9, seed });
        live(node, 1); // asks strangers only: no friend was heard of yet, to lend trust to whom it names
        return peersOf(node.view);
      }).flat();
      return held.filter((peer) => trusted.has(peer)).length / held.length;
    };
    const share = shareWith(1);
    expect(share).toBeGreaterThan(shareWith(0) + 0.05);
    expect(share).toBeLessThan(2 / 3);
  });

  it('takes whom a friend names like a friend', () => {
    const book = new TrustBook();
    book.set((others[0] as Descriptor).peer, 1);
    const node = made({ trust: book });
    const messages = node.start(others.slice(0, 5), startMs);
    const ofFriend = others.slice(10, 20);
    for (const { to, message } of of(messages, 'pull')) {
      const isFriend = to === (others[0] as Descriptor).peer;
      send(node, to, message.nonce, isFriend ? ofFriend : others.slice(20, 30));
    }
    for (const { peer } of ofFriend) expect(book.of(peer)).toBe(0.9);
    expect(book.of((others[25] as Descriptor).peer)).toBe(0);
  });
});

describe('answers of peer sampling', () => {
  it('show at most ten of the view or itself, without the asker', () => {
    const node = made();
    const nowMs = live(node, 6);
    const asker = node.view[0] as Descriptor;
    const [answer] = of(node.onPull(asker.peer, pullOf(asker, 77), nowMs), 'view');
    expect(answer?.to).toBe(asker.peer);
    expect(answer?.message.nonce).toBe(77);
    const given = peersOf(answer?.message.descriptors ?? []);
    expect(given).toHaveLength(10);
    expect(new Set(given).size).toBe(10);
    expect(given).not.toContain(asker.peer);
    for (const peer of given) expect([self.peer, ...peersOf(node.view)]).toContain(peer);
  });

  it('are as short as the asker wants', () => {
    const node = made();
    const nowMs = live(node, 3);
    const asker = others[50] as Descriptor;
    const [answer] = of(node.onPull(asker.peer, { ...pullOf(asker), want: 3 }, nowMs), 'view');
    expect(answer?.message.descriptors).toHaveLength(3);
    for (const want of [0, -1, Number.NaN]) {
      expect(node.onPull(asker.peer, { ...pullOf(asker), want }, nowMs)).toEqual([]);
    }
  });

  it('name no client, whom only its own connections reach, but a client may ask and is held while connected', () => {
    const client = descriptorOfNumber(500, { addresses: [] });
    const node = made();
    node.connected(client.peer, startMs);
    node.start(others.slice(0, 3), startMs);
    expect(of(node.onPull(client.peer, pullOf(client), startMs), 'view')).toHaveLength(1);
    node.wake(node.dueAtMs);
    expect(peersOf(node.view)).toContain(client.peer);
    const asker = others[0] as Descriptor;
    const [answer] = of(node.onPull(asker.peer, pullOf(asker), startMs), 'view');
    expect(peersOf(answer?.message.descriptors ?? [])).not.toContain(client.peer);
    node.disconnected(client.peer);
    expect(peersOf(node.view)).not.toContain(client.peer);
  });

  it('end for a peer that asks without end, and after their first for all when too many ask', () => {
    const node = made({ answersMax: 20, answersPerPeerMax: 5 });
    node.start(others.slice(0, 3), startMs);
    const answered = (descriptor: Descriptor) =>
      Array.from({ length: 10 }, () => node.onPull(descriptor.peer, pullOf(descriptor), startMs).length).filter(
        (count) => count > 0,
      ).length;
    expect(others.slice(0, 6).map(answered)).toEqual([5, 5, 5, 5, 1, 1]);
    const probe = { kind: 'probe', nonce: 1, isReply: false } as const;
    const probed = others.slice(0, 10).flatMap(({ peer }) => node.onProbe(peer, probe, startMs));
    expect(probed).toHaveLength(10); // whoever asks too much of us hides our life from nobody
    node.wake(startMs + 2_000); // the next round
    expect(answered(others[5] as Descriptor)).toBe(5);
  });
});

describe('peers that are gone', () => {
  it('leave the view after two pulls or probes without answer, and are held for dead', () => {
    const node = made();
    const gone = others[0] as Descriptor;
    const sent = [...node.start([gone], startMs)];
    let nowMs = startMs;
    for (let step = 0; step < 100 && node.descriptorOf(gone.peer) !== undefined; step += 1) {
      nowMs = node.dueAtMs;
      sent.push(...node.wake(nowMs));
    }
    expect(node.view).toEqual([]);
    expect(nowMs - startMs).toBeGreaterThanOrEqual(2 * peerSamplingDefaults.answerTimeoutMs);
    expect(of(sent, 'probe')).toHaveLength(2);
  });

  it('leave the view but not the history when they answer probes only, and come back with an answer', () => {
    const node = made();
    const [silent, speaking] = others as [Descriptor, Descriptor];
    let isSilent = true;
    let messages = node.start([silent, speaking], startMs);
    const round = () => {
      const answered = messages.filter(
        ({ to, message }) => !isSilent || to !== silent.peer || message.kind === 'probe',
      );
      answerAll(node, answered, node.dueAtMs, () => [speaking, silent]);
      messages = node.wake(node.dueAtMs);
      return peersOf(node.view);
    };
    const views = Array.from({ length: 120 }, round);
    expect(views[0]).toContain(silent.peer);
    expect(views.slice(30).flat()).not.toContain(silent.peer);
    expect(node.descriptorOf(silent.peer)).toBe(silent);
    isSilent = false;
    expect(Array.from({ length: 60 }, round).at(-1)).toContain(silent.peer);
  });

  it('are not taken again for ten minutes, even if somebody names them, unless they speak themselves', () => {
    const node = made();
    const nowMs = live(node, 6);
    const dead = node.view[3] as Descriptor;
    node.unreachable(dead.peer, nowMs);
    expect(peersOf(node.view)).not.toContain(dead.peer);
    expect(node.descriptorOf(dead.peer)).toBeUndefined();
    const naming = () => [dead, ...someOf(others.filter(({ peer }) => peer !== dead.peer))].slice(0, 10);
    let messages = node.wake(node.dueAtMs);
    let atMs = nowMs;
    while (node.dueAtMs < nowMs + peerSamplingDefaults.deadMs) {
      answerAll(node, messages, node.dueAtMs, naming);
      atMs = node.dueAtMs;
      messages = node.wake(atMs);
      expect(peersOf(node.view)).not.toContain(dead.peer);
    }
    expect(node.refusals.dead).toBeGreaterThan(20);
    node.onPull(dead.peer, pullOf(dead), atMs);
    expect(node.descriptorOf(dead.peer)).toBe(dead);
  });

  it('come back after ten minutes', () => {
    const node = made();
    const nowMs = live(node, 6);
    const dead = node.view[3] as Descriptor;
    node.unreachable(dead.peer, nowMs);
    const laterMs = nowMs + peerSamplingDefaults.deadMs;
    const [pull] = of(node.wake(laterMs), 'pull');
    if (pull !== undefined) send(node, pull.to, pull.message.nonce, [dead], laterMs);
    expect(node.descriptorOf(dead.peer)).toBe(dead);
  });

  it('are remembered up to a limit, the first ones being forgotten', () => {
    const node = made();
    node.start(others.slice(0, 1), startMs);
    node.unreachable((others[0] as Descriptor).peer, startMs);
    for (let number = 0; number < peerSamplingLimits.deadMax; number += 1) {
      node.unreachable(`gone ${number}` as PeerId, startMs); // any text will do here
    }
    const first = others[0] as Descriptor;
    const [pull] = of(node.wake(node.dueAtMs), 'pull'); // nobody is left: the seed again
    expect(pull?.to).toBe(first.peer);
  });

  it('are asked again when nobody else is left, as it may have been our own network that was gone', () => {
    const node = made();
    const nowMs = live(node, 6);
    const before = new Set([...peersOf(node.view), ...peersOf(others.slice(0, 20))]);
    for (const { peer } of others) node.unreachable(peer, nowMs);
    expect(node.view).toEqual([]);
    const messages = node.wake(node.dueAtMs);
    const asked = of(messages, 'pull').map(({ to }) => to);
    expect(asked).toHaveLength(4);
    for (const peer of asked) expect(before).toContain(peer);
    answerAll(node, messages, node.dueAtMs, () => someOf(others));
    node.wake(node.dueAtMs);
    expect(node.view.length).toBeGreaterThan(10);
  });

  it('whose words have run out leave the view and are asked nothing', () => {
    const node = made();
    live(node, 6);
    const laterMs = startMs + 13 * 3_600_000;
    expect(of(node.wake(laterMs), 'pull')).toEqual([]);
    expect(node.view).toEqual([]);
  });
});

describe('connections', () => {
  it('are asked at once while the view is short, without their descriptor being known', () => {
    const node = made();
    node.start([], startMs);
    const stranger = others[0] as Descriptor;
    const [pull] = of(node.connected(stranger.peer, startMs + 10), 'pull');
    expect(pull?.to).toBe(stranger.peer);
    send(node, stranger.peer, pull?.message.nonce as number, [stranger, ...others.slice(1, 10)]);
    node.wake(node.dueAtMs);
    expect(new Set(peersOf(node.view))).toEqual(new Set(peersOf(others.slice(0, 10))));
  });

  it('in crowds are not all asked at once', () => {
    const node = made();
    node.start([], startMs);
    const pulls = others.flatMap(({ peer }) => of(node.connected(peer, startMs + 10), 'pull'));
    expect(pulls).toHaveLength(4);
    expect(of(node.wake(startMs + peerSamplingDefaults.answerTimeoutMs + 10), 'pull')).toHaveLength(4);
  });

  it('change nothing once the view is half full', () => {
    const node = made();
    const nowMs = live(node, 6);
    expect(node.connected((others[70] as Descriptor).peer, nowMs)).toEqual([]);
  });
});
