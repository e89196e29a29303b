import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { PeerId } from '@pulsemesh/wire';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { dialLimits } from './dial-memory.ts';
import { Links, type LinksDependencies, type LinksOptions, linksLimits } from './links.ts';

const protocol = '/upsycle/test';
const probe: Message = { kind: 'probe', nonce: 1, isReply: false };

let ids: ReturnType<typeof peerIdFromPrivateKey>[] = [];
beforeAll(async () => {
  ids = await Promise.all(
    Array.from({ length: 12 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
  );
});
const nameOf = (index: number) => (ids[index]?.toString() ?? '') as PeerId;

/** A connection that counts what is sent over it. */
class FakeConnection extends EventTarget {
  status = 'open';
  limits: object | undefined;
  streams: { protocol: string }[] = [];
  sent = 0;
  readonly remotePeer: unknown;

  constructor(remotePeer: unknown) {
    super();
    this.remotePeer = remotePeer;
  }

  async newStream(): Promise<Stream> {
    const stream = Object.assign(new EventTarget(), {
      protocol,
      writeBufferLength: 0,
      send: () => {
        this.sent += 1;
        return true;
      },
      close: async () => {},
    });
    this.streams.push(stream);
    return stream as unknown as Stream; // the few members that are used
  }

  async close(): Promise<void> {
    this.status = 'closed';
    this.dispatchEvent(new Event('close'));
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Links over connections that a test makes; peers named in `away` cannot be dialled. */
function createLinks(options: Partial<LinksOptions> = {}, hasAddresses = () => true) {
  const clock = new VirtualClock();
  const connections = new Map<string, FakeConnection>();
  const away = new Set<string>();
  const said: string[] = [];
  let dials = 0;
  let dialsAtOnce = 0;
  let dialsAtOnceMost = 0;
  let wanted: PeerId[] = [];
  const tags: [string, unknown][] = [];
  const deps: LinksDependencies = {
    connectionManager: {
      getConnections: (id) => {
        const open = connections.get(String(id));
        return (open?.status === 'open' ? [open] : []) as unknown as Connection[];
      },
      openConnection: async (target) => {
        dials += 1;
        dialsAtOnce += 1;
        dialsAtOnceMost = Math.max(dialsAtOnceMost, dialsAtOnce);
        await nextTurn();
        dialsAtOnce -= 1;
        const [first] = Array.isArray(target) ? target : [target];
        const name = String(first).replace(/^.*\/p2p\//, '');
        if (away.has(name)) throw new Error('away');
        const connection = new FakeConnection(ids.find((id) => id.toString() === name));
        connections.set(name, connection);
        return connection as unknown as Connection;
      },
    },
    peerStore: {
      get: async () => {
        throw new Error('not asked');
      },
      merge: async (id, data) => {
        tags.push([String(id), Object.values(data.tags ?? {})[0]]);
        return {} as Awaited<ReturnType<LinksDependencies['peerStore']['merge']>>; // not looked at
      },
    },
    clock,
    random: createSeededRandom(1),
    logger: silentLogger,
    onConnected: (peer) => said.push(`connected ${peer}`),
    onDisconnected: (peer, why) => said.push(`${why} ${peer}`),
    onUnreachable: (peer) => said.push(`unreachable ${peer}`),
    onDropped: () => {},
    onDialled: () => {},
    addressesOf: () => (hasAddresses() ? ['/ip4/192.0.2.1/tcp/1'] : []),
    wanted: () => wanted,
  };
  const links = new Links(
    {
      protocol,
      linksMax: 3,
      outboundBytesMax: 10_000,
      maxOutboundStreams: 2,
      runOnLimitedConnection: false,
      ...options,
    },
    deps,
  );
  return {
    links,
    clock,
    away,
    said,
    tags,
    connectionTo: (index: number) => connections.get(nameOf(index)),
    dialCount: () => dials,
    dialsAtOnceMost: () => dialsAtOnceMost,
    want: (...indexes: number[]) => {
      wanted = indexes.map(nameOf);
    },
    settle: async () => {
      for (let turn = 0; turn < 6; turn += 1) await nextTurn();
    },
  };
}

describe('links', () => {
  it('open a connection for whom there is something to send, and send all of it in one frame', async () => {
    const world = createLinks();
    for (let count = 0; count < 5; count += 1) world.links.send(nameOf(0), probe);
    await world.settle();
    expect(world.dialCount()).toBe(1);
    expect(world.connectionTo(0)?.sent).toBe(1);
    expect(world.said).toEqual([`connected ${nameOf(0)}`]);
    expect(world.links.connected()).toEqual([nameOf(0)]);
  });

  it('tell who cannot be reached, and do not try again before a while', async () => {
    const world = createLinks();
    world.away.add(nameOf(0));
    world.links.send(nameOf(0), probe);
    await world.settle();
    world.links.send(nameOf(0), probe);
    await world.settle();
    expect(world.dialCount()).toBe(1);
    expect(world.said).toEqual([`unreachable ${nameOf(0)}`, `unreachable ${nameOf(0)}`]);
    await world.clock.advance(dialLimits.firstWaitMs * 1.25);
    world.away.clear();
    world.links.send(nameOf(0), probe);
    await world.settle();
    expect(world.links.isConnected(nameOf(0))).toBe(true);
  });

  it('hold nobody for dead whose addresses they do not know', async () => {
    const world = createLinks({}, () => false);
    world.away.add(nameOf(0));
    world.links.send(nameOf(0), probe);
    await world.settle();
    expect(world.dialCount()).toBe(1);
    expect(world.said).toEqual([]);
  });

  it('dial no more than so many at once', async () => {
    const world = createLinks();
    for (let index = 0; index < 12; index += 1) world.links.send(nameOf(index), probe);
    await world.settle();
    await world.settle();
    expect(world.dialCount()).toBe(12);
    expect(world.dialsAtOnceMost()).toBeLessThanOrEqual(linksLimits.dialsAtOnceMax);
  });

  it('say whether a peer let its connection go, or was lost', async () => {
    const world = createLinks();
    for (const index of [0, 1, 2]) world.links.send(nameOf(index), probe);
    await world.settle();
    for (const index of [0, 2]) world.links.parting(nameOf(index));
    world.links.heard(nameOf(2)); // it only ended a stream
    world.said.length = 0;
    for (const index of [0, 1, 2]) await world.connectionTo(index)?.close();
    expect(world.said).toEqual([`closed ${nameOf(0)}`, `lost ${nameOf(1)}`, `lost ${nameOf(2)}`]);
  });

  it('keep who is wanted connected and tagged, until no longer wanted', async () => {
    const world = createLinks();
    world.want(0, 1);
    world.links.tend();
    await world.settle();
    expect(world.links.connected().sort()).toEqual([nameOf(0), nameOf(1)].sort());
    expect(world.tags.map(([, tag]) => tag)).toEqual([{ value: 100 }, { value: 100 }]);
    await world.connectionTo(0)?.close();
    world.links.tend();
    await world.settle();
    expect(world.links.isConnected(nameOf(0))).toBe(true);
    world.want(1);
    world.links.tend();
    expect(world.tags.at(-1)).toEqual([nameOf(0), undefined]);
  });

  it('above the budget close what they opened and nobody uses, least recently used first', async () => {
    const world = createLinks();
    for (let index = 0; index < 6; index += 1) {
      world.links.send(nameOf(index), probe);
      await world.settle();
      await world.clock.advance(1_000);
    }
    const foreign = new FakeConnection(ids[6]);
    world.links.take(foreign as unknown as Connection);
    world.connectionTo(1)?.streams.push({ protocol: '/somebody/else' });
    world.want(0);
    await world.clock.advance(linksLimits.idleMsMin);
    world.links.tend();
    await world.settle();
    // Seven links, three allowed: 0 is wanted, 1 used by somebody else, 6 was opened by the other side.
    expect(world.links.connected().sort()).toEqual([0, 1, 6].map(nameOf).sort());
    expect(foreign.status).toBe('open');
  });

  it('leave a link alone that was used just now, whatever the budget', async () => {
    const world = createLinks({ linksMax: 1 });
    world.links.send(nameOf(0), probe);
    world.links.send(nameOf(1), probe);
    await world.settle();
    world.links.tend();
    expect(world.links.connected()).toHaveLength(2);
    await world.clock.advance(linksLimits.idleMsMin);
    world.links.heard(nameOf(1));
    world.links.tend();
    await world.settle();
    expect(world.links.connected()).toEqual([nameOf(1)]);
  });

  it('use no limited connection unless told to', () => {
    for (const runOnLimitedConnection of [false, true]) {
      const world = createLinks({ runOnLimitedConnection });
      const limited = new FakeConnection(ids[0]);
      limited.limits = {};
      world.links.take(limited as unknown as Connection);
      expect(world.links.isConnected(nameOf(0))).toBe(runOnLimitedConnection);
    }
  });

  it('say nothing and open nothing once stopped', async () => {
    const world = createLinks();
    await world.links.stop();
    world.links.send(nameOf(0), probe);
    world.want(1);
    world.links.tend();
    await world.settle();
    expect(world.dialCount()).toBe(0);
    expect(world.said).toEqual([]);
  });

  it('listen once to a connection, however many streams are opened over it', async () => {
    const { links } = createLinks();
    const [first, second] = [new FakeConnection(ids[0]), new FakeConnection(ids[0])];
    let listeners = 0;
    const listen = second.addEventListener.bind(second);
    second.addEventListener = (...given: Parameters<typeof listen>) => {
      listeners += 1;
      listen(...given);
    };
    for (const connection of [first, second, second, second]) links.take(connection as unknown as Connection);
    expect(listeners).toBe(1);
  });
});
