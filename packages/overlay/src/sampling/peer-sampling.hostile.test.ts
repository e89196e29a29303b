import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { descriptorOfNumber } from '../testing/sampling-network.ts';
import {
  all,
  answerAll,
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
import { peerSamplingDefaults } from './options.ts';
import type { PeerSampling } from './peer-sampling.ts';

describe('what peer sampling does not take', () => {
  const nothingNew = (node: PeerSampling, act: () => unknown) => {
    const before = peersOf(node.view);
    act();
    node.wake(node.dueAtMs);
    expect(peersOf(node.view).filter((peer) => !before.includes(peer))).toEqual([]);
  };
  const started = () => {
    const node = made();
    const [pull] = of(node.start(others.slice(0, 1), startMs), 'pull');
    return { node, asked: pull?.to as PeerId, nonce: pull?.message.nonce as number };
  };
  const fresh = others.slice(30, 40);

  it.each<[string, string, (node: PeerSampling, asked: PeerId, nonce: number) => void]>([
    ['an answer nobody asked for', 'unasked', (node, _, nonce) => send(node, peerAt(5), nonce, fresh)],
    ['an answer with another nonce', 'unasked', (node, asked, nonce) => send(node, asked, nonce + 1, fresh)],
    ['more than was asked for', 'oversized', (node, asked, nonce) => send(node, asked, nonce, others.slice(30, 41))],
    ['itself', 'own', (node, asked, nonce) => send(node, asked, nonce, [self])],
    ['what has run out', 'expired', (node, asked, nonce) => send(node, asked, nonce, [expired(31)])],
    ['what holds too long', 'expired', (node, asked, nonce) => send(node, asked, nonce, [tooLong(31)])],
    ['what a peer did not sign', 'forged', (node, asked, nonce) => send(node, asked, nonce, [forged(31)])],
    ['clients of others', 'without-address', (node, asked, nonce) => send(node, asked, nonce, [client(31)])],
  ])('%s', (_, reason, act) => {
    const { node, asked, nonce } = started();
    nothingNew(node, () => act(node, asked, nonce));
    expect(node.refusals).toEqual({ [reason]: 1 });
  });

  it('a second answer to the same pull', () => {
    const { node, asked, nonce } = started();
    send(node, asked, nonce, others.slice(30, 32));
    send(node, asked, nonce, others.slice(40, 42));
    node.wake(node.dueAtMs);
    expect(peersOf(node.view)).toEqual(expect.arrayContaining(peersOf(others.slice(30, 32))));
    for (const peer of peersOf(others.slice(40, 42))) expect(peersOf(node.view)).not.toContain(peer);
    expect(node.refusals).toEqual({ unasked: 1 });
  });

  it('an answer that comes too late', () => {
    const { node, asked, nonce } = started();
    node.wake(startMs + peerSamplingDefaults.answerTimeoutMs);
    send(node, asked, nonce, fresh);
    expect(node.refusals).toEqual({ unasked: 1 });
  });

  it('an introduction in the name of another', () => {
    const { node } = started();
    const victim = others[60] as Descriptor;
    nothingNew(node, () => expect(node.onPull(peerAt(61), pullOf(victim), startMs)).toEqual([]));
    expect(node.refusals).toEqual({ 'wrong-peer': 1 });
  });

  it('one id many times in an answer for more than one', () => {
    const { node, asked, nonce } = started();
    send(node, asked, nonce, new Array<Descriptor>(10).fill(others[30] as Descriptor));
    node.wake(node.dueAtMs);
    expect(peersOf(node.view)).toHaveLength(2);
    expect(node.refusals).toEqual({});
  });

  it('a word of life that was not asked for', () => {
    const { node } = started();
    expect(node.onProbe(peerAt(5), { kind: 'probe', nonce: 3, isReply: true }, startMs)).toEqual([]);
    expect(node.refusals).toEqual({ unasked: 1 });
  });

  it('an older version of what is known, while a newer one replaces it', () => {
    const { node, asked, nonce } = started();
    const versions = [3, 1, 2].map((version) => descriptorOfNumber(31, { version }));
    const [newest] = versions as [Descriptor];
    send(node, asked, nonce, [newest]);
    const [again] = of(node.wake(node.dueAtMs), 'pull').filter(({ to }) => to === newest.peer);
    expect(again).toBeDefined();
    for (const version of versions) node.onPull(version.peer, pullOf(version), startMs + 1_000);
    expect(node.descriptorOf(newest.peer)?.version).toBe(3);
    const newer = descriptorOfNumber(31, { version: 9 });
    node.onPull(newer.peer, pullOf(newer), startMs + 1_000);
    expect(node.descriptorOf(newest.peer)?.version).toBe(9);
  });

  it('anything that makes it throw or grow, whatever comes from whomever and whenever', () => {
    const messages = fc.oneof(
      fc.record({ kind: fc.constant('pull' as const), nonce: fc.nat(3), who: fc.nat(79), want: fc.integer() }),
      fc.record({
        kind: fc.constant('view' as const),
        nonce: fc.nat(3),
        whom: fc.array(fc.nat(79), { maxLength: 15 }),
      }),
      fc.record({ kind: fc.constant('probe' as const), nonce: fc.nat(3), isReply: fc.boolean() }),
      fc.record({ kind: fc.constant('link' as const), now: fc.constantFrom('made', 'gone', 'impossible') }),
    );
    const step = fc.record({ from: fc.nat(79), message: messages, afterMs: fc.nat(4_000), isAnswer: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, seed) => {
        const node = made({ seed });
        let nowMs = startMs;
        let sent = node.start(others.slice(0, 5), nowMs);
        for (const { from, message, afterMs, isAnswer } of steps) {
          nowMs += afterMs;
          if (isAnswer) answerAll(node, sent, nowMs, () => someOf(others));
          const peer = (all[from] as Descriptor).peer;
          if (message.kind === 'link') {
            if (message.now === 'made') sent = node.connected(peer, nowMs);
            else if (message.now === 'gone') node.disconnected(peer);
            else node.unreachable(peer, nowMs);
          } else if (message.kind === 'probe') node.onProbe(peer, message, nowMs);
          else if (message.kind === 'pull') {
            const pull = { ...message, self: all[message.who] as Descriptor };
            for (const answer of of(node.onPull(peer, pull, nowMs), 'view')) {
              expect(answer.message.descriptors.length).toBeLessThanOrEqual(10);
            }
          } else {
            const descriptors = message.whom.map((index) => all[index] as Descriptor);
            node.onView(peer, { ...message, descriptors }, nowMs);
          }
          if (node.dueAtMs <= nowMs) sent = node.wake(nowMs);
          expect(node.dueAtMs).toBeGreaterThan(nowMs);
          expect(node.view.length).toBeLessThanOrEqual(20);
          expect(peersOf(node.view)).not.toContain(self.peer);
          expect(new Set(peersOf(node.view)).size).toBe(node.view.length);
        }
      }),
      { numRuns: 60 },
    );
  });
});

const peerAt = (index: number) => (others[index] as Descriptor).peer;
const expired = (index: number) => descriptorOfNumber(index, { expiresAtMs: startMs });
const tooLong = (index: number) => descriptorOfNumber(index, { expiresAtMs: startMs + 25 * 3_600_000 });
const client = (index: number) => descriptorOfNumber(index, { addresses: [] });
const forged = (index: number) => ({ ...(others[index] as Descriptor), addresses: ['/ip4/203.0.113.66/tcp/1'] });
