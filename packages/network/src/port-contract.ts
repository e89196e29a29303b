import { Condition, createSystemClock } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
// biome-ignore lint/correctness/noUndeclaredDependencies: the type of what the caller's test runner gives
import type { ExpectStatic } from 'vitest';
import type { TestNodes } from './libp2p/test-node.ts';
import type { Channel, NetworkPort, ProtocolName, RoleName } from './port.ts';
import type { PubSubFactory } from './pubsub.ts';
import { MemoryRelay } from './relayed-memory.ts';
import { createRpcClient, serveRpc } from './rpc.ts';

export interface ContractPeerOptions {
  readonly roles: readonly RoleName[];
  /** Trusts nobody but itself. */
  readonly trustsNobody?: boolean;
}

/** A network to be tried out: its peers find each other. */
export interface ContractNetwork extends AsyncDisposable {
  join(options: ContractPeerOptions): Promise<NetworkPort & AsyncDisposable>;
}

const protocol: ProtocolName = '/pulsemesh/contract/1';
const waitMs = 20_000;

/** What of a test runner the suite uses. */
export interface ContractRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
  afterEach(body: () => Promise<void>): void;
  readonly expect: ExpectStatic;
}

/** What every driver of the port must do. */
export function runNetworkPortContract(
  runner: ContractRunner,
  name: string,
  createNetwork: () => Promise<ContractNetwork>,
): void {
  const { describe, it, afterEach, expect } = runner;
  describe(`the network port over ${name}`, () => {
    let network: ContractNetwork | undefined;
    afterEach(async () => {
      await network?.[Symbol.asyncDispose]();
      network = undefined;
    });

    const join = async (...all: ContractPeerOptions[]) => {
      network ??= await createNetwork();
      const peers: (NetworkPort & AsyncDisposable)[] = [];
      for (const options of all) peers.push(await network.join(options));
      await rosterOf(expect, peers, (ids) => peers.every((peer) => ids.includes(peer.self)));
      return peers;
    };
    const two = async (): Promise<[NetworkPort & AsyncDisposable, NetworkPort & AsyncDisposable]> => {
      const [one, other] = await join({ roles: ['ingest'] }, { roles: ['storage'] });
      if (one === undefined || other === undefined) throw new Error('two peers joined');
      return [one, other];
    };

    it('knows who is alive and in which role, everywhere the same', async () => {
      const [one, other] = await two();
      expect(one.livePeers('storage').map((peer) => peer.id)).toEqual([other.self]);
      expect(one.livePeers('ingest').map((peer) => peer.id)).toEqual([one.self]);
      expect(one.livePeers('prediction')).toEqual([]);
      const ids = one.livePeers().map((peer) => peer.id);
      expect(ids).toEqual([...ids].sort());
      expect(other.livePeers().map((peer) => peer.id)).toEqual(ids);
    });

    it('loses a peer that leaves, tells so, and hears of it again', async () => {
      const [one, other] = await two();
      const changed = Promise.withResolvers<void>();
      using _watch = one.onRosterChange(() => {
        if (one.livePeers('storage').length === 0) changed.resolve();
      });
      await other[Symbol.asyncDispose]();
      await changed.promise;
      const [again] = await join({ roles: ['storage'] });
      await expect
        .poll(() => one.livePeers('storage').map((peer) => peer.id), { timeout: waitMs })
        .toEqual([again?.self]);
    });

    it('loses a peer that was reported unreachable until it is heard of again', async () => {
      const [one, other] = await two();
      one.report(other.self, 'unreachable');
      expect(one.livePeers('storage')).toEqual([]);
      await expect.poll(() => one.livePeers('storage').length, { timeout: waitMs }).toBe(1);
    });

    it('offers only trusted peers for a role', async () => {
      const [one, other] = await join({ roles: ['ingest'], trustsNobody: true }, { roles: ['storage'] });
      expect(one?.livePeers().map((peer) => peer.id)).toContain(other?.self);
      expect(one?.livePeers('storage')).toEqual([]);
      expect(one?.livePeers('ingest')).toHaveLength(1);
    });

    it('carries whole frames both ways, in order, then the end', async () => {
      const [one, other] = await two();
      const got: number[] = [];
      other.serve(protocol, async (channel) => {
        for (let frame = await channel.receive(); frame !== null; frame = await channel.receive()) {
          got.push(frame.byteLength);
          await channel.send(frame);
        }
        await channel.close();
      });
      const channel = await one.dial(other.self, protocol);
      expect(channel.remote).toBe(other.self);
      const sizes = [0, 1, 100, 70_000, one.frameBytesMax];
      for (const size of sizes) await channel.send(new Uint8Array(size).fill(7));
      await channel.close();
      for (const size of sizes) {
        const frame = await channel.receive();
        expect(frame?.byteLength).toBe(size);
        expect(frame?.at(-1)).toBe(size === 0 ? undefined : 7);
      }
      expect(await channel.receive()).toBeNull();
      expect(got).toEqual(sizes);
    });

    it('reaches a protocol of the peer itself', async () => {
      const [one] = await two();
      one.serve(protocol, async (channel) => channel.send(Uint8Array.of(1)));
      const channel = await one.dial(one.self, protocol);
      expect(await channel.receive()).toEqual(Uint8Array.of(1));
    });

    it('refuses a frame past the limit and sends nothing of it', async () => {
      const [one, other] = await two();
      const first = Promise.withResolvers<Uint8Array | null>();
      other.serve(protocol, async (channel) => first.resolve(await channel.receive()));
      const channel = await one.dial(other.self, protocol);
      await expect(channel.send(new Uint8Array(one.frameBytesMax + 1))).rejects.toMatchObject({
        code: 'frame-too-large',
      });
      await channel.send(Uint8Array.of(5));
      expect(await first.promise).toEqual(Uint8Array.of(5));
    });

    it('holds a sender back while the receiver does not read, and loses nothing', async () => {
      const [one, other] = await two();
      const go = Promise.withResolvers<void>();
      const counted = Promise.withResolvers<number>();
      other.serve(protocol, async (channel) => {
        await go.promise;
        let bytes = 0;
        for (let frame = await channel.receive(); frame !== null; frame = await channel.receive())
          bytes += frame.byteLength;
        counted.resolve(bytes);
        await channel.close();
      });
      const channel = await one.dial(other.self, protocol);
      const frames = 24;
      let sent = 0;
      const sending = (async () => {
        for (; sent < frames; sent += 1) await channel.send(new Uint8Array(1024 * 1024));
        await channel.close();
      })();
      // It stops somewhere, well before the end, and stays there.
      let before = -1;
      await expect
        .poll(
          () => {
            const isStill = sent === before && sent > 0;
            before = sent;
            return isStill;
          },
          { timeout: waitMs, interval: 300 },
        )
        .toBe(true);
      expect(sent).toBeLessThan(frames / 2);
      go.resolve();
      await sending;
      expect(await counted.promise).toBe(frames * 1024 * 1024);
    });

    it('rejects a wait when the remote aborts, and the remote’s when we do', async () => {
      const [one, other] = await two();
      const served: PromiseWithResolvers<Channel>[] = [Promise.withResolvers(), Promise.withResolvers()];
      let dialled = 0;
      other.serve(protocol, async (channel) => {
        served[dialled]?.resolve(channel);
        dialled += 1;
        await new Promise(() => {});
      });
      const reason = new Condition('enough', 'enough');
      const first = await one.dial(other.self, protocol);
      await first.send(Uint8Array.of(1));
      (await served[0]?.promise)?.abort(reason);
      await expect(first.receive()).rejects.toMatchObject({ code: 'channel-closed' });
      const second = await one.dial(other.self, protocol);
      await second.send(Uint8Array.of(1));
      const remote = await served[1]?.promise;
      await remote?.receive();
      second.abort(reason);
      await expect(remote?.receive()).rejects.toMatchObject({ code: 'channel-closed' });
      await expect(second.send(Uint8Array.of(1))).rejects.toMatchObject({ code: 'channel-closed' });
    });

    it('gives up a wait with the signal’s reason', async () => {
      const [one, other] = await two();
      other.serve(protocol, async () => new Promise(() => {}));
      const controller = new AbortController();
      const channel = await one.dial(other.self, protocol);
      const waiting = channel.receive({ signal: controller.signal });
      const reason = new Condition('enough', 'enough');
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await expect(one.dial(other.self, protocol, { signal: controller.signal })).rejects.toBe(reason);
    });

    it('aborts the channel of a handler that rejects', async () => {
      const [one, other] = await two();
      other.serve(protocol, async () => {
        throw new TypeError('a bug');
      });
      const channel = await one.dial(other.self, protocol);
      await expect(channel.receive()).rejects.toMatchObject({ code: 'channel-closed' });
    });

    it('says whether a peer is out of reach or only does not serve the protocol, and allows one handler', async () => {
      const [one, other] = await two();
      await expect(one.dial(other.self, '/pulsemesh/nothing/1')).rejects.toMatchObject({ code: 'protocol-refused' });
      const nobody = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
      await expect(one.dial(nobody, protocol)).rejects.toMatchObject({ code: 'peer-unreachable', retryable: true });
      const served = one.serve(protocol, async () => {});
      expect(() => one.serve(protocol, async () => {})).toThrow(expect.objectContaining({ code: 'protocol-taken' }));
      served[Symbol.dispose]();
      one.serve(protocol, async () => {});
    });

    it('brings what is published to the subscribers, with its publisher, and refuses too long a message', async () => {
      const [one, other] = await two();
      const heard: [number | undefined, PeerId][] = [];
      const subscription = other.subscribe('contract', (data, from) => heard.push([data[0], from]));
      // At most once, and only once the subscription is known: published until heard.
      await expect
        .poll(
          async () => {
            await one.publish('contract', Uint8Array.of(1));
            return heard.length > 0;
          },
          { timeout: waitMs, interval: 100 },
        )
        .toBe(true);
      expect(heard[0]).toEqual([1, one.self]);
      await expect(one.publish('contract', new Uint8Array(64 * 1024 + 1))).rejects.toMatchObject({
        code: 'frame-too-large',
      });
      subscription[Symbol.dispose]();
    });

    it('finds who provides a key, and no longer after it was withdrawn', async () => {
      const [one, other] = await two();
      other.provide('contract:key');
      await expect.poll(() => one.lookUp('contract:key'), { timeout: waitMs }).toEqual([other.self]);
      expect(await one.lookUp('contract:nothing')).toEqual([]);
      other.withdraw('contract:key');
      expect(() => other.provide('')).toThrow(expect.objectContaining({ code: 'bad-request' }));
    });

    it('tells the callers it trusts from the others', async () => {
      const [one, other] = await join({ roles: ['ingest'] }, { roles: ['storage'], trustsNobody: true });
      if (one === undefined || other === undefined) throw new Error('two peers joined');
      expect(other.isTrusted(one.self)).toBe(false);
      expect(other.isTrusted(other.self)).toBe(true);
      serveRpc(other, protocol, { read: async () => 'secret' }, { requireTrusted: true });
      await using rpc = createRpcClient({ port: one, clock: createSystemClock() });
      await expect(rpc.call(other.self, protocol, 'read', null)).rejects.toMatchObject({ code: 'untrusted' });
    });
  });
}

