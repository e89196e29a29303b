import { type Clock, createSystemClock } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { TransportName } from './carrier.ts';
import { startTestServer, testDependencies, testIdentity } from './client/client-test-server.ts';
import { connectLink } from './client/connect-link.ts';
import type { ProxySetting } from './proxy/index.ts';
import { type Box, type BoxKind, boxKinds, startBox } from './testing/boxes/index.ts';
import { runSoak, serveSoak } from './testing/soak.ts';

const all: TransportName[] = ['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll'];
const http1: TransportName[] = ['websocket', 'stream', 'sse', 'long-poll', 'short-poll'];
const posts: TransportName[] = ['stream', 'sse', 'long-poll', 'short-poll'];
const polls: TransportName[] = ['long-poll', 'short-poll'];

/** What passes in each box, and is moved between. */
const passing: Readonly<Record<BoxKind, readonly TransportName[]>> = {
  pass: all,
  'strips-upgrade': posts,
  'refuses-upgrade': posts,
  'swallows-upgrade': posts,
  'buffers-responses': polls,
  'buffers-requests': posts,
  'buffers-both-ways': polls,
  'limits-bodies': posts,
  'limits-bodies-and-buffers': polls,
  'cuts-after-150-ms': http1,
  'cuts-after-10-s': http1,
  'cuts-after-60-s': http1,
  'only-http-1': http1,
  'only-tls-1.2': http1,
  'inspects-tls': all,
  'inspects-and-buffers-http-2': polls,
  'wants-connect': all,
  'wants-basic-password': all,
  'wants-ntlm-password': all,
  'proxy-that-strips-upgrade': posts,
  'cuts-idle-after-30-s': all,
  'forgets-idle-after-30-s': all,
  'resets-after-1-mb': all,
  'drops-one-way': all,
  'drops-other-way': posts,
};

// The nightly sends a hundred thousand each way; a fifth of that meets every rule of a box, too. PULSEMESH_SOAK_MESSAGES for any other number.
const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const messagesMax = Number(process.env['PULSEMESH_SOAK_MESSAGES'] ?? (isFull ? 100_000 : 20_000));
const movesMin = 10;
// Where a direction goes silent it takes seconds each time to be sure of it: fewer, that still meet it several times.
const shares: Readonly<Partial<Record<BoxKind, number>>> = { 'drops-one-way': 0.3, 'drops-other-way': 0.3 };

// The box's time runs so many times faster where it has rules of seconds: the soak is to meet them more than once.
const speeds: Readonly<Partial<Record<BoxKind, number>>> = {
  'cuts-after-10-s': 30,
  'cuts-after-60-s': 120,
  'cuts-idle-after-30-s': 200,
};

function boxClock(kind: BoxKind): Clock {
  const clock = createSystemClock({ unref: true });
  return { ...clock, setTimer: (action, delayMs) => clock.setTimer(action, delayMs / (speeds[kind] ?? 1)) };
}

function wayThrough(box: Box): { url: string; proxy: ProxySetting } {
  if (box.proxyUrl === null) return { url: `https://localhost:${box.direct?.port}`, proxy: { kind: 'none' } };
  const withPassword = box.proxyUrl.replace('//', '//agent:correct%20horse@');
  return { url: 'https://localhost', proxy: { kind: 'fixed', url: withPassword } };
}

/** A session through the box, and what belongs to it. */
async function connectThrough(kind: BoxKind, clock: Clock) {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startTestServer({ isTls: true }));
  server.sessions.onSession(serveSoak);
  const ca = server.caPem ?? '';
  const target = { host: '127.0.0.1', port: server.port, tls: { ca } };
  const box = starting.use(await startBox({ rules: boxKinds[kind], target }, { clock }));
  const link = starting.use(
    await connectLink(
      {
        ...wayThrough(box),
        trust: { caPems: [ca, box.authority?.certificatePem ?? ca], isExclusive: true },
        identity: testIdentity(2),
        server: server.identity.peerId,
        software: 'firewall matrix',
      },
      testDependencies,
    ),
  );
  const running = starting.move();
  return { link, box, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

describe('the firewall matrix', () => {
  it.each(Object.keys(boxKinds) as BoxKind[])(
    '%s: the session comes up, and moved every 100 ms loses, doubles and reorders nothing',
    async (kind) => {
      await using world = await connectThrough(kind, boxClock(kind));
      const { link, box } = world;
      const messages = messagesMax * (shares[kind] ?? 1);
      const options = { messages, movesMin, transports: passing[kind] };
      const { atAgent, atServer, moves } = await runSoak(link, options, testDependencies);
      expect(atAgent).toMatchObject({ lost: 0, doubled: 0, displaced: 0 });
      expect(atServer).toMatchObject({ lost: 0, doubled: 0, displaced: 0 });
      expect(atAgent.received).toBeGreaterThanOrEqual(messages);
      expect(atServer.received).toBeGreaterThanOrEqual(messages);
      expect(moves).toBeGreaterThanOrEqual(movesMin);
      expect(link.status.sessions).toBe(1);
      expect(link.status.isIntercepted).toBe(box.authority !== null);
    },
    120_000,
  );

  it.each(['cuts-idle-after-30-s', 'forgets-idle-after-30-s'] as const)(
    '%s: a session that was silent for longer goes on where it was',
    async (kind) => {
      const clock = new VirtualClock();
      await using world = await connectThrough(kind, clock);
      const stream = await world.link.open('echo');
      for (const text of ['before', 'after']) {
        await stream.send(new TextEncoder().encode(text));
        expect(new TextDecoder().decode((await stream.receive()) ?? undefined)).toBe(text);
        await clock.advance(31_000);
      }
      expect(world.link.status.sessions).toBe(1);
    },
    60_000,
  );
});
