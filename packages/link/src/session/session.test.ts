import { Condition, createPrometheusMeter, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import {
  LinkRemoteError,
  MessageTooLargeError,
  SessionClosedError,
  SessionLostError,
  StreamClosedError,
  StreamFullError,
  StreamLimitError,
} from '../errors.ts';
import type { LinkStream } from '../session.ts';
import { createLinkedPair, createTestLinkIdentity, type LinkedPairOptions } from '../testing/linked-pair.ts';
import { createMemoryCarrierPair } from '../testing/memory-carriers.ts';
import { decodePacket, encodeHello, encodeHelloPacket, encodeRefusalPacket } from '../wire/packet.ts';
import { createClientSession, createSessionServer, sessionConstants, sessionLimits } from './index.ts';

const pairOf = (options: Partial<LinkedPairOptions> = {}) => {
  const clock = new VirtualClock();
  return createLinkedPair({ clock, ...options }).then((pair) => Object.assign(pair, { clock }));
};

/** Lets what is ready happen. */
const settled = (clock: VirtualClock) => clock.advance(30);

const reason = new Condition('because', 'because', { retryable: true });

async function serverRestarts(pair: Awaited<ReturnType<typeof pairOf>>) {
  // A server with the same key that knows nothing: what an agent meets after a restart.
  const random = createSeededRandom(99);
  const { clock } = pair;
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  return createSessionServer({ identity: createTestLinkIdentity(random), certificateSha256: () => null }, dependencies);
}

test('a session whose server was restarted is lost, said so, and its streams break', async () => {
  const pair = await pairOf();
  const stream = pair.agent.open('nothing-serves-this-yet');
  const reading = stream.receive();
  reading.catch(() => {});
  pair.carriers.cut();
  const restarted = await serverRestarts(pair);
  const next = createMemoryCarrierPair({ clock: pair.clock, random: createSeededRandom(5) });
  restarted.accept(next.server);
  const attached = pair.agent.attach(next.agent);
  attached.catch(() => {});
  await pair.clock.advance(500);
  await expect(attached).rejects.toBeInstanceOf(SessionLostError);
  expect(await pair.agent.closed).toBeInstanceOf(SessionLostError);
  await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/session-closed|unknown-method/) });
  expect(() => pair.agent.open('x')).toThrow(SessionClosedError);
});

test('forged refusals do not end a session that lives', async () => {
  const pair = await pairOf();
  let session = new Uint8Array(16);
  const second = pair.addCarriers({
    tamper(packet) {
      const decoded = decodePacket(packet);
      if (decoded.kind === 'sealed') session = decoded.session.slice();
      return packet;
    },
  });
  await pair.agent.attach(second.agent);
  for (let count = 0; count < 20; count += 1) {
    pair.carriers.inject('to-agent', encodeRefusalPacket('unknown-session', '', session));
    second.inject('to-agent', encodeRefusalPacket('unknown-session', '', session));
  }
  await pair.clock.advance(5_000);
  expect(pair.agent.status.state).toBe('up');
  expect(pair.agent.status.carriers).toHaveLength(2);
});

test('an agent that finds no carrier within the grace period says that the session is lost', async () => {
  const pair = await pairOf({ serverOptions: { limits: { graceMs: 5_000 } } });
  pair.carriers.cut();
  await pair.clock.advance(4_900);
  expect(pair.agent.status.state).toBe('connecting');
  expect(pair.server.sessions()).toHaveLength(1);
  await pair.clock.advance(200);
  expect(await pair.agent.closed).toBeInstanceOf(SessionLostError);
  expect(await pair.serverSession.closed).toBeInstanceOf(SessionLostError);
  expect(pair.server.sessions()).toHaveLength(0);
});

test('within the grace period the session goes on, with what waited meanwhile', async () => {
  await using pair = await pairOf();
  const got: number[] = [];
  pair.serverSession.serve('in', (stream) =>
    stream.consume(
      (message) => void got.push(message?.[0] ?? -1),
      () => {},
    ),
  );
  const stream = pair.agent.open('in');
  stream.write(new Uint8Array([1]));
  pair.carriers.cut();
  stream.write(new Uint8Array([2]));
  await pair.clock.advance(60_000);
  await pair.agent.attach(pair.addCarriers().agent);
  stream.write(new Uint8Array([3]));
  await settled(pair.clock);
  expect(got).toEqual([1, 2, 3]);
});

