import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { type ClusteredNetwork, createClusteredNetwork } from '../testing/clustered-network.ts';
import { plainSeals } from '../testing/plain-seals.ts';
import { createTopic, type Topic } from '../topic.ts';
import type { JoinMode } from './join-hint.ts';
import { Joining, type JoinOutput } from './joining.ts';
import type { JoiningOptions } from './joining-options.ts';

const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const size = {
  peers: isFull ? 1_000 : 300,
  topics: isFull ? 400 : 120,
  communities: isFull ? 20 : 6,
  rounds: isFull ? 20 : 8,
  topicsEach: 12,
  queries: isFull ? 8_000 : 150,
};
const startMs = Date.UTC(2030, 0, 10);

describe('a topic that is new to a node is found by one hint among noisy filters', {
  timeout: isFull ? 600_000 : 60_000,
}, () => {
  let network: ClusteredNetwork;
  let topics: readonly Topic[];

  beforeAll(() => {
    const random = createSeededRandom(9);
    topics = Array.from({ length: size.topics }, (_, index) => createTopic(`topic ${index}`));
    const reads = Array.from({ length: size.peers }, (_, index) => topicsOf(topics, index, random));
    network = createClusteredNetwork({ seed: 9, topics: reads, nowMs: startMs });
    for (let round = 0; round < size.rounds; round += 1) network.run(startMs + round * 20_000);
  }, 600_000);

  it.each([
    { mode: 'open', copies: 1, tries: 1, least: 0.85 },
    { mode: 'open', copies: 3, tries: 1, least: 0.98 },
    { mode: 'open', copies: 3, tries: 2, least: 0.99 },
    { mode: 'decoys', copies: 1, tries: 1, least: 0.53 },
    { mode: 'decoys', copies: 3, tries: 1, least: 0.77 },
    { mode: 'decoys', copies: 3, tries: 2, least: 0.95 },
    { mode: 'sensitive', copies: 1, tries: 1, least: 0.14 },
    { mode: 'sensitive', copies: 3, tries: 1, least: 0.39 },
  ] as const)('$mode, $copies copies, $tries tries: at least $least', ({ mode, copies, tries, least }) => {
    const measured = measure(network, topics, mode, { copies, triesMax: tries });
    if (isFull) process.stdout.write(`${mode} ${copies} ${tries} ${JSON.stringify(measured)}\n`);
    expect(measured.success).toBeGreaterThanOrEqual(least);
  });
});

function topicsOf(topics: readonly Topic[], peer: number, random: Random): Topic[] {
  const perCommunity = size.topics / size.communities;
  const start = (peer % size.communities) * perCommunity;
  const home = random.shuffle(topics.slice(start, start + perCommunity)).slice(0, size.topicsEach - 3);
  const away = random.shuffle(topics).filter((topic) => !home.includes(topic));
  return [...home, ...away.slice(0, size.topicsEach - home.length)];
}

function measure(
  network: ClusteredNetwork,
  topics: readonly Topic[],
  mode: JoinMode,
  options: Partial<JoiningOptions>,
) {
  const random = createSeededRandom(11);
  const world = new JoinWorld(network, options, random);
  let found = 0;
  for (let query = 0; query < size.queries; query += 1) {
    const asker = network.peers[random.integer(network.peers.length)];
    const wanted = topicNewTo(asker?.topics ?? [], topics, random);
    if (asker !== undefined && world.seek(asker.descriptor.peer, wanted, mode)) found += 1;
  }
  return { success: found / size.queries, messagesPerQuery: world.messages / size.queries };
}

function topicNewTo(known: readonly Topic[], topics: readonly Topic[], random: Random): Topic {
  for (;;) {
    const topic = topics[random.integer(topics.length)] as Topic; // there are some
    if (!known.includes(topic)) return topic;
  }
}

/** Joining machines over the neighbours that clustering found; a second goes by between any two queries. */
class JoinWorld {
  messages = 0;
  readonly #machines = new Map<PeerId, Joining>();
  readonly #links = new Map<string, boolean>();
  readonly #random: Random;
  #nowMs = startMs + 3_600_000;

  constructor(network: ClusteredNetwork, options: Partial<JoiningOptions>, random: Random) {
    this.#random = random;
    const seals = plainSeals(); // how answers are sealed makes no difference to who is found
    for (const { descriptor, clustering, topics } of network.peers) {
      const neighbours = clustering.neighbours();
      const around = {
        self: () => descriptor,
        neighbours: () => neighbours,
        subscriptions: () => topics.map((topic) => ({ topic, isSensitive: false })),
        members: (): Descriptor[] => [],
        friends: () => [],
        isConnected: (peer: PeerId) => this.#isLinked(descriptor.peer, peer),
      };
      const dependencies = { random, ...(isFull ? { seals } : {}) };
      this.#machines.set(descriptor.peer, new Joining(around, dependencies, { answerDelayMs: 0, ...options }));
    }
  }

  /** Two neighbours in five are connected, by chance and both of a pair alike. */
  #isLinked(one: PeerId, other: PeerId): boolean {
    const pair = one < other ? `${one}${other}` : `${other}${one}`;
    const known = this.#links.get(pair);
    if (known !== undefined) return known;
    const isLinked = this.#random.float() < 0.4;
    this.#links.set(pair, isLinked);
    return isLinked;
  }

  seek(asker: PeerId, topic: Topic, mode: JoinMode): boolean {
    const machine = this.#machines.get(asker) as Joining; // of this network
    this.#nowMs += 1_000;
    let isFound = this.#pump(asker, machine.seek(topic, mode, this.#nowMs));
    while (machine.dueAtMs < Number.POSITIVE_INFINITY) {
      const [peer, next] = this.#nextDue();
      this.#nowMs = Math.max(this.#nowMs, next.dueAtMs);
      isFound = this.#pump(peer, next.wake(this.#nowMs)) || isFound;
    }
    return isFound;
  }

  #nextDue(): [PeerId, Joining] {
    return [...this.#machines].reduce((one, other) => (other[1].dueAtMs < one[1].dueAtMs ? other : one));
  }

  #pump(sender: PeerId, outputs: readonly JoinOutput[]): boolean {
    const queue = outputs.map((output) => ({ sender, output }));
    let isFound = false;
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      const { output } = item;
      if (output.kind === 'found') isFound = true;
      if (output.kind !== 'send') continue;
      const machine = this.#machines.get(output.to) as Joining; // of this network
      if (output.message.kind === 'join') this.messages += 1;
      const answers =
        output.message.kind === 'join'
          ? machine.onJoin(item.sender, output.message.query, this.#nowMs)
          : output.message.kind === 'joined'
            ? machine.onJoined(item.sender, output.message, this.#nowMs)
            : [];
      queue.push(...answers.map((answer) => ({ sender: output.to, output: answer })));
    }
    return isFound;
  }
}
