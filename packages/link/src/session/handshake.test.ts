import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { generateX25519, sha256, x25519 } from '@pulsemesh/crypto';
import { expect, test } from 'vitest';
import type { Carrier } from '../carrier.ts';
import { LinkRefusedError, ServerImpostorError } from '../errors.ts';
import type { LinkIdentity, LinkSession } from '../session.ts';
import type { SessionServerOptions } from '../session-ends.ts';
import { createTestLinkIdentity } from '../testing/linked-pair.ts';
import { createMemoryCarrierPair, type MemoryCarrierOptions } from '../testing/memory-carriers.ts';
import { emptyHead, encodeBatch } from '../wire/encode-batch.ts';
import type { Item } from '../wire/items.ts';
import {
  decodePacket,
  decodeWelcomeCore,
  encodeHello,
  encodeHelloPacket,
  encodeRefusalPacket,
  encodeSealedPacket,
  encodeWelcomeCore,
  encodeWelcomePacket,
  type Packet,
} from '../wire/packet.ts';
import { agentStatement, deriveCiphers, transcriptOf } from './handshake.ts';
import { createClientSession, createSessionServer } from './index.ts';

function createBench(options: Partial<SessionServerOptions> = {}) {
  const clock = new VirtualClock();
  const random = createSeededRandom(11);
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  const identity = createTestLinkIdentity(random);
  const server = createSessionServer({ identity, certificateSha256: () => null, ...options }, dependencies);
  const sessions: LinkSession[] = [];
  server.onSession((session) => sessions.push(session));
  const carriers = (carrier: Partial<MemoryCarrierOptions> = {}) => {
    const pair = createMemoryCarrierPair({ clock, random, ...carrier });
    server.accept(pair.server);
    return pair;
  };
  const client = (more: Partial<Parameters<typeof createClientSession>[0]> = {}) =>
    createClientSession({ identity: createTestLinkIdentity(random), software: 'test', ...more }, dependencies);
  return { clock, random, dependencies, identity, server, sessions, carriers, client };
}

/** A server in five lines, wrong in one way. */
function answerHello(carrier: Carrier, answer: (hello: Extract<Packet, { kind: 'hello' }>) => Uint8Array): void {
  carrier.start({
    onPacket(bytes) {
      const packet = decodePacket(bytes);
      if (packet.kind === 'hello') carrier.send(answer(packet));
    },
    onWritable: () => {},
    onClosed: () => {},
  });
}

function welcomeOf(
  identity: LinkIdentity,
  signer: LinkIdentity,
  hello: Uint8Array,
  changes: Partial<Parameters<typeof encodeWelcomeCore>[0]> = {},
): Uint8Array {
  const random = createSeededRandom(3);
  const core = encodeWelcomeCore({
    version: 1,
    session: random.bytes(16),
    ephemeral: generateX25519(random).publicKey,
    server: identity.publicKey,
    timeMs: 0,
    certificate: new Uint8Array(0),
    packetBytesMax: 262_144,
    streamsMax: 10,
    graceMs: 1000,
    ...changes,
  });
  const label = new TextEncoder().encode('pulsemesh/link/1 server');
  const statement = Buffer.concat([label, sha256(hello), core]);
  return encodeWelcomePacket(core, signer.sign(statement));
}

test.each<[string, (bench: ReturnType<typeof createBench>, hello: Uint8Array) => Uint8Array]>([
  [
    'another key than the one expected',
    ({ random }, hello) => {
      const impostor = createTestLinkIdentity(random);
      return welcomeOf(impostor, impostor, hello);
    },
  ],
  [
    'the right key and another signature',
    ({ identity, random }, hello) => welcomeOf(identity, createTestLinkIdentity(random), hello),
  ],
  ['a signature over another hello', ({ identity, random }) => welcomeOf(identity, identity, random.bytes(68))],
  ['another version', ({ identity }, hello) => welcomeOf(identity, identity, hello, { version: 2 })],
  [
    'a point of small order',
    ({ identity }, hello) => welcomeOf(identity, identity, hello, { ephemeral: new Uint8Array(32) }),
  ],
  ['no core at all', () => encodeWelcomePacket(new Uint8Array(0), new Uint8Array(64))],
])('a welcome with %s ends the session as an impostor', async (_, answer) => {
  const bench = createBench();
  const agent = bench.client({ server: bench.identity.peerId });
  const pair = createMemoryCarrierPair(bench);
  answerHello(pair.server, (packet) => answer(bench, packet.bytes));
  await expect(agent.attach(pair.agent)).rejects.toBeInstanceOf(ServerImpostorError);
  await expect(agent.established).rejects.toBeInstanceOf(ServerImpostorError);
  expect(await agent.closed).toBeInstanceOf(ServerImpostorError);
});