test('a carrier that holds what must go through it no longer is given up', async () => {
  await using pair = await pairOf();
  pair.serverSession.serve('in', () => {});
  pair.carriers.limitBytes(1_000);
  const small = pair.agent.open('in');
  small.write(new Uint8Array(5_000));
  await settled(pair.clock);
  expect(pair.agent.status.state).toBe('up');
  // A part this long was cut before the carrier shrank.
  const other = pair.addCarriers();
  await pair.agent.attach(other.agent);
  pair.agent.use(other.agent);
  pair.carriers.cut();
  small.write(new Uint8Array(16_000));
  other.limitBytes(600);
  await settled(pair.clock);
  expect(pair.agent.status.state).toBe('connecting');
});

test('revocation ends every session of the agent at once, and tells it why', async () => {
  const pair = await pairOf();
  await using other = await createLinkedPair({ clock: pair.clock, server: pair.server, random: createSeededRandom(8) });
  const { peerId } = pair.serverSession.remote;
  expect(pair.server.endSessionsOf(peerId, new Condition('revoked', 'the certificate was revoked'))).toBe(1);
  await settled(pair.clock);
  expect(await pair.agent.closed).toMatchObject({ name: 'LinkRemoteError', code: 'revoked', retryable: false });
  expect(pair.server.sessions()).toHaveLength(1);
  expect(other.agent.status.state).toBe('up');
});

test('draining says goodbye in slices and refuses new sessions', async () => {
  const clock = new VirtualClock();
  const first = await createLinkedPair({ clock });
  const others = [];
  for (let seed = 20; seed < 29; seed += 1) {
    others.push(await createLinkedPair({ clock, server: first.server, random: createSeededRandom(seed) }));
  }
  const drained = first.server.drain(1_000);
  await clock.advance(350);
  const left = first.server.sessions().length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(10);
  await clock.advance(2_000);
  await drained;
  for (const pair of [first, ...others]) {
    expect(await pair.agent.closed).toMatchObject({ code: 'draining', retryable: true });
  }
});

test('disposing tells the other end and leaves no timer and no carrier', async () => {
  const pair = await pairOf();
  await pair.agent[Symbol.asyncDispose]();
  expect(await pair.agent.closed).toBeNull();
  expect(pair.agent.status.state).toBe('closed');
  await settled(pair.clock);
  expect(await pair.serverSession.closed).toMatchObject({ code: 'closing' });
  await pair.server[Symbol.asyncDispose]();
  await settled(pair.clock);
  expect(pair.carriers.isClosed).toBe(true);
  expect(pair.clock.pendingCount).toBe(0);
});

test('an aborted stream breaks at the other end with the code, and both forget it', async () => {
  await using pair = await pairOf();
  const served = Promise.withResolvers<LinkStream>();
  pair.serverSession.serve('in', (stream) => served.resolve(stream));
  const stream = pair.agent.open('in');
  stream.write(new Uint8Array(1));
  const theirs = await served.promise;
  await theirs.receive();
  const reading = theirs.receive();
  reading.catch(() => {});
  stream.abort(reason);
  await expect(reading).rejects.toMatchObject({ name: 'LinkRemoteError', code: 'because', retryable: true });
  expect(() => stream.write(new Uint8Array(1))).toThrow(StreamClosedError);
  expect(() => theirs.write(new Uint8Array(1))).toThrow(StreamClosedError);
  await expect(stream.receive()).rejects.toBeInstanceOf(StreamClosedError);
});

test('a handler that throws resets its stream; the text of an unknown error stays here', async () => {
  await using pair = await pairOf();
  pair.serverSession.serve('bad', async () => {
    throw new Error('the patient is called …');
  });
  pair.serverSession.serve('no', async () => {
    throw reason;
  });
  const failed = await pair.agent.request('bad', new Uint8Array(0)).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(LinkRemoteError);
  expect(failed).toMatchObject({ code: 'handler-failed', remoteText: 'the other end said: handler-failed' });
  await expect(pair.agent.request('no', new Uint8Array(0))).rejects.toMatchObject({ code: 'because' });
  await expect(pair.agent.request('none', new Uint8Array(0))).rejects.toMatchObject({ code: 'unknown-method' });
});

