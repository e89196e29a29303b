import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import { createLinkedPair } from '../testing/linked-pair.ts';
import { sessionConstants } from './index.ts';
import { pairOf, settled } from './session-test-pair.ts';

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
