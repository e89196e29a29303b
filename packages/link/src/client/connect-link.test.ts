import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, Condition, createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { TransportName } from '../carrier.ts';
import type { Dialer } from '../dialer.ts';
import { LinkRefusedError, ServerImpostorError } from '../errors.ts';
import { createDialer } from '../proxy/index.ts';
import type { LinkSession } from '../session.ts';
import { startBox } from '../testing/boxes/index.ts';
import { runSoak, serveSoak } from '../testing/soak.ts';
import { startTestServer, type TestServer, testDependencies, testIdentity } from './client-test-server.ts';
import { connectLink, type NodeLinkOptions, startLink } from './connect-link.ts';
import { LinkDisposedError, LinkOptionError, LinkUnreachableError } from './errors.ts';
import type { Link, LinkStatus } from './link.ts';
import { createMemoryOnly } from './network-memory.ts';

const text = (value: string) => new TextEncoder().encode(value);
const each: readonly TransportName[] = [
  'grpc',
  'websocket',
  'websocket-h2',
  'stream',
  'sse',
  'long-poll',
  'short-poll',
];

// The whole soak of the issue is 100,000; it runs in every test run, because it takes but seconds.
const soakMessages = Number(process.env['PULSEMESH_SOAK_MESSAGES'] ?? 100_000);

function optionsFor(server: TestServer, options: Partial<NodeLinkOptions> = {}): NodeLinkOptions {
  return {
    url: server.url,
    server: server.identity.peerId,
    identity: testIdentity(2),
    software: 'test/0',
    proxy: { kind: 'none' },
    ...(server.caPem === null ? {} : { trust: { caPems: [server.caPem], isExclusive: true } }),
    ...options,
  };
}