test('an aborted request rejects with the reason of its signal and resets the stream', async () => {
  await using pair = await pairOf();
  const broken = Promise.withResolvers<Condition>();
  pair.serverSession.serve('slow', (stream) => stream.consume(() => {}, broken.resolve));
  const controller = new AbortController();
  const answer = pair.agent.request('slow', new Uint8Array(0), { signal: controller.signal });
  answer.catch(() => {});
  await settled(pair.clock);
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
  expect(await broken.promise).toMatchObject({ code: 'because' });
});

test('streams past the limit are refused here, and reset by the other end', async () => {
  await using pair = await pairOf({ serverOptions: { limits: { streamsMax: 3 } } });
  pair.serverSession.serve('in', () => {});
  const streams = [pair.agent.open('in'), pair.agent.open('in'), pair.agent.open('in')];
  expect(() => pair.agent.open('in')).toThrow(StreamLimitError);
  streams[0]?.abort(reason);
  pair.agent.open('in');

  await using strict = await pairOf({ clientOptions: { limits: { streamsMax: 2 } } });
  strict.agent.serve('in', () => {});
  strict.serverSession.open('in');
  strict.serverSession.open('in');
  await expect(strict.serverSession.request('in', new Uint8Array(0))).rejects.toMatchObject({
    code: 'too-many-streams',
  });
});

test('a message past the limit is refused here, and resets the stream at the other end', async () => {
  const large = new Uint8Array(200_000);
  await using pair = await pairOf({ clientOptions: { limits: { messageBytesMax: 100_000 } } });
  expect(() => pair.agent.open('in').write(large)).toThrow(MessageTooLargeError);
  pair.agent.serve('in', (stream) =>
    stream.consume(
      () => {},
      () => {},
    ),
  );
  await expect(pair.serverSession.request('in', large)).rejects.toMatchObject({ code: 'message-too-large' });
});

test('incomplete messages of all streams together are bounded', async () => {
  const messageBytes = 4 * 1024 * 1024;
  await using pair = await pairOf();
  pair.serverSession.serve('in', (stream) =>
    stream.consume(
      () => {},
      () => {},
    ),
  );
  const broken: string[] = [];
  for (let index = 0; index < 16; index += 1) {
    const stream = pair.agent.open('in');
    stream.consume(
      () => {},
      ({ code }) => void broken.push(code),
    );
    stream.write(new Uint8Array(messageBytes));
  }
  await pair.clock.advance(2_000);
  // They advance side by side, so some pass 32 MiB together; those that are left arrive whole.
  expect(broken.length).toBeGreaterThan(0);
  expect(new Set(broken)).toEqual(new Set(['busy']));
});

test('a writer that does not wait for room is stopped at the buffer limit', async () => {
  await using pair = await pairOf();
  pair.serverSession.serve('in', () => {});
  const stream = pair.agent.open('in');
  const message = new Uint8Array(1024 * 1024);
  expect(() => {
    for (let count = 0; count < 20; count += 1) stream.write(message);
  }).toThrow(StreamFullError);
  expect(stream.bufferedBytes).toBeLessThan(sessionConstants.streamBufferBytesMax + message.length + 64);
});

test('a reader that does not read stops the writer at the credit; released bytes let it go on', async () => {
  await using pair = await pairOf();
  const served = Promise.withResolvers<LinkStream>();
  let got = 0;
  pair.serverSession.serve('in', (stream) => {
    stream.hold();
    stream.consume(
      () => {
        got += 1;
      },
      () => {},
    );
    served.resolve(stream);
  });
  const stream = pair.agent.open('in');
  for (let count = 0; count < 1_000; count += 1) stream.write(new Uint8Array(1_000));
  await pair.clock.advance(1_000);
  const credit = Math.floor(sessionLimits.streamCreditBytes / (1_000 + sessionConstants.itemCostBytes));
  expect(got).toBe(credit);
  (await served.promise).release(100 * 1_000);
  await pair.clock.advance(1_000);
  // Credit goes back in portions; what is short of one waits for more.
  expect(got).toBeGreaterThan(credit + 50);
  expect(got).toBeLessThanOrEqual(credit + 100);
});

