import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import { createLinkedPair } from '../testing/linked-pair.ts';

const text = new TextEncoder();

test('a request is answered over a linked pair', async () => {
  await using pair = await createLinkedPair({ clock: new VirtualClock() });
  pair.serverSession.serve('echo', async (stream) => {
    const message = await stream.receive();
    await stream.send(message ?? new Uint8Array(0));
    stream.end();
  });
  const answer = await pair.agent.request('echo', text.encode('hello'));
  expect(new TextDecoder().decode(answer)).toBe('hello');
  expect(pair.agent.status.state).toBe('up');
});

test('a message longer than the credit arrives whole, both ways', async () => {
  await using pair = await createLinkedPair({ clock: new VirtualClock() });
  pair.serverSession.serve('echo', async (stream) => {
    const message = await stream.receive();
    await stream.send(message ?? new Uint8Array(0));
    stream.end();
  });
  const message = new Uint8Array(3_000_000).map((_, index) => index % 251);
  const answer = await pair.agent.request('echo', message);
  expect(Buffer.compare(Buffer.from(answer), Buffer.from(message))).toBe(0);
});

test('without room, write says false and onDrain calls back', async () => {
  await using pair = await createLinkedPair({ clock: new VirtualClock() });
  let received = 0;
  pair.serverSession.serve('sink', (stream) => {
    stream.consume(
      (message) => {
        if (message === null) stream.end();
        else received += 1;
      },
      () => {},
    );
  });
  const stream = pair.agent.open('sink');
  const message = new Uint8Array(1024);
  const total = 10_000;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const pump = () => {
      while (sent < total) {
        sent += 1;
        if (!stream.write(message)) return;
      }
      resolve();
    };
    stream.onDrain(pump);
    pump();
  });
  stream.end();
  expect(await stream.receive()).toBeNull();
  expect(received).toBe(total);
});