describe('connecting a link', () => {
  for (const isTls of [false, true]) {
    for (const transport of each) {
      it(`comes up on ${transport} alone, ${isTls ? 'with TLS' : 'in plaintext'}`, async () => {
        await using server = await startTestServer({ isTls });
        await using link = await connectLink(optionsFor(server, { transports: [transport] }), testDependencies);
        const stream = await link.open('echo');
        for (let turn = 0; turn < 5; turn += 1) {
          await stream.send(text(`message ${turn}`));
          expect(await stream.receive()).toEqual(text(`message ${turn}`));
        }
        stream.end();
        expect(await stream.receive()).toBeNull();
        expect(link.status).toMatchObject({ state: 'up', transport, isIntercepted: isTls ? false : null });
      });
    }
  }

  it('comes up over files in a folder', async () => {
    await using place = await temporaryFolder();
    await using server = await startTestServer({ drop: place.folder });
    await using link = await connectLink(
      optionsFor(server, { transports: ['drop'], drop: { folder: place.folder, lookMs: 5 } }),
      testDependencies,
    );
    const stream = await link.open('echo');
    await stream.send(text('by stick'));
    expect(await stream.receive()).toEqual(text('by stick'));
  });

  it('ends on the best transport there is, whichever was first', async () => {
    await using server = await startTestServer({ isTls: true });
    await using link = await connectLink(optionsFor(server), testDependencies);
    await statusWhere(link, ({ transport }) => transport === 'grpc');
    expect(link.status).toMatchObject({ state: 'up', sessions: 1, isIntercepted: false });
  });

  it('shows that somebody opens the TLS, and works all the same', async () => {
    await using server = await startTestServer({ isTls: true });
    await using box = await startBox(
      { rules: { http: {} }, target: { host: '127.0.0.1', port: server.port, tls: { ca: server.caPem ?? '' } } },
      { clock: createSystemClock({ unref: true }) },
    );
    const options = optionsFor(server, {
      url: `https://localhost:${box.direct?.port}`,
      trust: { caPems: [box.authority?.certificatePem ?? ''], isExclusive: true },
    });
    await using link = await connectLink(options, testDependencies);
    expect(link.status.isIntercepted).toBe(true);
  });

  it('says of each transport why none came through', async () => {
    const server = await startTestServer({ isTls: true });
    await server[Symbol.asyncDispose]();
    const error = await connectLink(optionsFor(server), testDependencies).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LinkUnreachableError);
    expect((error as LinkUnreachableError).failures.map(({ transport }) => transport)).toEqual(each);
    for (const { reason, code } of (error as LinkUnreachableError).failures) {
      expect(code).toBe('connect-failed');
      expect(reason.length).toBeGreaterThan(20);
    }
  });

  it('names a certificate nobody vouches for', async () => {
    await using server = await startTestServer({ isTls: true });
    const options = optionsFor(server, { trust: {} });
    const error = await connectLink(options, testDependencies).catch((reason: unknown) => reason);
    expect((error as LinkUnreachableError).message).toContain('certificate');
  });

  it('is told when the server refuses, and tries no more', async () => {
    await using server = await startTestServer({
      admit: () => ({ kind: 'refused', code: 'not-admitted', text: 'no' }),
    });
    await expect(connectLink(optionsFor(server), testDependencies)).rejects.toBeInstanceOf(LinkRefusedError);
    await using link = startLink(optionsFor(server), testDependencies);
    expect(await link.closed).toBeInstanceOf(LinkRefusedError);
    expect(link.status.state).toBe('refused');
    await expect(link.open('echo')).rejects.toBeInstanceOf(LinkRefusedError);
  });

  it('tries again, with more and more time in between, while the server cannot judge logins', async () => {
    let tries = 0;
    await using server = await startTestServer({
      admit: async () => {
        tries += 1;
        if (tries < 3) throw new Error('the register of agents is away');
        return { kind: 'admitted' };
      },
    });
    await using link = startLink(optionsFor(server), testDependencies);
    const problems: (string | undefined)[] = [];
    link.onStatus(({ problem }) => problems.push(problem?.code));
    await link.waitForSession();
    expect(tries).toBe(3);
    expect(problems).toContain('link-refused');
    expect(link.status.state).toBe('up');
  });

  it('refuses a server of another key', async () => {
    await using server = await startTestServer();
    const options = optionsFor(server, { server: testIdentity(9).peerId });
    await expect(connectLink(options, testDependencies)).rejects.toBeInstanceOf(ServerImpostorError);
  });

  it('gives up when told to, and leaves nothing open', async () => {
    await using server = await startTestServer();
    const abort = new AbortController();
    const counted = countingDialer();
    const connecting = connectLink(
      { ...optionsFor(server), signal: abort.signal },
      { ...testDependencies, dialer: counted.dialer },
    );
    abort.abort(new Condition('test', 'changed my mind'));
    await expect(connecting).rejects.toThrow('changed my mind');
    await counted.allClosed();
    await expect(connectLink({ ...optionsFor(server), signal: abort.signal }, testDependencies)).rejects.toThrow(
      'changed',
    );
  });

  it('leaves no connection and no timer behind when disposed', async () => {
    for (const transport of each) {
      await using server = await startTestServer({ isTls: true });
      const counted = countingDialer(server.caPem ?? '');
      const timers = countingClock();
      const link = await connectLink(optionsFor(server, { transports: [transport] }), {
        ...testDependencies,
        clock: timers.clock,
        dialer: counted.dialer,
      });
      expect(counted.count).toBeGreaterThan(0);
      await link[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
      await counted.allClosed();
      await timers.allOver();
      expect(link.status.state).toBe('closed');
      await expect(link.open('echo')).rejects.toBeInstanceOf(LinkDisposedError);
      expect(await link.closed).toBeNull();
    }
  });

  it.each([
    ['a URL of another kind', { url: 'ftp://relay.example' }],
    ['no URL', { url: 'relay.example' }],
    ['a password in the URL', { url: 'https://me:secret@relay.example' }],
    ['a URL that is too long', { url: `https://relay.example/${'x'.repeat(2048)}` }],
    ['no transport', { url: 'https://relay.example', transports: [] }],
    ['a transport that does not exist here', { url: 'https://relay.example', transports: ['drop'] as TransportName[] }],
  ])('refuses %s, without repeating it', async (_what, options) => {
    const all = { identity: testIdentity(2), software: 'test/0', ...options };
    const error = await connectLink(all, testDependencies).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LinkOptionError);
    expect((error as Error).message).not.toContain('secret');
  });
});