test('empty messages are not free: a reader that does not read holds a bounded number', async () => {
  await using pair = await pairOf();
  const served = Promise.withResolvers<LinkStream>();
  pair.serverSession.serve('in', (stream) => served.resolve(stream));
  const stream = pair.agent.open('in');
  for (let count = 0; count < 20_000; count += 1) stream.write(new Uint8Array(0));
  await settled(pair.clock);
  const theirs = await served.promise;
  expect(stream.bufferedBytes).toBe((20_000 - sessionLimits.streamCreditBytes / 64) * 64);
  for (let count = 0; count < 20_000; count += 1) {
    const reading = theirs.receive();
    if (count % 1_000 === 0) await settled(pair.clock);
    await reading;
  }
});

test('what is sent and not acknowledged is bounded: write says no, and calls back when there is room', async () => {
  const unackedBytesMax = 64 * 1024;
  await using pair = await pairOf({ clientOptions: { limits: { unackedBytesMax } } });
  pair.serverSession.serve('in', (stream) =>
    stream.consume(
      () => {},
      () => {},
    ),
  );
  const stream = pair.agent.open('in');
  pair.carriers.blackhole();
  let writes = 0;
  while (stream.write(new Uint8Array(1_000))) writes += 1;
  expect(writes).toBeLessThanOrEqual(unackedBytesMax / 1_064);
  expect(pair.agent.status.unackedBytes).toBeLessThan(unackedBytesMax + 2_000);
  const drained = Promise.withResolvers<void>();
  stream.onDrain(drained.resolve);
  pair.carriers.cut();
  await pair.agent.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  await drained.promise;
});

test('an agent that takes no acknowledgement into account is put out before its answers fill the memory', async () => {
  // The server answers each Open with a Reset; packets to the agent are lost, so none is acknowledged.
  await using pair = await pairOf({ serverOptions: { limits: { unackedBytesMax: 16_384 } } });
  let isDeaf = false;
  const deaf = pair.addCarriers({
    tamper: (packet, direction) => (isDeaf && direction === 'to-agent' ? null : packet),
  });
  await pair.agent.attach(deaf.agent);
  pair.agent.use(deaf.agent);
  await settled(pair.clock);
  isDeaf = true;
  for (let count = 0; count < 30_000; count += 1) {
    try {
      pair.agent.open('none').abort(reason);
    } catch {
      break;
    }
    if (count % 500 === 0) await settled(pair.clock);
  }
  await pair.clock.advance(3_000);
  expect(await pair.serverSession.closed).toMatchObject({ code: 'protocol-violation' });
});

test('carriers past the limit are refused by the agent; the server closes the oldest that is not active', async () => {
  await using pair = await pairOf({
    clientOptions: { limits: { carriersPerSessionMax: 4 } },
    serverOptions: { limits: { carriersPerSessionMax: 2 } },
  });
  const second = pair.addCarriers();
  await pair.agent.attach(second.agent);
  await pair.agent.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  expect(second.isClosed).toBe(true);
  expect(pair.serverSession.status.carriers).toHaveLength(2);
  const waiting = [1, 2, 3].map(() => pair.agent.attach(pair.addCarriers({ delayMs: 50 }).agent));
  for (const attached of waiting) attached.catch(() => {});
  await expect(waiting[2]).rejects.toMatchObject({ code: 'link-busy' });
  expect(pair.agent.status.state).toBe('up');
});

