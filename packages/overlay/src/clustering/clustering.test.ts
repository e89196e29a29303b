import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDescriptor, type Descriptor, interestDigestOf } from '../descriptor.ts';
import { exactInterest } from '../interest/exact-interest.ts';
import { defaultFilterShape, drawFilter, type InterestFilter } from '../interest/interest-filter.ts';
import { messageLimits, type NearMessage, type Outgoing } from '../message.ts';
import { type ClusteredPeer, createClusteredNetwork, noTrust } from '../testing/clustered-network.ts';
import { createTopic, epochAt, epochMs, type Topic } from '../topic.ts';
import type { Trust } from '../trust.ts';
import { chooseFar, chooseNear, diverseFirst, type Scored } from './choose-views.ts';
import { Clustering } from './clustering.ts';
import { type ClusteringOptions, clusteringDefaults } from './clustering-options.ts';

const startMs = Date.UTC(2030, 0, 10);
const epoch = epochAt(startMs, epochMs.filter);
const random = createSeededRandom(5);
const topics = Array.from({ length: 200 }, (_, index) => createTopic(`topic ${index}`));

interface Member {
  readonly descriptor: Descriptor;
  readonly filter: InterestFilter;
}

function member(reads: readonly Topic[], address = '/ip4/203.0.113.1/tcp/1', epochOfFilter = epoch): Member {
  const draw = { shape: defaultFilterShape, epsilonMilli: 10_000, epoch: epochOfFilter, salt: random.bytes(16) };
  const positions = exactInterest(reads, epochOfFilter, defaultFilterShape).positions;
  return withFilter(drawFilter(draw, positions, random.bytes(32)), address);
}

function withFilter(filter: InterestFilter, address = '/ip4/203.0.113.1/tcp/1'): Member {
  const content = {
    addresses: address === '' ? [] : [address],
    version: 1,
    expiresAtSeconds: startMs / 1_000 + 3_600,
    capabilities: 1,
    interestDigest: interestDigestOf(filter.bytes),
  };
  return { filter, descriptor: createDescriptor(content, createSigner(random.bytes(32))) };
}

/** One machine that reads the first twenty topics, and what is around it. */
function createOne(
  init: {
    trust?: Trust;
    sampled?: Descriptor[];
    isConnected?: (peer: PeerId) => boolean;
    options?: Partial<ClusteringOptions>;
  } = {},
) {
  const reads = topics.slice(0, 20);
  const self = member(reads);
  const around = {
    self: () => self.descriptor,
    shownFilter: () => self.filter,
    exactInterest: (one: number) => exactInterest(reads, one, defaultFilterShape),
    sampled: () => init.sampled ?? [],
    ringNeighbours: () => [],
    isConnected: init.isConnected ?? (() => true),
  };
  const dependencies = { random: createSeededRandom(6), trust: init.trust ?? noTrust };
  return { self, reads, clustering: new Clustering(around, dependencies, init.options) };
}

const near = ({ descriptor, filter }: Member, nonce = 1): NearMessage => ({
  kind: 'near',
  nonce,
  self: descriptor,
  filter: filter.bytes,
});

function firstOf(outgoing: readonly Outgoing[]): Outgoing {
  const [first] = outgoing;
  if (first === undefined) throw new Error('nothing was sent');
  return first;
}

