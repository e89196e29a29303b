import { Condition, createSeededRandom, type Logger, TimeoutError } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryNetwork, type MemoryPeer } from './memory-network.ts';
import type { ProtocolName } from './port.ts';
import { createRpcClient, noAnswer, type RpcMethod, type RpcServerOptions, serveRpc } from './rpc.ts';
import { failureTextLengthMax, parseRpcMessage } from './rpc-messages.ts';
import { channelsOfPeerMax, strangersMax } from './rpc-server.ts';

const protocol: ProtocolName = '/pulsemesh/test/1';
const stack: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const each of stack.splice(0)) await each.disposeAsync();
});

function setUp(
  methods: Record<string, RpcMethod>,
  options: RpcServerOptions & { isTrusted?: () => boolean; frameBytesMax?: number; clientInFlightMax?: number } = {},
) {
  const clock = new VirtualClock();
  const network = createMemoryNetwork({
    clock,
    random: createSeededRandom(1),
    ...(options.frameBytesMax === undefined ? {} : { frameBytesMax: options.frameBytesMax }),
  });
  const server = network.join({ roles: [], isTrusted: options.isTrusted ?? (() => true) });
  const port = network.join({ roles: [] });
  serveRpc(server, protocol, methods, options);
  const inFlightMax = options.clientInFlightMax ?? 256;
  const client = createRpcClient({ port, clock, inFlightMax });
  const owner = new AsyncDisposableStack();
  owner.use(client);
  stack.push(owner);
  return { clock, network, server, port, client };
}

const forever: RpcMethod = () => new Promise(() => {});