test('an impostor on one carrier does not hinder the true server on another', async () => {
  const bench = createBench();
  const agent = bench.client({ server: bench.identity.peerId });
  const false_ = createMemoryCarrierPair(bench);
  answerHello(false_.server, (packet) => {
    const impostor = createTestLinkIdentity(bench.random);
    return welcomeOf(impostor, impostor, packet.bytes);
  });
  const true_ = bench.carriers();
  const first = agent.attach(false_.agent);
  const second = agent.attach(true_.agent);
  await expect(first).rejects.toBeInstanceOf(ServerImpostorError);
  await second;
  await agent.established;
  expect(agent.remote.peerId).toBe(bench.identity.peerId);
});

test('a hello of another version, or with a point of small order, is refused with the reason', async () => {
  const bench = createBench();
  const refusalOf = async (version: number, ephemeral: Uint8Array) => {
    const pair = bench.carriers();
    const answer = Promise.withResolvers<Packet>();
    pair.agent.start({
      onPacket: (bytes) => answer.resolve(decodePacket(bytes)),
      onWritable: () => {},
      onClosed: () => {},
    });
    pair.agent.send(encodeHelloPacket(encodeHello({ version, ephemeral, nonce: bench.random.bytes(32) })));
    return await answer.promise;
  };
  const point = generateX25519(bench.random).publicKey;
  expect(await refusalOf(2, point)).toMatchObject({ kind: 'refusal', code: 'version' });
  expect(await refusalOf(1, new Uint8Array(32))).toMatchObject({ kind: 'refusal', code: 'malformed' });
  expect(await refusalOf(1, point)).toMatchObject({ kind: 'welcome' });
});

test('a refusal of the hello rejects the attach, and the session can still come up on another carrier', async () => {
  const bench = createBench();
  const agent = bench.client();
  const refused = createMemoryCarrierPair(bench);
  answerHello(refused.server, () => encodeRefusalPacket('busy', 'later'));
  await expect(agent.attach(refused.agent)).rejects.toMatchObject({
    name: 'LinkRefusedError',
    refusal: 'busy',
    retryable: true,
  });
  await agent.attach(bench.carriers().agent);
  await agent.established;
});

/** An agent by hand: what it says after the handshake is the test's. */
async function rawAgent(bench: ReturnType<typeof createBench>, identity: LinkIdentity) {
  const pair = bench.carriers();
  const packets: Packet[] = [];
  const welcomed = Promise.withResolvers<Extract<Packet, { kind: 'welcome' }>>();
  pair.agent.start({
    onPacket(bytes) {
      const packet = decodePacket(bytes);
      packets.push(packet);
      if (packet.kind === 'welcome') welcomed.resolve(packet);
    },
    onWritable: () => {},
    onClosed: () => {},
  });
  const ephemeral = generateX25519(bench.random);
  const hello = encodeHello({ version: 1, ephemeral: ephemeral.publicKey, nonce: bench.random.bytes(32) });
  pair.agent.send(encodeHelloPacket(hello));
  const welcome = await welcomed.promise;
  const core = decodeWelcomeCore(welcome.core);
  const transcript = transcriptOf(hello, welcome.core);
  const { toServer } = deriveCiphers(x25519(ephemeral.privateKey, core.ephemeral), transcript);
  let number = 0;
  const seal = (items: readonly Item[], first: number) => {
    number += 1;
    const additional = new Uint8Array(24);
    additional.set(core.session);
    new DataView(additional.buffer).setUint32(20, number);
    const batch = encodeBatch({ ...emptyHead, first, route: 1 }, items).slice();
    return encodeSealedPacket(core.session, number, toServer.seal(number, additional, batch));
  };
  const login: Item = {
    kind: 'login',
    publicKey: identity.publicKey,
    signature: identity.sign(agentStatement(transcript)),
    certificates: [],
    invitation: new Uint8Array(0),
    software: '',
  };
  return { pair, packets, seal, login, send: (packet: Uint8Array) => pair.agent.send(packet) };
}

