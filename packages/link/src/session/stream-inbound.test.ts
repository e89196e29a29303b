import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import type { LinkStream } from '../session.ts';
import { createLinkedPair } from '../testing/linked-pair.ts';
import { sessionConstants, sessionLimits } from './index.ts';

const { messageBytesMax, streamCreditBytes } = sessionLimits;

async function openedPair() {
  const clock = new VirtualClock();
  const pair = await createLinkedPair({ clock });
  const served = Promise.withResolvers<LinkStream>();
  return { pair, clock, served };
}

test('a reader that does not read is sent one long message and the credit, and all of the rest once it reads', async () => {
  const { pair, clock, served } = await openedPair();
  await using _ = pair;
  pair.serverSession.serve('in', (stream) => served.resolve(stream));
  const stream = pair.agent.open('in');
  const bytes = messageBytesMax / 2;
  for (let index = 0; index < 4; index += 1) stream.write(new Uint8Array(bytes).fill(index));
  await clock.advance(1_000);
  expect(stream.bufferedBytes).toBeGreaterThan(3 * bytes - streamCreditBytes);
  const theirs = await served.promise;
  for (let index = 0; index < 4; index += 1) {
    const message = await theirs.receive();
    expect(message?.length).toBe(bytes);
    expect(message?.at(-1)).toBe(index);
    await clock.advance(1_000);
  }
});

test('a reader that holds is sent no second long message before it releases the first', async () => {
  const { pair, clock, served } = await openedPair();
  await using _ = pair;
  let count = 0;
  pair.serverSession.serve('in', (stream) => {
    stream.hold();
    stream.consume(
      () => {
        count += 1;
      },
      () => {},
    );
    served.resolve(stream);
  });
  const stream = pair.agent.open('in');
  for (const _each of [1, 2]) stream.write(new Uint8Array(messageBytesMax));
  await clock.advance(1_000);
  expect(count).toBe(1);
  (await served.promise).release(messageBytesMax);
  await clock.advance(1_000);
  expect(count).toBe(2);
});

test('long messages that nobody reads are bounded over all streams; what is over counts no more', async () => {
  const { pair, clock } = await openedPair();
  await using _ = pair;
  pair.serverSession.serve('in', () => {});
  const perRound = sessionConstants.assemblyBytesMax / messageBytesMax;
  const openMany = async (count: number) => {
    const broken: string[] = [];
    const streams = Array.from({ length: count }, () => pair.agent.open('in'));
    for (const stream of streams) {
      stream.consume(
        () => {},
        ({ code }) => broken.push(code),
      );
      stream.write(new Uint8Array(messageBytesMax));
    }
    await clock.advance(1_000);
    return { streams, broken };
  };
  const first = await openMany(perRound + 1);
  expect(first.broken).toEqual(['busy']);
  for (const stream of first.streams) stream.abort({ code: 'done', message: '', retryable: false } as never);
  await clock.advance(1_000);
  expect((await openMany(perRound)).broken).toEqual([]);
});
