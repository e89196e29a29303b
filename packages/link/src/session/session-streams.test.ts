import type { Condition } from '@pulsemesh/base';
import { expect, test } from 'vitest';
import {
  LinkRemoteError,
  MessageTooLargeError,
  StreamClosedError,
  StreamFullError,
  StreamLimitError,
} from '../errors.ts';
import type { LinkStream } from '../session.ts';
import { sessionConstants, sessionLimits } from './index.ts';
import { pairOf, reason, settled } from './session-test-pair.ts';

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
