import { createSeededRandom } from '@pulsemesh/base';
import {
  createHpkeSuite,
  createSigner,
  createX25519Key,
  dhKemX25519,
  generateX25519,
  SealBrokenError,
} from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDescriptor, type Descriptor, decodeDescriptor } from '../descriptor.ts';
import { exactInterest, positionsOf } from '../interest/exact-interest.ts';
import { defaultFilterShape, drawFilter, type InterestFilter } from '../interest/interest-filter.ts';
import { type JoinQuery, messageLimits } from '../message.ts';
import { createTopic, epochAt, epochMs, type Topic } from '../topic.ts';
import { joinAnswerLimits, openJoinAnswer, sealDecoyAnswer } from './join-answer.ts';
import { hintOf } from './join-hint.ts';
import { Joining, type JoinOutput } from './joining.ts';
import { type JoiningOptions, joiningDefaults } from './joining-options.ts';
import type { JoinSubscription } from './surroundings.ts';

const startMs = Date.UTC(2030, 0, 10);
const epoch = epochAt(startMs, epochMs.filter);
const random = createSeededRandom(8);
const secretTopic = createTopic('ward 7', random.bytes(32));
const openTopic = createTopic('weather');

interface Node {
  readonly joining: Joining;
  readonly descriptor: Descriptor;
  readonly neighbours: { peer: PeerId; filter: InterestFilter | undefined }[];
  readonly subscriptions: JoinSubscription[];
  readonly members: Descriptor[];
  readonly friends: PeerId[];
  readonly connected: Set<PeerId>;
}

function createNode(options: Partial<JoiningOptions> = {}, seed = 1): Node {
  const descriptor = createMember();
  const node = {
    descriptor,
    neighbours: [],
    subscriptions: [],
    members: [],
    friends: [],
    connected: new Set<PeerId>(),
  };
  const around = {
    self: () => descriptor,
    neighbours: () => node.neighbours,
    subscriptions: () => node.subscriptions,
    members: () => node.members,
    friends: () => node.friends,
    isConnected: (peer: PeerId) => node.connected.has(peer),
  };
  const joining = new Joining(
    around,
    { random: createSeededRandom(seed) },
    { wanderShare: 0, hopsSpread: 0, answerDelayMs: 0, ...options },
  );
  return { ...node, joining };
}

function createMember(addresses = ['/ip4/192.0.2.1/tcp/1'], expiresInSeconds = 3_600): Descriptor {
  const content = { addresses, version: 1, expiresAtSeconds: startMs / 1_000 + expiresInSeconds, capabilities: 1 };
  return createDescriptor(content, createSigner(random.bytes(32)));
}

const peerOf = () => createMember().peer;

function filterOf(topics: readonly Topic[]): InterestFilter {
  const draw = { shape: defaultFilterShape, epsilonMilli: 20_000, epoch, salt: random.bytes(16) };
  return drawFilter(draw, exactInterest(topics, epoch, defaultFilterShape).positions, random.bytes(32));
}

function queryOf(topic: Topic, change: Partial<JoinQuery> = {}): JoinQuery {
  const query = {
    id: random.bytes(16),
    nonce: random.bytes(16),
    replyKey: generateX25519(random).publicKey,
    hint: hintOf(topic, 'decoys', epoch, defaultFilterShape),
    ttl: 8,
    ...change,
  };
  return { tag: topic.joinTag(query), ...query };
}

function joinsOf(outputs: readonly JoinOutput[]) {
  return outputs.flatMap((output) =>
    output.kind === 'send' && output.message.kind === 'join' ? [{ to: output.to, query: output.message.query }] : [],
  );
}

function answersOf(outputs: readonly JoinOutput[]) {
  return outputs.flatMap((output) =>
    output.kind === 'send' && output.message.kind === 'joined' ? [{ to: output.to, message: output.message }] : [],
  );
}

/** Whether the outermost layer of a box opens with the reply key alone. */
function canPeel(box: Uint8Array, nonce: Uint8Array, recipientKey: ReturnType<typeof createX25519Key>): boolean {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const info = new TextEncoder().encode('upsycle/join-layer/1');
  try {
    suite.createRecipient({ encapsulated: box.subarray(0, 32), recipientKey, info }).open(nonce, box.subarray(32));
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(SealBrokenError);
    return false;
  }
}

describe('a hint', () => {
  it('is one position, one among three decoys, or none', () => {
    const [truth] = positionsOf(secretTopic, epoch, defaultFilterShape);
    expect(hintOf(secretTopic, 'open', epoch, defaultFilterShape)).toEqual([truth]);
    const decoys = hintOf(secretTopic, 'decoys', epoch, defaultFilterShape);
    expect(decoys).toHaveLength(4);
    expect(decoys).toContain(truth);
    expect(decoys).toEqual([...decoys].sort((one, other) => one - other));
    expect(hintOf(secretTopic, 'sensitive', epoch, defaultFilterShape)).toEqual([]);
  });

  it('is the same at every member and every time, so that queries cannot be intersected', () => {
    const secret = random.bytes(32);
    const [one, other] = [createTopic('x', secret), createTopic('x', secret)];
    for (const mode of ['open', 'decoys'] as const) {
      expect(hintOf(one, mode, epoch, defaultFilterShape)).toEqual(hintOf(other, mode, epoch, defaultFilterShape));
    }
    expect(hintOf(one, 'decoys', epoch + 1, defaultFilterShape)).not.toEqual(
      hintOf(one, 'decoys', epoch, defaultFilterShape),
    );
  });
});

