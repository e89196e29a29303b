import { Condition, createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import { SessionClosedError, SessionLostError } from '../errors.ts';
import { createLinkedPair } from '../testing/linked-pair.ts';
import { createMemoryCarrierPair } from '../testing/memory-carriers.ts';
import { decodePacket, encodeRefusalPacket } from '../wire/packet.ts';
import { pairOf, serverRestarts, settled } from './session-test-pair.ts';

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