test('a login signed by another key, or for another session, is refused and opens nothing', async () => {
  const bench = createBench();
  const identity = createTestLinkIdentity(bench.random);
  const first = await rawAgent(bench, identity);
  first.send(first.seal([first.login], 1));
  await bench.clock.advance(1);
  expect(bench.sessions).toHaveLength(1);
  const second = await rawAgent(bench, identity);
  second.send(second.seal([first.login], 1)); // taken from the first session
  const third = await rawAgent(bench, createTestLinkIdentity(bench.random));
  third.send(third.seal([{ ...third.login, publicKey: identity.publicKey } as Item], 1));
  await bench.clock.advance(2_000);
  expect(bench.sessions).toHaveLength(1);
  expect(second.pair.isClosed).toBe(true);
  expect(third.pair.isClosed).toBe(true);
});

test('whoever does not begin with a login is put out, and nothing it sent is acted upon', async () => {
  const bench = createBench();
  const agent = await rawAgent(bench, createTestLinkIdentity(bench.random));
  agent.send(agent.seal([{ kind: 'open', stream: 1, method: 'echo' }, agent.login], 1));
  await bench.clock.advance(10);
  expect(bench.sessions).toHaveLength(0);
  expect(agent.pair.isClosed).toBe(true);
});

test('recorded packets have no effect on another carrier, nor in another session', async () => {
  const bench = createBench();
  let opened = 0;
  bench.server.onSession((session) => {
    session.serve('count', () => {
      opened += 1;
    });
  });
  const agent = await rawAgent(bench, createTestLinkIdentity(bench.random));
  const recorded = [agent.seal([agent.login], 1), agent.seal([{ kind: 'open', stream: 1, method: 'count' }], 2)];
  for (const packet of recorded) agent.send(packet);
  await bench.clock.advance(1);
  expect(opened).toBe(1);
  const other = await rawAgent(bench, createTestLinkIdentity(bench.random));
  const replay = bench.carriers();
  const answers: Packet[] = [];
  replay.agent.start({
    onPacket: (bytes) => answers.push(decodePacket(bytes)),
    onWritable: () => {},
    onClosed: () => {},
  });
  for (const packet of [...recorded, ...recorded]) {
    replay.agent.send(packet);
    other.send(packet);
    agent.send(packet);
  }
  await bench.clock.advance(100);
  expect(opened).toBe(1);
  expect(bench.sessions).toHaveLength(1);
  expect(answers).toEqual([]); // the server does not send to whoever replays
  expect(bench.server.sessions()[0]?.status.carriers).toHaveLength(1);
});

test('a packet of which a bit was flipped does not open', async () => {
  const bench = createBench();
  const agent = await rawAgent(bench, createTestLinkIdentity(bench.random));
  const packet = agent.seal([agent.login], 1);
  for (let bit = 0; bit < packet.length * 8; bit += 7) {
    const flipped = packet.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    agent.send(flipped);
    await Promise.resolve();
  }
  await bench.clock.advance(1);
  expect(bench.sessions).toHaveLength(0);
  agent.send(packet);
  await bench.clock.advance(1);
  expect(bench.sessions).toHaveLength(1);
});