test('hellos past the limit of pending sessions put out the oldest that waits for its login, and no other', async () => {
  const judging = Promise.withResolvers<void>();
  const admit = async ({ software }: { software: string }) => {
    if (software === 'slow') await judging.promise;
    return { kind: 'admitted' } as const;
  };
  const pair = await pairOf({ serverOptions: { admit, limits: { pendingMax: 2 } } });
  const client = (seed: number, software = '') => {
    const random = createSeededRandom(seed);
    const dependencies = { clock: pair.clock, random, logger: silentLogger, meter: silentMeter };
    return createClientSession({ identity: createTestLinkIdentity(random), software }, dependencies);
  };
  const judged = client(1, 'slow');
  await judged.attach(pair.addCarriers().agent);
  // Welcomed, and then their logins are lost.
  const mute = (seed: number) =>
    client(seed).attach(
      pair.addCarriers({ tamper: (packet) => (decodePacket(packet).kind === 'sealed' ? null : packet) }).agent,
    );
  for (const seed of [2, 3, 4]) await mute(seed);
  const late = client(5);
  await late.attach(pair.addCarriers().agent);
  await late.established;
  // The one that is being judged stays; two of those leave no room.
  const other = client(6, 'slow');
  await other.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  await expect(client(7).attach(pair.addCarriers().agent)).rejects.toMatchObject({ refusal: 'busy' });
  judging.resolve();
  await Promise.all([judged.established, other.established]);
  await client(8).attach(pair.addCarriers().agent);
});

test('a carrier begins one session, however many hellos it brings', async () => {
  const pair = await pairOf();
  const { agent } = pair.addCarriers();
  const answers: string[] = [];
  agent.start({
    onPacket: (packet) => {
      const answer = decodePacket(packet);
      answers.push(answer.kind === 'refusal' ? answer.code : answer.kind);
    },
    onWritable: () => {},
    onClosed: () => {},
  });
  const random = createSeededRandom(9);
  const hello = () =>
    encodeHelloPacket(encodeHello({ version: 1, ephemeral: random.bytes(32), nonce: random.bytes(32) }));
  const first = hello();
  for (const packet of [first, hello(), first]) {
    agent.send(packet);
    await settled(pair.clock);
  }
  expect(answers).toEqual(['welcome', 'malformed', 'welcome']);
});

test('before the login little is kept that came early; all of it arrives once it is accepted', async () => {
  const judging = Promise.withResolvers<void>();
  const admit = () => judging.promise.then(() => ({ kind: 'admitted' }) as const);
  const clock = new VirtualClock();
  const random = createSeededRandom(1);
  const meter = createPrometheusMeter();
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  const server = createSessionServer(
    { identity: createTestLinkIdentity(random), certificateSha256: () => null, admit },
    { ...dependencies, meter },
  );
  let got = 0;
  const all = Promise.withResolvers<void>();
  server.onSession((session) => {
    session.serve('in', (stream) =>
      stream.consume(
        () => {
          got += 1;
          if (got === 200) all.resolve();
        },
        () => {},
      ),
    );
  });
  const carriers = createMemoryCarrierPair({ clock, random });
  server.accept(carriers.server);
  const agent = createClientSession({ identity: createTestLinkIdentity(random), software: '' }, dependencies);
  await agent.attach(carriers.agent);
  const stream = agent.open('in');
  for (let count = 0; count < 200; count += 1) stream.write(new Uint8Array(1_000));
  await clock.advance(500);
  const kept = Math.floor(sessionConstants.pendingEarlyBytesMax / (1_000 + sessionConstants.itemCostBytes));
  const dropped = Number(/items_dropped_total (\d+)/.exec(await meter.text())?.[1]);
  expect(dropped).toBeGreaterThanOrEqual(200 - kept);
  judging.resolve();
  await agent.established;
  // Asked for at once: long before the timer would send it again.
  await clock.advance(100);
  await all.promise;
});

test('a carrier that says nothing of a session is closed', async () => {
  await using pair = await pairOf({ serverOptions: { limits: { pendingMs: 1_000 } } });
  const silent = pair.addCarriers();
  silent.agent.start({ onPacket: () => {}, onWritable: () => {}, onClosed: () => {} });
  await pair.clock.advance(1_100);
  expect(silent.isClosed).toBe(true);
});

test('an idle session is kept alive by its agent; one that is silent loses its carriers', async () => {
  await using pair = await pairOf();
  await pair.clock.advance(600_000);
  expect(pair.agent.status.state).toBe('up');
  pair.carriers.blackhole();
  await pair.clock.advance(sessionConstants.silentMs + 40_000);
  expect(pair.serverSession.status.carriers).toHaveLength(0);
});