async function failure(promise: Promise<unknown>): Promise<Condition> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Condition) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('an rpc call', () => {
  it('brings the body there and the answer back, bytes as bytes', async () => {
    const { client, server } = setUp({ echo: async (body) => body });
    const body = { bytes: new Uint8Array([1, 2, 3]), list: [1, -2.5, 'x', null, true] };
    const answer = await client.call(server.self, protocol, 'echo', body);
    expect(answer).toEqual(Object.assign(Object.create(null), body));
  });

  it('tells the method who called', async () => {
    const { client, server, port } = setUp({ who: async (_body, call) => call.from });
    expect(await client.call(server.self, protocol, 'who', null)).toBe(port.self);
  });

  it('shares one channel among calls that end in any order', async () => {
    const gates = new Map<number, PromiseWithResolvers<number>>();
    const { client, server } = setUp({
      wait: async (body) => {
        const gate = Promise.withResolvers<number>();
        gates.set(body as number, gate);
        return gate.promise;
      },
    });
    const calls = [0, 1, 2].map((each) => client.call(server.self, protocol, 'wait', each));
    await expect.poll(() => gates.size).toBe(3);
    for (const each of [2, 0, 1]) gates.get(each)?.resolve(each * 10);
    expect(await Promise.all(calls)).toEqual([0, 10, 20]);
  });

  it('rejects with the code, text and retryable of the condition the method threw', async () => {
    const { client, server } = setUp({
      full: async () => {
        throw new Condition('store-full', 'x'.repeat(2 * failureTextLengthMax), { retryable: true });
      },
    });
    const error = await failure(client.call(server.self, protocol, 'full', null));
    expect(error).toMatchObject({ name: 'RemoteError', code: 'store-full', retryable: true });
    expect(error.message).toHaveLength(failureTextLengthMax);
  });

  it('takes nothing for the code of a condition that could be anything else', async () => {
    for (const code of ['Ada Example 180', 'a\nb', 'Größe', '']) {
      const methods = {
        read: async () => {
          throw new Condition(code, 'no');
        },
      };
      const { client, server } = setUp(methods);
      expect(await failure(client.call(server.self, protocol, 'read', null))).toMatchObject({ code: 'unknown' });
    }
  });

  it('says nothing of the inside of an unexpected error but logs it', async () => {
    const lines: string[] = [];
    const logger: Logger = {
      error: (message, fields) => void lines.push(`${message} ${fields?.['text']}`),
      warn: () => {},
      info: () => {},
      debug: () => {},
      child: () => logger,
    };
    const methods = {
      bug: async () => {
        throw new TypeError('Ada Example has 180');
      },
    };
    const { client, server } = setUp(methods, { logger });
    const error = await failure(client.call(server.self, protocol, 'bug', null));
    expect(error).toMatchObject({ code: 'internal', message: 'the peer failed to answer' });
    expect(lines).toEqual([expect.stringMatching(/^rpc method failed TypeError at .*rpc\.test\.ts/)]);
    expect(lines[0]).not.toMatch(/Ada|180/);
  });

  it('refuses a method that is not served', async () => {
    const { client, server } = setUp({});
    expect(await failure(client.call(server.self, protocol, 'constructor', null))).toMatchObject({
      code: 'no-such-method',
      retryable: false,
    });
  });

  it('times out on the clock, tells the server, and forgets the call', async () => {
    let signal: AbortSignal | undefined;
    const { client, server, clock } = setUp({
      slow: (_body, call) => {
        signal = call.signal;
        return new Promise(() => {});
      },
    });
    const error = failure(client.call(server.self, protocol, 'slow', null));
    await clock.advance(9_999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(await error).toBeInstanceOf(TimeoutError);
    await clock.advance(0);
    expect(signal?.aborted).toBe(true);
  });

  it('gives up with the signal’s reason', async () => {
    const { client, server } = setUp({ forever });
    const controller = new AbortController();
    const reason = new Condition('enough', 'enough');
    const error = failure(client.call(server.self, protocol, 'forever', null, { signal: controller.signal }));
    controller.abort(reason);
    expect(await error).toBe(reason);
  });

  it('stays without an answer when the method says so', async () => {
    const { client, server, clock } = setUp({ silent: async () => noAnswer });
    const error = failure(client.call(server.self, protocol, 'silent', null, { timeoutMs: 100 }));
    await clock.advance(100);
    expect(await error).toBeInstanceOf(TimeoutError);
  });

  it('is refused with busy past the server’s limit, and the others go on', async () => {
    const gate = Promise.withResolvers<void>();
    const { client, server } = setUp({ wait: async () => gate.promise.then(() => 'done') }, { inFlightMax: 2 });
    const first = [0, 1].map(() => client.call(server.self, protocol, 'wait', null));
    expect(await failure(client.call(server.self, protocol, 'wait', null))).toMatchObject({
      name: 'RemoteError',
      code: 'busy',
      retryable: true,
    });
    gate.resolve();
    expect(await Promise.all(first)).toEqual(['done', 'done']);
  });

  it('is refused with busy past the client’s own limit', async () => {
    const { client, server } = setUp({ forever }, { clientInFlightMax: 1 });
    const first = failure(client.call(server.self, protocol, 'forever', null));
    expect(await failure(client.call(server.self, protocol, 'forever', null))).toMatchObject({ name: 'BusyError' });
    await client[Symbol.asyncDispose]();
    expect(await first).toMatchObject({ code: 'network-stopped' });
  });

  it('is refused with busy while too many bytes wait for a remote that does not read', async () => {
    const { server, port, clock } = setUp({});
    server.serve('/pulsemesh/deaf/1', async () => new Promise(() => {}));
    await using client = createRpcClient({ port, clock });
    const body = new Uint8Array(1024 * 1024);
    const failures: Promise<Condition>[] = [];
    for (let call = 0; call < 30; call += 1) {
      failures.push(failure(client.call(server.self, '/pulsemesh/deaf/1', 'x', body)));
      await clock.advance(0);
    }
    expect(await failures.at(-1)).toMatchObject({ name: 'BusyError', retryable: true });
    await client[Symbol.asyncDispose]();
    expect(await failures[0]).toMatchObject({ code: 'network-stopped' });
  });

  it('refuses a question and an answer longer than a frame, and the channel goes on', async () => {
    const { client, server } = setUp({ grow: async (size) => new Uint8Array(size as number) }, { frameBytesMax: 1000 });
    const body = new Uint8Array(1001);
    expect(await failure(client.call(server.self, protocol, 'grow', body))).toMatchObject({
      name: 'FrameTooLargeError',
    });
    expect(await failure(client.call(server.self, protocol, 'grow', 1001))).toMatchObject({ code: 'frame-too-large' });
    expect(await client.call(server.self, protocol, 'grow', 3)).toHaveLength(3);
  });

  it('refuses a caller that is not trusted, where the server asks for trust', async () => {
    let calls = 0;
    const methods = {
      read: async () => {
        calls += 1;
        return 'secret';
      },
    };
    const { client, server } = setUp(methods, { requireTrusted: true, isTrusted: () => false });
    expect(await failure(client.call(server.self, protocol, 'read', null))).toMatchObject({
      name: 'RemoteError',
      code: 'untrusted',
      retryable: false,
    });
    expect(calls).toBe(0);
  });

  it('rejects what is in flight when the peer dies, and the peer leaves the live ones', async () => {
    const { client, server, network, port, clock } = setUp({ forever });
    const error = failure(client.call(server.self, protocol, 'forever', null));
    await clock.advance(0);
    expect(port.livePeers().map((peer) => peer.id)).toContain(server.self);
    network.kill(server.self);
    expect(await error).toMatchObject({ name: 'PeerUnreachableError', retryable: true });
    expect(port.livePeers().map((peer) => peer.id)).not.toContain(server.self);
    expect(await failure(client.call(server.self, protocol, 'forever', null))).toMatchObject({
      name: 'PeerUnreachableError',
    });
  });

  it('dials again after an idle channel was closed', async () => {
    const { client, server, clock } = setUp({ echo: async (body) => body });
    expect(await client.call(server.self, protocol, 'echo', 1)).toBe(1);
    await clock.advance(61_000);
    expect(await client.call(server.self, protocol, 'echo', 2)).toBe(2);
  });

  it('reaches a method of its own peer', async () => {
    const { port, client } = setUp({});
    serveRpc(port, protocol, { echo: async (body) => body });
    expect(await client.call(port.self, protocol, 'echo', 'me')).toBe('me');
  });
});

describe('an rpc subscription', () => {
  it('gives what the server pushes, in order, and ends when it ends', async () => {
    const { client, server } = setUp({
      count: async function* (body) {
        for (let each = 0; each < (body as number); each += 1) yield each;
      },
    });
    const got: unknown[] = [];
    for await (const item of client.subscribe(server.self, protocol, 'count', 100)) got.push(item);
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('stops the server when the loop is left', async () => {
    const left = Promise.withResolvers<void>();
    const { client, server } = setUp({
      endless: async function* () {
        try {
          for (let each = 0; ; each += 1) yield each;
        } finally {
          left.resolve();
        }
      },
    });
    for await (const item of client.subscribe(server.self, protocol, 'endless', null)) if (item === 50) break;
    await left.promise;
  });

  it('holds the server back while nobody reads', async () => {
    let made = 0;
    const { client, server, clock } = setUp({
      endless: async function* () {
        for (;;) {
          made += 1;
          yield made;
        }
      },
    });
    const items = client.subscribe(server.self, protocol, 'endless', null)[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    await clock.advance(10);
    expect(made).toBeLessThanOrEqual(20);
    await items.return?.();
  });

  it('throws when the server dies', async () => {
    const { client, server, network, clock } = setUp({
      once: async function* () {
        yield 1;
        await new Promise(() => {});
      },
    });
    const items = client.subscribe(server.self, protocol, 'once', null)[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    const next = failure(items.next());
    await clock.advance(0);
    network.kill(server.self);
    expect(await next).toMatchObject({ name: 'PeerUnreachableError' });
  });

  it('throws the signal’s reason when aborted', async () => {
    const { client, server } = setUp({
      never: async function* () {
        await new Promise(() => {});
        yield 1;
      },
    });
    const controller = new AbortController();
    const items = client.subscribe(server.self, protocol, 'never', null, { signal: controller.signal });
    const next = failure(items[Symbol.asyncIterator]().next());
    const reason = new Condition('enough', 'enough');
    controller.abort(reason);
    expect(await next).toBe(reason);
  });
});

describe('an rpc server', () => {
  it('breaks the channel of a peer that sends something else, whatever it is', async () => {
    const { server, port } = setUp({ echo: async (body) => body });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (noise) => {
        let isMessage = true;
        try {
          parseRpcMessage(noise);
        } catch (error) {
          isMessage = false;
          expect(error).toMatchObject({ code: 'bad-request' });
        }
        if (isMessage) return;
        const channel = await (port as MemoryPeer).dial(server.self, protocol);
        await channel.send(noise);
        await expect(channel.receive()).rejects.toMatchObject({ code: 'channel-closed' });
      }),
      { numRuns: 50 },
    );
  });

  it('lets one peer not take all channels', async () => {
    const { server, port, network } = setUp({ echo: async (body) => body });
    for (let each = 0; each < channelsOfPeerMax; each += 1) await port.dial(server.self, protocol);
    const tooMany = await port.dial(server.self, protocol);
    await expect(tooMany.receive()).rejects.toMatchObject({ code: 'channel-closed' });
    const other = network.join({ roles: [] });
    await using client = createRpcClient({ port: other, clock: new VirtualClock() });
    expect(await client.call(server.self, protocol, 'echo', 1)).toBe(1);
  });

  it.each([
    ['refused', true, strangersMax],
    ['served', false, 1],
  ])(
    'has room for those it trusts, however many strangers hold channels (%s)',
    async (_how, requireTrusted, roomMax) => {
      const network = createMemoryNetwork({ clock: new VirtualClock(), random: createSeededRandom(1) });
      const friend = network.join({ roles: [] });
      const server = network.join({ roles: [], isTrusted: (peer) => peer === friend.self });
      serveRpc(server, protocol, { echo: async (body) => body }, { requireTrusted, channelsMax: 1 });
      for (let each = 0; each < roomMax; each += 1) await network.join({ roles: [] }).dial(server.self, protocol);
      const tooMany = await network.join({ roles: [] }).dial(server.self, protocol);
      await expect(tooMany.receive()).rejects.toMatchObject({ code: 'channel-closed' });
      await using client = createRpcClient({ port: friend, clock: new VirtualClock() });
      expect(await client.call(server.self, protocol, 'echo', 1)).toBe(1);
    },
  );

  it('breaks channels past its limit', async () => {
    const { server, port } = setUp({ echo: async (body) => body }, { channelsMax: 1 });
    await port.dial(server.self, protocol);
    const second = await port.dial(server.self, protocol);
    await expect(second.receive()).rejects.toMatchObject({ code: 'channel-closed' });
  });
});