describe('a link', () => {
  it(
    'loses, doubles and reorders nothing while it is moved every 100 ms',
    async () => {
      await using server = await startTestServer({ isTls: true });
      server.sessions.onSession(serveSoak);
      await using link = await connectLink(optionsFor(server), testDependencies);
      const options = { messages: soakMessages, movesMin: 10, transports: each };
      const { atAgent, atServer, moves } = await runSoak(link, options, testDependencies);
      expect(atAgent).toMatchObject({ doubled: 0, displaced: 0 });
      expect(atServer).toMatchObject({ doubled: 0, displaced: 0 });
      expect(Math.min(atAgent.received, atServer.received)).toBeGreaterThanOrEqual(soakMessages);
      expect(moves).toBeGreaterThanOrEqual(10);
      expect(link.status.sessions).toBe(1);
    },
    120_000 + soakMessages * 2,
  );

  it('moves where it is told, and says when that does not come up', async () => {
    await using server = await startTestServer();
    await using link = await connectLink(optionsFor(server, { transports: ['grpc', 'long-poll'] }), testDependencies);
    await link.use('long-poll');
    expect(link.status).toMatchObject({ transport: 'long-poll', pinned: 'long-poll' });
    await link.use('grpc');
    expect(link.status).toMatchObject({ transport: 'grpc', pinned: 'grpc' });
    await link.use(null);
    expect(link.status.pinned).toBeNull();
    await expect(link.use('sse')).rejects.toBeInstanceOf(LinkOptionError);
  });

  it('tells of the next session when one is lost, and answers on both', async () => {
    await using server = await startTestServer();
    await using link = await connectLink(optionsFor(server), testDependencies);
    const served = Promise.withResolvers<string>();
    link.serve('greet', async (stream) =>
      served.resolve(new TextDecoder().decode((await stream.receive()) ?? text(''))),
    );
    const sessions: LinkSession[] = [];
    const second = Promise.withResolvers<LinkSession>();
    link.onSession((session) => {
      sessions.push(session);
      if (sessions.length === 2) second.resolve(session);
    });
    const stream = await link.open('echo');
    server.sessions.endSessionsOf(testIdentity(2).peerId, new Condition('moved', 'come again', { retryable: true }));
    await expect(stream.receive()).rejects.toBeInstanceOf(Condition);
    expect(await second.promise).not.toBe(sessions[0]);
    expect(link.status.sessions).toBe(2);
    const [session] = server.sessions.sessions();
    await session?.open('greet').send(text('hello again'));
    expect(await served.promise).toBe('hello again');
  });

  it('comes up once the server is there, when it was not', async () => {
    const first = await startTestServer();
    await first[Symbol.asyncDispose]();
    await using link = startLink(optionsFor(first), testDependencies);
    await statusWhere(link, ({ failures }) => failures.length > 0);
    await using _second = await startTestServer({ port: first.port });
    expect((await link.waitForSession()).remote.peerId).toBe(first.identity.peerId);
  });

  it('remembers what worked on this network', async () => {
    await using server = await startTestServer();
    const memory = createMemoryOnly();
    const keys: string[] = [];
    const recall = (key: string) => {
      keys.push(key);
      return memory.recall(key);
    };
    const watched = { recall, remember: memory.remember };
    const options = optionsFor(server, { memory: watched, transports: ['long-poll', 'short-poll'] });
    const link = await connectLink(options, testDependencies);
    await link[Symbol.asyncDispose]();
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(await memory.recall(keys[0] ?? '')).toMatchObject({ winner: 'long-poll' });
  });
});

function statusWhere(link: Link, holds: (status: LinkStatus) => boolean): Promise<void> {
  if (holds(link.status)) return Promise.resolve();
  return new Promise((resolve) => {
    const watch = link.onStatus((status) => {
      if (!holds(status)) return;
      watch[Symbol.dispose]();
      resolve();
    });
  });
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'link-client-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** A dialer whose connections a test can wait to be closed. */
function countingDialer(caPem = ''): {
  readonly dialer: Dialer;
  readonly count: number;
  allClosed(): Promise<unknown>;
} {
  const trust = caPem === '' ? {} : { trust: { caPems: [caPem], isExclusive: true } };
  const inner = createDialer({ proxy: { kind: 'none' }, ...trust }, testDependencies);
  const closings: Promise<void>[] = [];
  return {
    dialer: {
      async connect(target) {
        const dialed = await inner.connect(target);
        closings.push(new Promise((resolve) => dialed.socket.once('close', () => resolve())));
        return dialed;
      },
    },
    get count() {
      return closings.length;
    },
    allClosed: () => Promise.all(closings),
  };
}

/** A clock that knows how many of its timers are set. */
function countingClock(): { readonly clock: Clock; allOver(): Promise<void> } {
  const { clock } = testDependencies;
  const set = new Set<object>();
  const empty = { tell: () => {} };
  const forget = (timer: object) => {
    set.delete(timer);
    if (set.size === 0) empty.tell();
  };
  return {
    clock: {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer(action, delayMs) {
        const key = {};
        set.add(key);
        const timer = clock.setTimer(() => {
          forget(key);
          action();
        }, delayMs);
        return {
          cancel() {
            forget(key);
            timer.cancel();
          },
        };
      },
    },
    allOver: () =>
      new Promise((resolve) => {
        empty.tell = () => resolve();
        if (set.size === 0) resolve();
      }),
  };
}