test('after a lost packet the receiver says so, and what is missing comes long before the timer', async () => {
  let isLost = false;
  await using pair = await pairOf({
    carrier: { tamper: (packet, direction) => (isLost && direction === 'to-server' ? null : packet) },
  });
  const got: number[] = [];
  pair.serverSession.serve('in', (stream) =>
    stream.consume(
      (message) => void got.push(message?.[0] ?? -1),
      () => {},
    ),
  );
  const stream = pair.agent.open('in');
  await settled(pair.clock);
  isLost = true;
  stream.write(new Uint8Array([1]));
  await settled(pair.clock);
  isLost = false;
  stream.write(new Uint8Array([2]));
  await pair.clock.advance(100);
  expect(got).toEqual([1, 2]);
});

test('when the last packet is lost the timer sends it again', async () => {
  let isLost = false;
  await using pair = await pairOf({
    carrier: { tamper: (packet, direction) => (isLost && direction === 'to-server' ? null : packet) },
  });
  const got: number[] = [];
  pair.serverSession.serve('in', (stream) =>
    stream.consume(
      (message) => void got.push(message?.[0] ?? -1),
      () => {},
    ),
  );
  const stream = pair.agent.open('in');
  await settled(pair.clock);
  isLost = true;
  stream.write(new Uint8Array([1]));
  await settled(pair.clock);
  isLost = false;
  expect(got).toEqual([]);
  await pair.clock.advance(sessionConstants.resendMsMin + 100);
  expect(got).toEqual([1]);
});

test('messages of one turn of the event loop share a batch', async () => {
  let packets = 0;
  await using pair = await pairOf({
    carrier: {
      tamper(packet, direction) {
        if (direction === 'to-server') packets += 1;
        return packet;
      },
    },
  });
  pair.serverSession.serve('in', () => {});
  const stream = pair.agent.open('in');
  await settled(pair.clock);
  packets = 0;
  for (let count = 0; count < 20; count += 1) stream.write(new Uint8Array(1_024));
  await settled(pair.clock);
  expect(packets).toBe(1);
});

test('a carrier that polls is written to only while it can be, and everything arrives', async () => {
  await using pair = await pairOf({ carrier: { isPoll: true } });
  pair.serverSession.serve('echo', (stream) =>
    stream.consume(
      (message) => {
        if (message === null) stream.end();
        else stream.write(message);
      },
      () => {},
    ),
  );
  const stream = pair.agent.open('echo');
  for (let count = 0; count < 500; count += 1) stream.write(new Uint8Array([count & 0xff, 1]));
  stream.end();
  for (let count = 0; count < 500; count += 1) {
    const reading = stream.receive();
    if (count % 50 === 0) await settled(pair.clock);
    expect((await reading)?.[0]).toBe(count & 0xff);
  }
  expect(await stream.receive()).toBeNull();
});

test('what is sent in answer to onStatus handlers is the state after all changes of a turn', async () => {
  await using pair = await pairOf();
  const seen: string[] = [];
  pair.agent.onStatus(({ state, carriers }) => void seen.push(`${state} ${carriers.length}`));
  pair.carriers.cut();
  await settled(pair.clock);
  await pair.agent.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  expect(seen[0]).toBe('connecting 0');
  expect(seen.at(-1)).toBe('up 1');
});

test('over a drop that takes a day each way the session comes up and nothing is repeated in haste', async () => {
  const clock = new VirtualClock();
  const dayMs = 24 * 3600 * 1000;
  let packets = 0;
  const linking = createLinkedPair({
    clock,
    carrier: {
      transport: 'drop',
      delayMs: dayMs,
      tamper(packet) {
        packets += 1;
        return packet;
      },
    },
  });
  for (let hours = 0; hours < 100; hours += 1) await clock.advance(dayMs / 24);
  const pair = await linking;
  pair.serverSession.serve('echo', (stream) => stream.send(new Uint8Array([5])));
  const answer = pair.agent.request('echo', new Uint8Array(1));
  for (let hours = 0; hours < 50; hours += 1) await clock.advance(dayMs / 24);
  expect(await answer).toEqual(new Uint8Array([5]));
  // Hellos are repeated after half an hour, then after twice that; once there is an answer, next to nothing is.
  expect(packets).toBeLessThan(60);
});