describe('choosing', () => {
  const scored = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      descriptor: member([], `/ip4/10.0.${index}.1/tcp/1`).descriptor,
      score: index,
    }));

  it('near takes the most similar, best first: earlier implementations sorted upwards and kept the least similar', () => {
    expect(chooseNear(random.shuffle(scored(50)), 20).map(({ score }) => score)).toEqual(
      Array.from({ length: 20 }, (_, index) => 49 - index),
    );
  });

  it('far takes the least similar fifth', () => {
    const chosen = chooseFar(random.shuffle(scored(50)), 0.2, 5);
    expect(chosen.map(({ score }) => score)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('far takes at most half from one /24, however unlike they are, as long as there are others', () => {
    const flood = Array.from({ length: 100 }, (_, index) => ({
      descriptor: member([], `/ip4/198.51.100.${index}/tcp/1`).descriptor,
      score: -1,
    }));
    const isFlood = ({ score }: Scored) => score === -1;
    const pool = chooseFar(random.shuffle([...flood, ...scored(50)]), 0.2, 5);
    expect([pool.length, pool.filter(isFlood).length]).toEqual([30, 15]);
    for (let round = 0; round < 20; round += 1) {
      const chosen = diverseFirst(random.shuffle(pool), 5);
      expect([chosen.length, chosen.filter(isFlood).length <= 2]).toEqual([5, true]);
      const kept = flood.slice(0, 2).map(({ descriptor }) => descriptor);
      expect(diverseFirst(random.shuffle(pool), 3, kept).filter(isFlood)).toEqual([]);
    }
    expect(diverseFirst(flood, 5)).toHaveLength(5);
  });

  it('near takes at most half from one /24 or /48, however similar they are', () => {
    const flood = Array.from({ length: 30 }, (_, index) => ({
      descriptor: member([], `/ip4/198.51.100.${index}/tcp/1`).descriptor,
      score: 1_000,
    }));
    const flood6 = Array.from({ length: 30 }, (_, index) => ({
      descriptor: member([], `/ip6/2001:db8:7:${index}::1/tcp/1`).descriptor,
      score: 900,
    }));
    const chosen = chooseNear([...flood, ...scored(5), ...flood6], 20);
    expect(chosen.filter(({ score }) => score === 1_000)).toHaveLength(10);
    expect(chosen.filter(({ score }) => score === 900)).toHaveLength(10);
  });
});

describe('a network of clustering machines', () => {
  const size = { peers: 100, communities: 10, perCommunity: 20, reads: 9 };
  const network = createClusteredNetwork({
    seed: 7,
    nowMs: startMs,
    topics: Array.from({ length: size.peers }, (_, index) => {
      const start = (index % size.communities) * 10;
      return createSeededRandom(index)
        .shuffle(topics.slice(start, start + 10))
        .slice(0, size.reads);
    }),
  });

  it('finds the peers of the same interests among strangers, and fingers of other ones', () => {
    for (let round = 0; round < 15; round += 1) network.run(startMs + round * 20_000);
    const overlap = (one: ClusteredPeer, peer: PeerId) =>
      network.of(peer).topics.filter((topic) => one.topics.includes(topic)).length;
    const mean = (list: (one: ClusteredPeer) => readonly Descriptor[]) => {
      const values = network.peers.flatMap((one) => list(one).map(({ peer }) => overlap(one, peer)));
      return values.reduce((total, value) => total + value, 0) / values.length;
    };
    const best = mean((one) => one.clustering.near.slice(0, 9)); // nine others read the same
    expect(best).toBeGreaterThan(0.85 * 8.1);
    expect(mean((one) => one.clustering.far)).toBeLessThan(0.5);
    for (const one of network.peers) {
      expect(one.clustering.near.length).toBeLessThanOrEqual(clusteringDefaults.nearMax);
      expect(one.clustering.far).toHaveLength(clusteringDefaults.farMax);
      expect([...one.clustering.refusals]).toEqual([]);
    }
  });
});

it('a filter that somebody shows in another’s name is not forgotten when it shows one of its own', () => {
  const victim = member(topics.slice(0, 20), '/ip4/192.0.2.7/tcp/1');
  const { clustering } = createOne({ sampled: [victim.descriptor] });
  const signer = createSigner(random.bytes(32));
  const said = { addresses: ['/ip4/192.0.2.9/tcp/1'], expiresAtSeconds: startMs / 1_000 + 3_600, capabilities: 1 };
  const show = (filter: InterestFilter, version: number) => {
    const content = { ...said, version, interestDigest: interestDigestOf(filter.bytes) };
    const descriptor = createDescriptor(content, signer);
    clustering.onNear(descriptor.peer, near({ descriptor, filter }), startMs + version);
  };
  const known = () => clustering.neighbours().find(({ peer }) => peer === victim.descriptor.peer)?.filter;
  show(victim.filter, 1);
  expect(known()).toBeDefined();
  show(member(topics.slice(50, 60)).filter, 2);
  show(member(topics.slice(60, 70)).filter, 3);
  expect(known()).toBeDefined();
});

describe('a round', () => {
  it('asks the peer heard from longest ago, and each third time a random one', () => {
    const stranger = member(topics.slice(100, 120), '/ip4/192.0.2.1/tcp/1');
    const { clustering } = createOne({ sampled: [stranger.descriptor] });
    const friends = [member(topics.slice(0, 20)), member(topics.slice(0, 19)), member(topics.slice(0, 18))];
    friends.forEach((friend, index) => {
      clustering.onNear(friend.descriptor.peer, near(friend), startMs + index);
    });
    const asked: (PeerId | undefined)[] = [];
    for (let round = 0; round < 6; round += 1) {
      const nowMs = startMs + 60_000 + round * 60_000;
      const question = clustering.wake(nowMs).find(({ message }) => message.kind === 'near');
      asked.push(question?.to);
      if (question?.message.kind !== 'near') continue;
      const nonce = question.message.nonce;
      clustering.onNearby(question.to, { kind: 'nearby', nonce, descriptors: [] }, nowMs);
    }
    const [one, two, three] = friends.map(({ descriptor }) => descriptor.peer);
    expect(asked).toEqual([one, two, stranger.descriptor.peer, three, one, stranger.descriptor.peer]);
  });

  it('comes ever later while the similar peers are no better than before, though they be others, and again soon once one is', () => {
    const many = Array.from({ length: 60 }, (_, index) => member(topics.slice(0, 10), `/ip4/203.0.${index}.1/tcp/1`));
    const twins = many.map(({ filter }, index) =>
      withFilter((many[0] ?? { filter }).filter, `/ip4/203.0.${index}.1/tcp/1`),
    );
    const { clustering } = createOne({ options: { firstRounds: 0, fastRounds: 0, roundJitter: 0 } });
    for (const twin of twins) clustering.onNear(twin.descriptor.peer, near(twin), startMs);
    let nowMs = startMs;
    const views: string[] = [];
    const round = () => {
      const outgoing = clustering.wake(nowMs);
      views.push(
        clustering.near
          .map(({ peer }) => peer)
          .sort()
          .join(),
      );
      for (const { to, message } of outgoing) {
        if (message.kind !== 'near') continue;
        const descriptors = random
          .shuffle(twins)
          .slice(0, 9)
          .map(({ descriptor }) => descriptor);
        clustering.onNearby(to, { kind: 'nearby', nonce: message.nonce, descriptors }, nowMs);
      }
      const pauseMs = clustering.dueAtMs - nowMs;
      nowMs = clustering.dueAtMs;
      return pauseMs / 1_000;
    };
    expect([round(), round(), round(), round()]).toEqual([15, 30, 60, 60]);
    expect(new Set(views).size).toBeGreaterThan(1);
    const better = member(topics.slice(0, 20), '/ip4/198.51.100.1/tcp/1');
    clustering.onNear(better.descriptor.peer, near(better), nowMs);
    expect(round()).toBe(15);
  });

  it('takes the asked peer out until it answers, and leaves out one that does not', () => {
    const { clustering } = createOne();
    const friend = member(topics.slice(0, 20));
    clustering.onNear(friend.descriptor.peer, near(friend), startMs);
    expect(clustering.near.map(({ peer }) => peer)).toEqual([friend.descriptor.peer]);
    clustering.wake(startMs);
    expect(clustering.near).toEqual([]);
    clustering.wake(startMs + clusteringDefaults.answerTimeoutMs);
    const teller = member(topics.slice(0, 10));
    const { message } = firstOf(clustering.onNear(teller.descriptor.peer, near(teller), startMs + 5_001));
    expect(message.kind === 'nearby' && message.descriptors.map(({ peer }) => peer)).not.toContain(
      friend.descriptor.peer,
    );
    clustering.onNear(friend.descriptor.peer, near(friend), startMs + 6_000); // it lives after all
    expect(clustering.near.map(({ peer }) => peer)).toContain(friend.descriptor.peer);
    clustering.unreachable(friend.descriptor.peer, startMs + 7_000);
    expect(clustering.near.map(({ peer }) => peer)).not.toContain(friend.descriptor.peer);
  });

  it('asks a peer without a connection for its peers before its filter, and one that is connected for its filter at once', () => {
    const [known, far, linked] = [topics.slice(0, 5), topics.slice(5, 9), topics.slice(9, 12)].map((reads) =>
      member(reads),
    ) as [Member, Member, Member];
    const { clustering } = createOne({
      sampled: [known, far, linked].map(({ descriptor }) => descriptor),
      isConnected: (peer) => peer === linked.descriptor.peer,
    });
    clustering.onNear(known.descriptor.peer, near(known), startMs);
    const asked = Array.from({ length: 30 }, (_, round) => clustering.wake(startMs + round * 60_000)).flat();
    const askedFor = (kind: 'near' | 'ask-filters') =>
      new Set(asked.filter(({ message }) => message.kind === kind).map(({ to }) => to));
    expect(askedFor('ask-filters')).toEqual(new Set([linked.descriptor.peer]));
    expect([...askedFor('near')]).toContain(far.descriptor.peer);
  });

  it('sends our filter to a peer once', () => {
    const stranger = member(topics.slice(0, 5));
    const { clustering } = createOne({ sampled: [stranger.descriptor] });
    const sent = [0, 1, 2].map((round) => {
      const out = clustering.wake(startMs + round * 60_000).find(({ message }) => message.kind === 'near')?.message;
      if (out?.kind !== 'near') throw new Error('nobody was asked');
      clustering.onNearby(stranger.descriptor.peer, { ...out, kind: 'nearby', descriptors: [] }, startMs);
      return out.filter !== undefined;
    });
    expect(sent).toEqual([true, false, false]);
  });
});

describe('a peer that listens nowhere', () => {
  it('may be near as long as it is connected, and is named to nobody', () => {
    const client = member(topics.slice(0, 20), '');
    const other = member(topics.slice(0, 10));
    const connected = new Set([client.descriptor.peer]);
    const { clustering } = createOne({ isConnected: (peer) => connected.has(peer) });
    clustering.onNear(client.descriptor.peer, near(client), startMs);
    expect(clustering.near.map(({ peer }) => peer)).toEqual([client.descriptor.peer]);
    const { message } = firstOf(clustering.onNear(other.descriptor.peer, near(other), startMs));
    if (message.kind !== 'nearby') throw new Error('answers');
    expect(message.descriptors.map(({ peer }) => peer)).not.toContain(client.descriptor.peer);
    expect(clustering.near.map(({ peer }) => peer)).toContain(client.descriptor.peer);
    connected.clear();
    clustering.onNear(other.descriptor.peer, near(other, 2), startMs + 1_000);
    expect(clustering.near.map(({ peer }) => peer)).toEqual([other.descriptor.peer]);
  });
});

describe('trust', () => {
  it('lifts a friend over a slightly more similar stranger, and leaves strangers a share', () => {
    const friend = member(topics.slice(5, 25));
    const stranger = member(topics.slice(2, 22));
    const trust = { ...noTrust, of: (peer: PeerId) => (peer === friend.descriptor.peer ? 0.9 : 0) };
    const { clustering } = createOne({ trust });
    clustering.onNear(stranger.descriptor.peer, near(stranger), startMs);
    clustering.onNear(friend.descriptor.peer, near(friend), startMs);
    expect(clustering.near.map(({ peer }) => peer)).toEqual([friend.descriptor.peer, stranger.descriptor.peer]);
  });
});

describe('what others show', () => {
  it('a filter is asked for once, from who named its peer', () => {
    const { clustering } = createOne();
    const teller = member(topics.slice(0, 15));
    const third = member(topics.slice(0, 20));
    clustering.onNear(teller.descriptor.peer, near(teller), startMs);
    const question = firstOf(clustering.wake(startMs));
    if (question.message.kind !== 'near') throw new Error('asks its neighbour');
    const { nonce } = question.message;
    const descriptors = [teller.descriptor, third.descriptor];
    const ask = firstOf(clustering.onNearby(teller.descriptor.peer, { kind: 'nearby', nonce, descriptors }, startMs));
    expect(ask.to).toBe(teller.descriptor.peer);
    if (ask.message.kind !== 'ask-filters') throw new Error('asks for a filter');
    expect(ask.message.digests).toEqual([interestDigestOf(third.filter.bytes)]);
    const answer = { kind: 'filters', nonce: ask.message.nonce, filters: [third.filter.bytes] } as const;
    clustering.onFilters(teller.descriptor.peer, answer, startMs);
    expect(clustering.near[0]?.peer).toBe(third.descriptor.peer);
    clustering.onFilters(teller.descriptor.peer, answer, startMs);
    expect(clustering.refusals.get('not-asked')).toBe(1);
  });

  it('our filter is given to whoever asks for its digest, and so are those we know; no other question is answered', () => {
    const { clustering, self } = createOne();
    const known = member(topics.slice(0, 15));
    clustering.onNear(known.descriptor.peer, near(known), startMs);
    const digests = [interestDigestOf(self.filter.bytes), interestDigestOf(known.filter.bytes), random.bytes(16)];
    const { message } = firstOf(
      clustering.onAskFilters(known.descriptor.peer, { kind: 'ask-filters', nonce: 7, digests }, startMs),
    );
    expect(message).toEqual({ kind: 'filters', nonce: 7, filters: [self.filter.bytes, known.filter.bytes] });
  });

  it('a copy of our own filter wins no place: its peer is not taken', () => {
    const { clustering, self } = createOne();
    const ours = drawFilter(
      { shape: defaultFilterShape, epsilonMilli: 3_000, epoch, salt: random.bytes(16) },
      exactInterest(topics.slice(0, 20), epoch, defaultFilterShape).positions,
      random.bytes(32),
    );
    const shown = new Clustering(
      {
        self: () => self.descriptor,
        shownFilter: () => ours,
        exactInterest: (one) => exactInterest(topics.slice(0, 20), one, defaultFilterShape),
        sampled: () => [],
        ringNeighbours: () => [],
        isConnected: () => true,
      },
      { random, trust: noTrust },
    );
    const copier = withFilter(ours);
    shown.onNear(copier.descriptor.peer, near(copier), startMs);
    expect(shown.refusals.get('filter-copied')).toBe(1);
    expect(shown.near).toEqual([]);
    expect(clustering.near).toEqual([]);
  });

  it.each([
    ['filter-epoch', member(topics.slice(0, 20), undefined, epoch - 2)],
    [
      'filter-shape',
      withFilter(
        drawFilter(
          { shape: { bits: 1_024, hashes: 1 }, epsilonMilli: 3_000, epoch, salt: random.bytes(16) },
          [],
          random.bytes(32),
        ),
      ),
    ],
  ] as const)('%s: a filter that cannot be compared is not kept', (reason, other) => {
    const { clustering } = createOne();
    clustering.onNear(other.descriptor.peer, near(other), startMs);
    expect(clustering.refusals.get(reason)).toBe(1);
    expect(clustering.near).toEqual([]);
  });
});

describe('hostile input', () => {
  it('peers that claim to read everything come after all that share a third of our interests', () => {
    const { clustering } = createOne({ options: { nearMax: 10 } });
    const similar = Array.from({ length: 6 }, (_, index) =>
      member(topics.slice(index, 20).concat(topics.slice(100, 100 + index)), `/ip4/10.0.${index}.1/tcp/1`),
    );
    const greedy = Array.from({ length: 20 }, (_, index) => member(topics, `/ip4/10.1.${index}.1/tcp/1`));
    for (const one of random.shuffle([...similar, ...greedy]))
      clustering.onNear(one.descriptor.peer, near(one), startMs);
    const best = new Set(clustering.near.slice(0, similar.length).map(({ peer }) => peer));
    expect(best).toEqual(new Set(similar.map(({ descriptor }) => descriptor.peer)));
  });

  it('is counted and changes nothing: another sender, an expired descriptor, answers nobody asked for', () => {
    const { clustering } = createOne();
    const [one, other] = [member(topics.slice(0, 20)), member(topics.slice(0, 20))];
    expect(clustering.onNear(other.descriptor.peer, near(one), startMs)).toEqual([]);
    expect(clustering.onNear(one.descriptor.peer, near(one), startMs + 2 * 3_600_000)).toEqual([]);
    const forged = { ...near(one), self: { ...one.descriptor, version: 99 } };
    expect(clustering.onNear(one.descriptor.peer, forged, startMs)).toEqual([]);
    expect(clustering.onNearby(one.descriptor.peer, { kind: 'nearby', nonce: 1, descriptors: [] }, startMs)).toEqual(
      [],
    );
    expect(clustering.onFilters(one.descriptor.peer, { kind: 'filters', nonce: 1, filters: [] }, startMs)).toEqual([]);
    const wrongFilter = { ...near(one), filter: other.filter.bytes };
    clustering.onNear(one.descriptor.peer, wrongFilter, startMs);
    expect([...clustering.refusals].sort()).toEqual([
      ['descriptor', 2],
      ['filter-unknown', 1],
      ['not-asked', 2],
      ['sender', 1],
    ]);
    expect(clustering.near).toEqual([]);
  });

  it('a peer that asks without end is answered so often a minute', () => {
    const { clustering } = createOne();
    const one = member(topics.slice(0, 20));
    let answers = 0;
    for (let count = 0; count < 200; count += 1) {
      answers += clustering.onNear(one.descriptor.peer, near(one, count), startMs).length;
    }
    expect(answers).toBe(clusteringDefaults.questionsPerMinute);
    expect(clustering.onNear(one.descriptor.peer, near(one), startMs + 60_000)).toHaveLength(1);
  });

  it('filters of ten thousand peers leave no more than the cache holds', () => {
    const { clustering } = createOne({ options: { filtersMax: 8, peersMax: 8 } });
    const peers = Array.from({ length: 40 }, (_, index) => member(topics.slice(0, 20), `/ip4/10.0.${index}.1/tcp/1`));
    for (const one of peers) clustering.onNear(one.descriptor.peer, near(one), startMs);
    const digests = peers.map(({ filter }) => interestDigestOf(filter.bytes));
    let known = 0;
    for (let at = 0; at < digests.length; at += messageLimits.filtersMax) {
      const question = { kind: 'ask-filters', nonce: at, digests: digests.slice(at, at + 10) } as const;
      const { message } = firstOf(clustering.onAskFilters('x' as PeerId, question, startMs));
      if (message.kind === 'filters') known += message.filters.length;
    }
    expect(known).toBe(8);
  });

  it('any answer of any bytes to our question throws nothing', () => {
    const stranger = member(topics.slice(0, 5));
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 20 }), fc.nat(2), (filters, repeat) => {
        const { clustering } = createOne({ sampled: [stranger.descriptor] });
        const ask = clustering.wake(startMs).find(({ message }) => message.kind === 'ask-filters');
        if (ask?.message.kind !== 'ask-filters') throw new Error('asks for the filter of whom it does not know');
        for (let count = 0; count <= repeat; count += 1) {
          const answer = { kind: 'filters', nonce: ask.message.nonce, filters } as const;
          expect(clustering.onFilters(stranger.descriptor.peer, answer, startMs)).toEqual([]);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the rounds of clustering', () => {
  it('are made in no more haste once the similar peers stay the same, as in a network that is small', () => {
    const network = createClusteredNetwork({
      seed: 3,
      nowMs: startMs,
      topics: Array.from({ length: 6 }, () => topics),
    });
    const { fastRoundMs, fastRounds } = clusteringDefaults;
    const dues = () => network.peers.map(({ clustering }) => clustering.dueAtMs);
    let rounds = 0;
    let before = dues();
    for (let nowMs = startMs; nowMs < startMs + fastRounds * fastRoundMs; nowMs += 100) {
      network.run(nowMs);
      const after = dues();
      rounds += after.filter((due, index) => due !== before[index]).length;
      before = after;
    }
    expect(rounds / network.peers.length).toBeLessThan(0.6 * fastRounds);
  });
});