describe('a seek', () => {
  it('sends three copies to the neighbours whose filters promise most, and finds what a member two hops away says', () => {
    const [asker, relay, member] = [createNode(), createNode(), createNode()];
    const others = Array.from({ length: 10 }, () => ({ peer: peerOf(), filter: filterOf([]) }));
    asker.neighbours.push(...others, { peer: relay.descriptor.peer, filter: filterOf([secretTopic]) });
    relay.neighbours.push({ peer: asker.descriptor.peer, filter: filterOf([secretTopic]) }, ...others, {
      peer: member.descriptor.peer,
      filter: filterOf([secretTopic]),
    });
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    member.members.push(createMember(), createMember([], -1), asker.descriptor);

    const copies = joinsOf(asker.joining.seek(secretTopic, 'decoys', startMs));
    expect(new Set(copies.map(({ to }) => to)).size).toBe(3);
    expect(new Set(copies.map(({ query }) => String(query.id))).size).toBe(3);
    const copy = copies.find(({ to }) => to === relay.descriptor.peer);
    if (copy === undefined) throw new Error('the best neighbour is asked');

    const [hop] = joinsOf(relay.joining.onJoin(asker.descriptor.peer, copy.query, startMs));
    expect(hop).toMatchObject({ to: member.descriptor.peer, query: { ttl: copy.query.ttl - 1 } });
    if (hop === undefined) throw new Error('handed on');
    const [answer] = answersOf(member.joining.onJoin(relay.descriptor.peer, hop.query, startMs));
    if (answer === undefined) throw new Error('answered');
    expect(answer.to).toBe(relay.descriptor.peer);
    const [back] = answersOf(relay.joining.onJoined(member.descriptor.peer, answer.message, startMs));
    if (back === undefined) throw new Error('handed back');
    const found = asker.joining.onJoined(relay.descriptor.peer, back.message, startMs);
    expect(found).toEqual([
      { kind: 'found', topic: secretTopic, descriptors: [member.descriptor, member.members[0]] }, // neither us nor expired
    ]);
    expect(asker.joining.wake(startMs + joiningDefaults.tryMs)).toEqual([]);
    expect(asker.joining.dueAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('goes to who is connected among neighbours that promise as much, and to anybody where none promises anything', () => {
    const firstHops = (linkedReads: readonly Topic[], unlinkedReads: readonly Topic[]) => {
      const [linked, unlinked] = [peerOf(), peerOf()];
      const hops = Array.from({ length: 40 }, (_, seed) => {
        const node = createNode({ copies: 1 }, seed);
        node.neighbours.push({ peer: unlinked, filter: filterOf(unlinkedReads) });
        node.neighbours.push({ peer: linked, filter: filterOf(linkedReads) });
        node.connected.add(linked);
        const [output] = node.joining.seek(openTopic, 'open', startMs);
        return output?.kind === 'send' && output.to === linked ? 'linked' : 'unlinked';
      });
      return new Set(hops);
    };
    expect(firstHops([openTopic], [openTopic])).toEqual(new Set(['linked']));
    expect(firstHops([], [openTopic])).toEqual(new Set(['unlinked']));
    // Else whoever connects to everybody would get every query for what no neighbour shows.
    expect(firstHops([], [])).toEqual(new Set(['linked', 'unlinked']));
  });

  it('tries twice, the second time other neighbours, and then says that nothing was found', () => {
    const node = createNode();
    node.neighbours.push(...Array.from({ length: 6 }, () => ({ peer: peerOf(), filter: filterOf([]) })));
    const first = joinsOf(node.joining.seek(secretTopic, 'decoys', startMs));
    expect(node.joining.seek(secretTopic, 'decoys', startMs)).toEqual([]);
    const second = joinsOf(node.joining.wake(node.joining.dueAtMs));
    expect(new Set([...first, ...second].map(({ to }) => to)).size).toBe(6);
    expect(node.joining.wake(node.joining.dueAtMs)).toEqual([{ kind: 'not-found', topic: secretTopic }]);
    expect(node.joining.dueAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('of a sensitive topic goes to friends, and to one stranger, without any hint', () => {
    const node = createNode();
    node.neighbours.push(...Array.from({ length: 9 }, () => ({ peer: peerOf(), filter: filterOf([secretTopic]) })));
    node.friends.push(peerOf(), peerOf(), peerOf());
    const copies = joinsOf(node.joining.seek(secretTopic, 'sensitive', startMs));
    expect(copies.filter(({ to }) => node.friends.includes(to))).toHaveLength(2);
    expect(copies).toHaveLength(3);
    for (const { query } of copies) expect(query.hint).toEqual([]);
  });

  it('ends when it is stopped; a late answer is counted and nothing else', () => {
    const [asker, member] = [createNode(), createNode()];
    asker.neighbours.push({ peer: member.descriptor.peer, filter: undefined });
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const [copy] = joinsOf(asker.joining.seek(secretTopic, 'decoys', startMs));
    if (copy === undefined) throw new Error('asked');
    const [answer] = answersOf(member.joining.onJoin(asker.descriptor.peer, copy.query, startMs));
    asker.joining.stop(secretTopic);
    if (answer === undefined) throw new Error('answered');
    expect(asker.joining.onJoined(member.descriptor.peer, answer.message, startMs)).toEqual([]);
    expect(asker.joining.refusals.get('not-asked')).toBe(1);
  });

  it('past so many at once is not begun', () => {
    const { joining } = createNode({ seeksMax: 2 });
    const [one, two, three] = [createTopic('1'), createTopic('2'), createTopic('3')];
    expect([joining.seek(one, 'open', startMs), joining.seek(two, 'open', startMs)]).toEqual([[], []]);
    expect(joining.seek(three, 'open', startMs)).toEqual([{ kind: 'not-found', topic: three }]);
  });
});

describe('a query says nothing of who reads what', () => {
  it('to a stranger who probes a reader with many positions and any tag: it is handed on like any other', () => {
    const reader = createNode();
    const bystander = createNode();
    for (const node of [reader, bystander]) node.neighbours.push({ peer: peerOf(), filter: filterOf([]) });
    reader.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const stranger = peerOf();
    for (let position = 0; position < defaultFilterShape.bits; position += 8) {
      const probe = queryOf(createTopic('ward 7'), { hint: [position] }); // its name, without its secret
      const nowMs = startMs + position * 6_000;
      const shapeOf = (node: Node) =>
        node.joining.onJoin(stranger, { ...probe }, nowMs).map((one) => one.kind === 'send' && one.message.kind);
      expect(shapeOf(reader)).toEqual(shapeOf(bystander));
    }
  });

  it('a recorded query does not show its topic, nor whether two of them are for the same, beyond their hints', () => {
    const node = createNode();
    node.neighbours.push({ peer: peerOf(), filter: undefined }, { peer: peerOf(), filter: undefined });
    const [one] = joinsOf(node.joining.seek(secretTopic, 'decoys', startMs));
    node.joining.stop(secretTopic);
    const [other] = joinsOf(node.joining.seek(secretTopic, 'decoys', startMs));
    for (const field of ['id', 'nonce', 'tag', 'replyKey'] as const) {
      expect(one?.query[field]).not.toEqual(other?.query[field]);
    }
  });

  it('a sensitive subscription to a topic without a secret answers nobody, though it looks as if', () => {
    const node = createNode();
    const isTold = (topic: Topic) => {
      const { privateKey, publicKey } = generateX25519(random);
      const query = queryOf(topic, { replyKey: publicKey });
      const [answer] = answersOf(node.joining.onJoin(peerOf(), query, startMs));
      const keys = { topic, nonce: query.nonce, replyKey: createX25519Key(privateKey) };
      return openJoinAnswer(answer?.message.box ?? new Uint8Array(0), keys, decodeDescriptor, startMs) !== undefined;
    };
    node.subscriptions.push({ topic: openTopic, isSensitive: true });
    expect(isTold(openTopic)).toBe(false);
    node.subscriptions.push({ topic: secretTopic, isSensitive: true });
    expect(isTold(secretTopic)).toBe(true);
  });

  it('somebody on its way who plays it again to all cannot tell by what comes back who the members are', () => {
    const captured = queryOf(secretTopic);
    const nodes = Array.from({ length: 40 }, (_, index) => createNode({ answerDelayMs: 200 }, index));
    for (const node of nodes.slice(0, 20)) {
      node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      node.members.push(createMember(), createMember());
    }
    const spy = peerOf();
    const answers = nodes.map(({ joining }) => {
      expect(joining.onJoin(spy, { ...captured, id: random.bytes(16), ttl: 1 }, startMs)).toEqual([]);
      const atMs = joining.dueAtMs - startMs;
      const [answer, ...more] = answersOf(joining.wake(startMs + 200));
      expect(more).toEqual([]);
      return { atMs, length: answer?.message.box.length };
    });
    expect(new Set(answers.map(({ length }) => length)).size).toBe(1);
    const mean = (some: typeof answers) => some.reduce((sum, { atMs }) => sum + atMs, 0) / some.length;
    expect(Math.abs(mean(answers.slice(0, 20)) - mean(answers.slice(20)))).toBeLessThan(60); // deviation of the mean: 18
  });

  it('nor by what a member does with a query that comes again', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      for (let count = 0; count < 4; count += 1) node.neighbours.push({ peer: peerOf(), filter: undefined });
      const [query, spies] = [queryOf(secretTopic), [peerOf(), peerOf(), peerOf(), peerOf()]];
      const first = spies[0] as PeerId;
      node.joining.onJoin(first, query, startMs);
      return [first, ...spies].map((spy) => joinsOf(node.joining.onJoin(spy, query, startMs)).length);
    });
    expect(doings[0]).toEqual([0, 0, 1, 1, 0]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('nor, with hops left, by when: all hand it on, and give one answer when one comes back, or after as long', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      const next = peerOf();
      node.neighbours.push({ peer: next, filter: undefined });
      const [spy, answered, silent] = [peerOf(), queryOf(secretTopic), queryOf(secretTopic, { ttl: 4 })];
      const done = [answered, silent].map((query) => node.joining.onJoin(spy, query, startMs));
      const box = random.bytes(2_096);
      const back = node.joining.onJoined(next, { kind: 'joined', id: answered.id, box }, startMs + 700);
      expect(node.joining.dueAtMs).toBe(startMs + 4 * joiningDefaults.hopPatienceMs);
      const late = node.joining.wake(node.joining.dueAtMs);
      expect(node.joining.dueAtMs).toBe(Number.POSITIVE_INFINITY);
      const more = node.joining.onJoined(next, { kind: 'joined', id: answered.id, box }, startMs + 900);
      expect(answersOf(more)[0]?.message.box).toHaveLength(2_144); // this one is not replaced
      return [...done, back, late].map((outputs) =>
        outputs.map((output) => {
          if (output.kind !== 'send' || (output.message.kind !== 'join' && output.message.kind !== 'joined'))
            return output;
          const { to, message } = output;
          if (message.kind === 'join') return [to === next, message.query.ttl];
          return [to === spy, message.id === silent.id ? 'silent' : 'answered', message.box.length];
        }),
      );
    });
    expect(doings[0]).toEqual([[[true, 7]], [[true, 3]], [[true, 'answered', 2_144]], [[true, 'silent', 2_096]]]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('nor by the bytes that it hands back: who is on both sides of a peer sees others than it gave, of one length', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      const [before, after] = [peerOf(), peerOf()];
      node.neighbours.push({ peer: after, filter: undefined });
      return [2_096, 2_096 + 48, 2_096 + 6 * 48, 2_096 + 7 * 48, 2_096 + 12 * 48, 2_097, 0].map((length) => {
        const query = queryOf(secretTopic);
        node.joining.onJoin(before, query, startMs);
        const box = random.bytes(length);
        const [back] = answersOf(node.joining.onJoined(after, { kind: 'joined', id: query.id, box }, startMs));
        // Of what was given no stretch of 16 bytes is left.
        const chunks = Array.from({ length: Math.floor(length / 16) }, (_, at) => box.subarray(16 * at, 16 * at + 16));
        const given = Buffer.from(back?.message.box ?? []);
        return [back?.message.box.length, chunks.some((chunk) => given.includes(Buffer.from(chunk)))];
      });
    });
    const lengths = [2_144, 2_192, 2_432, undefined, undefined, undefined, undefined];
    expect(doings[0]).toEqual(lengths.map((length) => [length, false]));
    expect(doings[1]).toEqual(doings[0]);
  });

  it('a box that is no answer ends no waiting, at members as at others', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      const [before, after, query] = [peerOf(), peerOf(), queryOf(secretTopic)];
      node.neighbours.push({ peer: after, filter: undefined });
      node.joining.onJoin(before, query, startMs);
      // With seven hops left there are six at most that add a layer; one more, and those above could not hand it back.
      for (const length of [0, 2_000, 2_095, 2_097, 2_096 + 7 * 48, 2_096 + 12 * 48, 8_192]) {
        node.joining.onJoined(after, { kind: 'joined', id: query.id, box: random.bytes(length) }, startMs);
      }
      const answers = answersOf(node.joining.wake(node.joining.dueAtMs));
      return [node.joining.refusals.get('malformed'), answers.map(({ message }) => message.box.length)];
    });
    expect(doings[0]).toEqual([7, [2_096]]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('and the asker finds the member at the end of the longest way, through all the layers', () => {
    const asker = createNode();
    const way = Array.from({ length: messageLimits.joinHopsMax }, () => createNode());
    const member = way.at(-1) as Node;
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    [asker, ...way].forEach((node, index) => {
      const next = way[index]?.descriptor.peer;
      if (next !== undefined) node.neighbours.push({ peer: next, filter: undefined });
    });
    let outputs = asker.joining.seek(secretTopic, 'decoys', startMs);
    let from = asker.descriptor.peer;
    for (const node of way) {
      const [copy] = joinsOf(outputs);
      if (copy === undefined) throw new Error('handed on');
      outputs = node.joining.onJoin(from, copy.query, startMs);
      from = node.descriptor.peer;
    }
    for (const node of [...way.slice(0, -1).reverse(), asker]) {
      const [answer] = answersOf(outputs);
      if (answer === undefined) throw new Error('handed back');
      expect(answer.to).toBe(node.descriptor.peer);
      outputs = node.joining.onJoined(from, answer.message, startMs);
      from = node.descriptor.peer;
    }
    expect(outputs).toMatchObject([{ kind: 'found', descriptors: [member.descriptor] }]);
  });

  it('a member tells itself in the place of the first answer that comes back, and the asker finds it', () => {
    const [asker, member] = [createNode(), createNode()];
    const [next, peer] = [peerOf(), member.descriptor.peer];
    asker.neighbours.push({ peer, filter: undefined });
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    member.neighbours.push({ peer: next, filter: undefined });
    const [copy] = joinsOf(asker.joining.seek(secretTopic, 'decoys', startMs));
    if (copy === undefined) throw new Error('asked');
    expect(joinsOf(member.joining.onJoin(asker.descriptor.peer, copy.query, startMs))).toMatchObject([{ to: next }]);
    const decoy = { kind: 'joined', id: copy.query.id, box: random.bytes(2_096) } as const;
    const [back] = answersOf(member.joining.onJoined(next, decoy, startMs));
    if (back === undefined) throw new Error('answered');
    expect(asker.joining.onJoined(peer, back.message, startMs)).toMatchObject([
      { kind: 'found', descriptors: [member.descriptor] },
    ]);
  });

  it('nor where the next one is dead: all answer at once when that is known', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      const [spy, next] = [peerOf(), peerOf()];
      node.neighbours.push({ peer: next, filter: undefined });
      node.joining.onJoin(spy, queryOf(secretTopic), startMs);
      expect(node.joining.unreachable(peerOf(), startMs + 10)).toEqual([]);
      const answers = answersOf(node.joining.unreachable(next, startMs + 10));
      expect(node.joining.dueAtMs).toBe(Number.POSITIVE_INFINITY);
      return answers.map(({ to, message }) => [to === spy, message.box.length]);
    });
    expect(doings[0]).toEqual([[true, 2_096]]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('nor by a single position in its place: only who has no secret is asked so', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      node.neighbours.push({ peer: peerOf(), filter: undefined });
      const hint = positionsOf(secretTopic, epoch, defaultFilterShape).slice(0, 1);
      const outputs = node.joining.onJoin(peerOf(), queryOf(secretTopic, { hint }), startMs);
      return [joinsOf(outputs).length, outputs.length, node.joining.dueAtMs];
    });
    expect(doings[0]).toEqual([1, 1, Number.POSITIVE_INFINITY]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('a member answers it a few times only: who repeats it cannot average times away', () => {
    const member = createNode();
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const { privateKey, publicKey } = generateX25519(random);
    const captured = queryOf(secretTopic, { ttl: 1, replyKey: publicKey });
    const keys = { topic: secretTopic, nonce: captured.nonce, replyKey: createX25519Key(privateKey) };
    const isTold = () => {
      const [answer] = answersOf(member.joining.onJoin(peerOf(), { ...captured, id: random.bytes(16) }, startMs));
      const box = answer?.message.box ?? new Uint8Array(0);
      return [box.length, openJoinAnswer(box, keys, decodeDescriptor, startMs) !== undefined];
    };
    for (let count = 0; count < joiningDefaults.answersPerNonceMax; count += 1) expect(isTold()).toEqual([2_096, true]);
    expect(isTold()).toEqual([2_096, false]);
  });

  it('and one that brings it again and again takes not all of these: the asker’s own copies are answered', () => {
    const member = createNode();
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const { privateKey, publicKey } = generateX25519(random);
    const captured = queryOf(secretTopic, { ttl: 1, replyKey: publicKey });
    const keys = { topic: secretTopic, nonce: captured.nonce, replyKey: createX25519Key(privateKey) };
    const isTold = (from: PeerId) => {
      const [answer] = answersOf(member.joining.onJoin(from, { ...captured, id: random.bytes(16) }, startMs));
      return openJoinAnswer(answer?.message.box ?? new Uint8Array(0), keys, decodeDescriptor, startMs) !== undefined;
    };
    const spy = peerOf();
    const told = Array.from({ length: 20 }, () => isTold(spy)).filter((one) => one);
    expect(told).toHaveLength(joiningDefaults.answersPerBringerMax);
    expect(isTold(peerOf())).toBe(true);
  });

  it('with a reply key, or a hint, in place of the asker’s it is nobody’s: what comes back says nothing of members', () => {
    const doings = [true, false].map((isMember) => {
      const node = createNode();
      if (isMember) node.subscriptions.push({ topic: secretTopic, isSensitive: false });
      const [spy, next] = [peerOf(), peerOf()];
      node.neighbours.push({ peer: next, filter: undefined });
      const { privateKey, publicKey } = generateX25519(random);
      const captured = queryOf(secretTopic);
      const [one, ...others] = captured.hint as [number, ...number[]];
      const changes = [{ replyKey: publicKey }, { replyKey: publicKey, ttl: 1 }, { hint: [one + 1, ...others] }];
      return changes.map((change) => {
        const query = { ...captured, ...change, id: random.bytes(16) };
        const own = { topic: secretTopic, nonce: query.nonce, replyKey: createX25519Key(privateKey) };
        const at = node.joining.onJoin(spy, query, startMs);
        const box = sealDecoyAnswer(query, { random }) ?? new Uint8Array(0);
        const back = node.joining.onJoined(next, { kind: 'joined', id: query.id, box }, startMs);
        const [answer] = answersOf([...at, ...back]);
        const given = answer?.message.box ?? new Uint8Array(0);
        const isTold = openJoinAnswer(given, own, decodeDescriptor, startMs) !== undefined;
        // What the spy wrapped itself it finds again in any case.
        return [given.length, isTold, canPeel(given, query.nonce, own.replyKey)];
      });
    });
    expect(doings[0]).toEqual([
      [2_144, false, true],
      [2_096, false, false],
      [2_144, false, false],
    ]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('who made it, and has it back, does with it what others do', () => {
    const [asker, other] = [createNode({ copies: 1 }), createNode()];
    for (const node of [asker, other])
      node.neighbours.push(...Array.from({ length: 5 }, () => ({ peer: peerOf(), filter: undefined })));
    const [own] = joinsOf(asker.joining.seek(secretTopic, 'decoys', startMs));
    if (own === undefined) throw new Error('asked');
    other.joining.onJoin(peerOf(), own.query, startMs);
    const doings = [asker, other].map((node) =>
      Array.from({ length: 5 }, () => {
        const outputs = node.joining.onJoin(peerOf(), own.query, startMs);
        return [joinsOf(outputs).length, answersOf(outputs).length];
      }),
    );
    expect(doings[0]).toEqual([
      [1, 1],
      [1, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
    expect(doings[1]).toEqual(doings[0]);
  });

  it('who left the topic meanwhile names itself no more', () => {
    const node = createNode();
    node.subscriptions.push({ topic: secretTopic, isSensitive: false });
    node.neighbours.push({ peer: peerOf(), filter: undefined });
    const { privateKey, publicKey } = generateX25519(random);
    const query = queryOf(secretTopic, { replyKey: publicKey });
    node.joining.onJoin(peerOf(), query, startMs);
    node.subscriptions.pop();
    node.joining.stop(secretTopic);
    const [answer] = answersOf(node.joining.wake(node.joining.dueAtMs));
    const keys = { topic: secretTopic, nonce: query.nonce, replyKey: createX25519Key(privateKey) };
    expect(answer?.message.box).toHaveLength(2_096);
    expect(openJoinAnswer(answer?.message.box ?? new Uint8Array(0), keys, decodeDescriptor, startMs)).toBeUndefined();
  });

  it('the length of an answer is that of one member whether there are none or three others', () => {
    const node = createNode();
    node.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const length = () => answersOf(node.joining.onJoin(peerOf(), queryOf(secretTopic), startMs))[0]?.message.box.length;
    const alone = length();
    node.members.push(createMember(), createMember(), createMember());
    expect(length()).toBe(alone);
  });

  it('the first hop does not know by the hops left that it is the first', () => {
    const node = createNode({ hopsSpread: 1 });
    node.neighbours.push(...Array.from({ length: 3 }, () => ({ peer: peerOf(), filter: undefined })));
    const left = new Set<number>();
    for (let seek = 0; seek < 10; seek += 1) {
      const topic = createTopic(`t${seek}`);
      for (const { query } of joinsOf(node.joining.seek(topic, 'open', startMs + seek * 60_000))) left.add(query.ttl);
    }
    expect([...left].sort()).toEqual([7, 8]);
    // Who hands a query on sends the most as well, every other time.
    const handedOn = Array.from({ length: 40 }, () =>
      joinsOf(node.joining.onJoin(peerOf(), queryOf(secretTopic, { ttl: 8 }), startMs)).map(({ query }) => query.ttl),
    ).flat();
    expect(new Set(handedOn)).toEqual(new Set([7, 8]));
    expect(joinsOf(node.joining.onJoin(peerOf(), queryOf(secretTopic, { ttl: 7 }), startMs + 60_000))).toMatchObject([
      { query: { ttl: 6 } },
    ]);
  });
});

describe('an answer', () => {
  function askedMember() {
    const [asker, member] = [createNode(), createNode()];
    asker.neighbours.push({ peer: member.descriptor.peer, filter: undefined });
    member.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const [copy] = joinsOf(asker.joining.seek(secretTopic, 'decoys', startMs));
    if (copy === undefined) throw new Error('asked');
    return { asker, member, query: copy.query };
  }

  it('of somebody who does not know the secret is refused, and the true one still taken', () => {
    const { asker, member, query } = askedMember();
    const forger = createNode();
    const namesake = createTopic('ward 7'); // the forger knows the name
    forger.subscriptions.push({ topic: namesake, isSensitive: false });
    const forged = { ...query, tag: namesake.joinTag({ ...query, hint: [] }), hint: [] };
    const [bad] = answersOf(forger.joining.onJoin(asker.descriptor.peer, forged, startMs));
    const [good] = answersOf(member.joining.onJoin(asker.descriptor.peer, query, startMs));
    if (bad === undefined || good === undefined) throw new Error('answered');
    expect(asker.joining.onJoined(member.descriptor.peer, bad.message, startMs)).toEqual([]);
    expect(asker.joining.refusals.get('answer-broken')).toBe(1);
    expect(asker.joining.onJoined(member.descriptor.peer, good.message, startMs)).toHaveLength(1);
  });

  it('is taken only from whom the query was given to, and only so many times', () => {
    const { asker, member, query } = askedMember();
    const message = { kind: 'joined', id: query.id, box: random.bytes(2_096) } as const;
    expect(asker.joining.onJoined(peerOf(), message, startMs)).toEqual([]);
    for (let count = 0; count < joiningDefaults.answersPerWayMax + 2; count += 1) {
      asker.joining.onJoined(member.descriptor.peer, message, startMs);
    }
    asker.joining.onJoined(member.descriptor.peer, { ...message, id: random.bytes(16) }, startMs);
    asker.joining.onJoined(member.descriptor.peer, { ...message, box: new Uint8Array(10_000) }, startMs);
    expect([...asker.joining.refusals].sort()).toEqual([
      ['answer-broken', 4],
      ['malformed', 1],
      ['not-asked', 1],
      ['too-often', 2],
      ['wrong-peer', 1],
    ]);
  });

  it('finds no way back after a minute', () => {
    const relay = createNode();
    const [from, to] = [peerOf(), peerOf()];
    relay.neighbours.push({ peer: to, filter: undefined });
    const query = queryOf(secretTopic);
    relay.joining.onJoin(from, query, startMs);
    const message = { kind: 'joined', id: query.id, box: random.bytes(2_096) } as const;
    expect(answersOf(relay.joining.onJoined(to, message, startMs + joiningDefaults.pathMs - 1))).toHaveLength(1);
    expect(answersOf(relay.joining.onJoined(to, message, startMs + joiningDefaults.pathMs))).toEqual([]);
  });

  it('names at most six members', () => {
    const { asker, member, query } = askedMember();
    member.members.push(...Array.from({ length: 10 }, () => createMember()));
    const [answer] = answersOf(member.joining.onJoin(asker.descriptor.peer, query, startMs));
    if (answer === undefined) throw new Error('answered');
    const [found] = asker.joining.onJoined(member.descriptor.peer, answer.message, startMs);
    expect(found?.kind === 'found' && found.descriptors.length).toBe(joinAnswerLimits.descriptorsMax);
    expect(answer.message.box.length).toBeLessThanOrEqual(messageLimits.joinBoxBytesMax);
  });
});

describe('hostile queries', () => {
  it('a query that comes round again is answered falsely, as is one that we asked, and goes another way, three in all', () => {
    const node = createNode();
    const neighbours = Array.from({ length: 6 }, () => ({ peer: peerOf(), filter: undefined }));
    node.neighbours.push(...neighbours);
    const query = queryOf(secretTopic);
    const done = Array.from({ length: 5 }, () => node.joining.onJoin(peerOf(), query, startMs));
    expect(done.map((outputs) => joinsOf(outputs).length)).toEqual([1, 1, 1, 0, 0]);
    expect(done.map((outputs) => answersOf(outputs).length)).toEqual([0, 1, 1, 1, 1]);
    const to = done.flatMap(joinsOf).map((way) => way.to);
    expect(new Set(to).size).toBe(joiningDefaults.waysMax);
    for (const peer of to) {
      const message = { kind: 'joined', id: query.id, box: random.bytes(2_096) } as const;
      expect(answersOf(node.joining.onJoined(peer, message, startMs))).toHaveLength(1);
    }
    const [own] = joinsOf(node.joining.seek(secretTopic, 'decoys', startMs));
    if (own === undefined) throw new Error('asked');
    expect(answersOf(node.joining.onJoin(own.to, own.query, startMs))).toHaveLength(1);
    expect(node.joining.refusals.get('repeated')).toBeUndefined();
  });

  it('an open one is dropped then: nobody waits for what comes back of it', () => {
    const node = createNode();
    node.neighbours.push(...Array.from({ length: 6 }, () => ({ peer: peerOf(), filter: undefined })));
    const query = queryOf(openTopic, { hint: [7] });
    const done = Array.from({ length: 5 }, () => node.joining.onJoin(peerOf(), query, startMs));
    expect(done.map((outputs) => outputs.length)).toEqual([1, 1, 1, 0, 0]);
    const [own] = joinsOf(node.joining.seek(openTopic, 'open', startMs));
    if (own === undefined) throw new Error('asked');
    expect(joinsOf(node.joining.onJoin(own.to, own.query, startMs))).toHaveLength(1); // as who handed it on would
    expect(node.joining.refusals.get('repeated')).toBe(2);
  });

  it('with the wrong lengths, positions or hops is refused', () => {
    const node = createNode();
    node.neighbours.push({ peer: peerOf(), filter: undefined });
    const wrong: Partial<JoinQuery>[] = [
      { id: new Uint8Array(15) },
      { nonce: new Uint8Array(0) },
      { tag: new Uint8Array(32) },
      { replyKey: new Uint8Array(31) },
      { hint: [0, 1, 2, 3, 4] },
      { hint: [4_096] },
      { hint: [-1] },
      { hint: [0.5] },
      { ttl: 0 },
      { ttl: 9 },
      { ttl: 1.5 },
    ];
    for (const change of wrong)
      expect(node.joining.onJoin(peerOf(), queryOf(secretTopic, change), startMs)).toEqual([]);
    expect(node.joining.refusals.get('malformed')).toBe(wrong.length);
  });

  it('a reply key that gives no secret is handed on unanswered', () => {
    const node = createNode();
    node.subscriptions.push({ topic: secretTopic, isSensitive: false });
    const outputs = node.joining.onJoin(peerOf(), queryOf(secretTopic, { replyKey: new Uint8Array(32) }), startMs);
    expect(outputs).toEqual([]);
  });

  it('of a neighbour twenty queries a minute are handed on, five to one other, which gets ten of all and ten of our own', () => {
    const node = createNode({ copies: 1 });
    const [flooder, other, neighbour] = [peerOf(), peerOf(), peerOf()];
    node.neighbours.push({ peer: neighbour, filter: undefined });
    const handedOn = (from: PeerId) =>
      Array.from({ length: 50 }, () => joinsOf(node.joining.onJoin(from, queryOf(secretTopic), startMs)).length).reduce(
        (one, another) => one + another,
      );
    const { queriesPerMinute, queriesPerPairMinute } = joiningDefaults;
    expect(handedOn(flooder)).toBe(queriesPerPairMinute);
    expect(handedOn(other)).toBe(queriesPerMinute - queriesPerPairMinute);
    expect(node.joining.refusals.get('too-often')).toBe(2 * (50 - 2 * queriesPerMinute));
    expect(node.joining.refusals.get('no-way')).toBe(2 * (2 * queriesPerMinute - queriesPerPairMinute));
    let own = 0;
    for (let count = 0; count < 20; count += 1) {
      own += joinsOf(node.joining.seek(createTopic(`t${count}`), 'open', startMs)).length;
    }
    expect(own).toBe(joiningDefaults.queriesPerMinute);
  });

  it('a connected neighbour gets more of our own where nobody else can be asked, and answers those it reads', () => {
    const topics = Array.from({ length: 60 }, (_, index) => createTopic(`t${index}`));
    const [asker, reader] = [createNode({ copies: 1 }), createNode({ answerDelayMs: 0 })];
    asker.neighbours.push({ peer: reader.descriptor.peer, filter: undefined });
    asker.connected.add(reader.descriptor.peer);
    for (const topic of topics.slice(0, 50)) reader.subscriptions.push({ topic, isSensitive: false });
    let asked = 0;
    let answered = 0;
    for (const topic of topics) {
      for (const { query } of joinsOf(asker.joining.seek(topic, 'open', startMs))) {
        asked += 1;
        answered += answersOf(reader.joining.onJoin(asker.descriptor.peer, query, startMs)).length;
      }
    }
    expect([asked, answered]).toEqual([60, 60]); // of those it does not read false answers
    expect(reader.joining.refusals.get('too-often')).toBeUndefined();
  });

  it('of a neighbour twenty queries a minute without a hint are compared with what is read here', () => {
    const node = createNode({ copies: 1 });
    const flooder = peerOf();
    for (let count = 0; count < 100; count += 1) {
      node.joining.onJoin(flooder, queryOf(secretTopic, { hint: [] }), startMs);
    }
    expect(node.joining.refusals.get('too-often')).toBe(100 - 2 * joiningDefaults.queriesPerMinute);
  });

  it('each way has answers of its own, and each neighbour so many that wait for it', () => {
    const node = createNode({ answerDelayMs: 200 });
    const [from, spy] = [peerOf(), peerOf()];
    node.neighbours.push({ peer: spy, filter: undefined }, { peer: peerOf(), filter: undefined });
    const query = queryOf(secretTopic);
    const to = [from, peerOf()]
      .flatMap((one) => joinsOf(node.joining.onJoin(one, query, startMs)))
      .map((way) => way.to);
    expect(to).toHaveLength(2);
    const back = to.map((peer) => {
      const message = { kind: 'joined', id: query.id, box: random.bytes(2_096) } as const;
      return Array.from({ length: 6 }, () => answersOf(node.joining.onJoined(peer, message, startMs)).length);
    });
    expect(back).toEqual([
      [1, 1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0, 0],
    ]);
    const { answersWaitingPerPeerMax } = joiningDefaults;
    for (let count = 0; count < 300; count += 1) node.joining.onJoin(spy, queryOf(secretTopic, { ttl: 1 }), startMs);
    node.joining.onJoin(from, queryOf(secretTopic, { ttl: 1 }), startMs);
    const answers = answersOf(node.joining.wake(startMs + 200));
    expect(answers.filter((answer) => answer.to === spy)).toHaveLength(answersWaitingPerPeerMax);
    expect(answers.filter((answer) => answer.to === from)).toHaveLength(1);
  });

  it('remembers so many ways back, the newest', () => {
    const node = createNode({ pathsMax: 3 });
    const to = peerOf();
    node.neighbours.push({ peer: to, filter: undefined });
    const queries = Array.from({ length: 5 }, () => queryOf(secretTopic));
    for (const query of queries) node.joining.onJoin(peerOf(), query, startMs);
    const handedBack = queries.map(
      ({ id }) =>
        answersOf(node.joining.onJoined(to, { kind: 'joined', id, box: random.bytes(2_096) }, startMs)).length,
    );
    expect(handedBack).toEqual([0, 0, 1, 1, 1]);
  });

  it('nothing that any peer sends throws, and what it leaves is bounded', () => {
    const node = createNode({ peersMax: 4, pathsMax: 16 });
    node.subscriptions.push({ topic: secretTopic, isSensitive: false }, { topic: openTopic, isSensitive: false });
    node.neighbours.push({ peer: peerOf(), filter: filterOf([openTopic]) });
    const bytes = (length: number) =>
      fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ minLength: length, maxLength: length }) }, fc.uint8Array());
    const query = fc.record({
      id: bytes(16),
      nonce: bytes(16),
      tag: bytes(16),
      replyKey: bytes(32),
      hint: fc.array(fc.oneof(fc.nat(4_095), fc.double()), { maxLength: 5 }),
      ttl: fc.oneof(fc.integer({ min: -1, max: 9 }), fc.double()),
    });
    const boxes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(14).map((layers) => random.bytes(2_096 + 48 * layers)),
    );
    fc.assert(
      fc.property(query, boxes, fc.nat(), (one, box, afterMs) => {
        const [copy] = joinsOf(node.joining.onJoin(peerOf(), one, startMs + afterMs));
        node.joining.onJoined(copy?.to ?? peerOf(), { kind: 'joined', id: one.id, box }, startMs + afterMs);
      }),
      { numRuns: 300 },
    );
  });
});
