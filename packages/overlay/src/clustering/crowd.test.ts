import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { expect, it } from 'vitest';
import { createDescriptor, interestDigestOf } from '../descriptor.ts';
import { exactInterest } from '../interest/exact-interest.ts';
import { drawFilter, defaultFilterShape as shape } from '../interest/interest-filter.ts';
import type { Outgoing } from '../message.ts';
import { noTrust } from '../testing/clustered-network.ts';
import { createTopic, epochAt, epochMs, type Topic } from '../topic.ts';
import { Clustering } from './clustering.ts';

const startMs = Date.UTC(2030, 0, 10);
const epoch = epochAt(startMs, epochMs.filter);
const topics = Array.from({ length: 200 }, (_, index) => createTopic(`topic ${index}`));

function createMember(
  reads: readonly Topic[],
  address: string,
  random: Random,
  signer = createSigner(random.bytes(32)),
  version = 1,
) {
  const draw = { shape, epsilonMilli: 3_000, epoch, salt: random.bytes(16) };
  const filter = drawFilter(draw, exactInterest(reads, epoch, shape).positions, random.bytes(32));
  const said = { addresses: [address], version, expiresAtSeconds: startMs / 1_000 + 40_000, capabilities: 1 };
  return { filter, descriptor: createDescriptor({ ...said, interestDigest: interestDigestOf(filter.bytes) }, signer) };
}

it('a crowd that shows new filters without end, each within its rate, drives nobody out of the similar peers', () => {
  const random = createSeededRandom(5);
  const reads = topics.slice(0, 20);
  const self = createMember(reads, '/ip4/192.0.2.1/tcp/1', random);
  const honest = Array.from({ length: 40 }, (_, index) => {
    const shared = topics.slice(0, index < 30 ? 14 : 2);
    return createMember(
      [...shared, ...random.shuffle(topics.slice(20)).slice(0, 6)],
      `/ip4/10.0.${index}.1/tcp/1`,
      random,
    );
  });
  const byPeer = new Map(honest.map((member) => [member.descriptor.peer, member]));
  const clustering = new Clustering(
    {
      self: () => self.descriptor,
      shownFilter: () => self.filter,
      exactInterest: (at) => exactInterest(reads, at, shape),
      sampled: () => honest.slice(20).map(({ descriptor }) => descriptor),
      ringNeighbours: () => [],
      isConnected: () => true,
    },
    { random: createSeededRandom(6), trust: noTrust },
  );
  const textOf = (digest: Uint8Array | undefined) => String(digest);
  let nowMs = startMs;
  const answer = (outputs: readonly Outgoing[]): void => {
    for (const { to, message } of outputs) {
      const member = byPeer.get(to);
      if (member === undefined) continue; // of the crowd: says nothing
      if (message.kind === 'near') {
        const others = random.shuffle(honest.slice(0, 30)).slice(0, 9);
        const descriptors = [member, ...others].map(({ descriptor }) => descriptor);
        answer(clustering.onNearby(to, { kind: 'nearby', nonce: message.nonce, descriptors }, nowMs));
      }
      if (message.kind !== 'ask-filters') continue;
      const asked = new Set(message.digests.map(textOf));
      const known = honest.filter(({ descriptor }) => asked.has(textOf(descriptor.interestDigest)));
      const filters = known.map(({ filter }) => filter.bytes);
      clustering.onFilters(to, { kind: 'filters', nonce: message.nonce, filters }, nowMs);
    }
  };
  const run = (seconds: number, each: () => void) => {
    for (let second = 0; second < seconds; second += 1) {
      nowMs += 1_000;
      each();
      if (clustering.dueAtMs <= nowMs) answer(clustering.wake(nowMs));
    }
  };
  run(200, () => {});
  const honestNear = () => clustering.near.filter(({ peer }) => byPeer.has(peer)).length;
  expect(honestNear()).toBeGreaterThanOrEqual(18);
  const crowd = Array.from({ length: 40 }, () => createSigner(random.bytes(32)));
  let version = 1;
  let least = Number.POSITIVE_INFINITY;
  run(120, () => {
    version += 1;
    for (const [index, signer] of crowd.entries()) {
      if (version % 3 === 0) break; // forty a minute of each
      const strange = random.shuffle(topics.slice(20)).slice(0, 20);
      const { descriptor, filter } = createMember(strange, `/ip4/11.0.${index}.1/tcp/1`, random, signer, version);
      clustering.onNear(descriptor.peer, { kind: 'near', nonce: 1, self: descriptor, filter: filter.bytes }, nowMs);
    }
    least = Math.min(least, honestNear());
  });
  expect(least).toBeGreaterThanOrEqual(16);
});