test('the same hello on several carriers is one session, and the first that answers is used', async () => {
  const bench = createBench();
  const agent = bench.client();
  const slow = bench.carriers({ delayMs: 80, transport: 'long-poll' });
  const fast = bench.carriers({ delayMs: 5, transport: 'grpc' });
  const attached = [agent.attach(slow.agent), agent.attach(fast.agent)];
  await bench.clock.advance(1_000);
  await Promise.all(attached);
  expect(bench.sessions).toHaveLength(1);
  expect(agent.status.transport).toBe('grpc');
  expect(agent.status.carriers.map((carrier) => [carrier.transport, carrier.isProven])).toEqual([
    ['long-poll', true],
    ['grpc', true],
  ]);
});

test('a lost hello is said again', async () => {
  const bench = createBench();
  const agent = bench.client();
  let count = 0;
  const pair = bench.carriers({ delayMs: 1, tamper: (packet) => (count++ === 0 ? null : packet) });
  const attached = agent.attach(pair.agent);
  await bench.clock.advance(1_500);
  await attached;
});

test('what admit refuses gets the code and nothing else; a guest only what is open to guests', async () => {
  const refusing = createBench({
    admit: async () => ({ kind: 'refused', code: 'not-admitted', text: 'ask the operator' }),
  });
  const refused = refusing.client();
  await refused.attach(refusing.carriers().agent);
  await expect(refused.established).rejects.toBeInstanceOf(LinkRefusedError);
  expect(refusing.sessions).toHaveLength(0);

  const bench = createBench({ admit: () => ({ kind: 'guest' }) });
  bench.server.onSession((session) => {
    session.serve('members', () => {});
    session.serve('enrol', (stream) => stream.send(new Uint8Array([1])), { isOpenToGuests: true });
  });
  const guest = bench.client();
  await guest.attach(bench.carriers().agent);
  expect(await guest.request('enrol', new Uint8Array(0))).toEqual(new Uint8Array([1]));
  await expect(guest.request('members', new Uint8Array(0))).rejects.toMatchObject({ code: 'not-admitted' });
});

test('items sent with the login wait until it was judged', async () => {
  const verdict = Promise.withResolvers<{ kind: 'admitted' }>();
  const bench = createBench({ admit: () => verdict.promise });
  bench.server.onSession((session) => session.serve('echo', (stream) => stream.send(new Uint8Array([7]))));
  const agent = bench.client();
  const answer = agent.request('echo', new Uint8Array(1));
  await agent.attach(bench.carriers().agent);
  await bench.clock.advance(100);
  expect(bench.sessions).toHaveLength(0);
  verdict.resolve({ kind: 'admitted' });
  expect(await answer).toEqual(new Uint8Array([7]));
});

test('another certificate on the wire than the server names is shown as interception; a renewed one is not', async () => {
  let served = new Uint8Array(32).fill(1);
  const bench = createBench({ certificateSha256: () => served });
  const agent = bench.client();
  const direct = bench.carriers({ connection: { certificateSha256: '01'.repeat(32) } });
  await agent.attach(direct.agent);
  expect(agent.status.isIntercepted).toBe(false);
  const inspected = bench.carriers({ connection: { certificateSha256: 'ee'.repeat(32) } });
  await agent.attach(inspected.agent);
  agent.use(inspected.agent);
  expect(agent.status.isIntercepted).toBe(true);
  served = new Uint8Array(32).fill(2);
  const renewed = bench.carriers({ connection: { certificateSha256: '02'.repeat(32) } });
  await agent.attach(renewed.agent);
  agent.use(renewed.agent);
  expect(agent.status.isIntercepted).toBe(false);
  const browser = bench.carriers();
  await agent.attach(browser.agent);
  agent.use(browser.agent);
  expect(agent.status.isIntercepted).toBeNull();
});

test('a login that could not be judged is refused as busy, and the server lives on', async () => {
  let isBroken = true;
  const bench = createBench({
    admit: async () => {
      if (isBroken) throw new Error('the register of agents is away');
      return { kind: 'admitted' };
    },
  });
  const first = bench.client();
  await first.attach(bench.carriers().agent);
  await expect(first.established).rejects.toMatchObject({ refusal: 'busy', retryable: true });
  isBroken = false;
  const second = bench.client();
  await second.attach(bench.carriers().agent);
  await second.established;
  expect(second.isGuest).toBe(false);
});