async function rosterOf(
  expect: ExpectStatic,
  peers: readonly NetworkPort[],
  isRight: (ids: readonly PeerId[]) => boolean,
): Promise<void> {
  const check = () => peers.every((peer) => isRight(peer.livePeers().map((live) => live.id)));
  await expect.poll(check, { timeout: waitMs, interval: 20 }).toBe(true);
}

const relayId = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
const listen = ['/ip4/127.0.0.1/tcp/0'];

/** The networks over libp2p that the suite is run on: everybody dialled, everybody behind a relay, half and half. */
export function libp2pContractNetworks(
  pubSub?: PubSubFactory,
): Readonly<Record<string, () => Promise<ContractNetwork>>> {
  return {
    libp2p: async () => {
      const nodes = await testNodes(pubSub);
      const bootstrap = await nodes.start({ roles: ['bootstrap'] });
      return contractNetwork(nodes, ({ roles, trustsNobody }) =>
        nodes.start({ roles, bootstrap: bootstrap.addresses(), trust: { peers: trustsNobody ? [] : 'all' } }),
      );
    },
    'libp2p through a relay alone': async () => {
      const nodes = await testNodes(pubSub);
      const relay = new MemoryRelay(relayId);
      const { self } = await nodes.startRelayed(relay, { roles: ['bootstrap'] });
      const bootstrap = [`/p2p/${relayId}/p2p-circuit/p2p/${self}`];
      return contractNetwork(nodes, ({ roles, trustsNobody }) =>
        nodes.startRelayed(relay, { roles, bootstrap, trust: { peers: trustsNobody ? [] : 'all' } }),
      );
    },
    'libp2p, every other peer behind a firewall': async () => {
      const nodes = await testNodes(pubSub);
      const relay = new MemoryRelay(relayId);
      const bootstrap = await nodes.startRelayed(relay, { roles: ['bootstrap'], listen });
      let joined = 0;
      return contractNetwork(nodes, ({ roles, trustsNobody }) => {
        joined += 1;
        return nodes.startRelayed(relay, {
          roles,
          listen: joined % 2 === 0 ? [] : listen,
          bootstrap: bootstrap.addresses(),
          trust: { peers: trustsNobody ? [] : 'all' },
        });
      });
    },
  };
}

// Loaded when first needed: who tests over the memory network does without libp2p.
async function testNodes(pubSub: PubSubFactory | undefined): Promise<TestNodes> {
  const { TestNodes } = await import('./libp2p/test-node.ts');
  return new TestNodes(pubSub);
}

function contractNetwork(nodes: TestNodes, join: ContractNetwork['join']): ContractNetwork {
  return { join, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() };
}
