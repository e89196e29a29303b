import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Peer, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { PeerId } from '@pulsemesh/wire';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { dialLimits } from './dial-memory.ts';
import { Links, type LinksDependencies, type LinksOptions, linksLimits } from './links.ts';
import { unneededLimits } from './unneeded.ts';

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
  readonly direction: string;

  constructor(remotePeer: unknown, direction = 'inbound') {
    super();
    this.remotePeer = remotePeer;
    this.direction = direction;
  }

  async newStream(): Promise<Stream> {
    const stream = Object.assign(new EventTarget(), {
      protocol,
      writeBufferLength: 0,
      send: () => {
        this.sent += 1;
        return true;
      },
      close: async () => {
        this.streams = this.streams.filter((one) => one !== stream);
      },
    });
    this.streams.push(stream);
    return stream as unknown as Stream; // the few members that are used
  }

  async close(): Promise<void> {
    this.status = 'closed';
    this.dispatchEvent(new Event('close'));
  }
}

/** Texts that come before and after those of all peers. */
const [leastId, greatestId] = ['0', 'z'] as [PeerId, PeerId];

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Links over connections that a test makes; peers named in `away` cannot be dialled. */
function createLinks(
  options: Partial<LinksOptions> = {},
  hasAddresses = () => true,
  self = leastId,
  hasStoodStill = false,
) {
  const clock = new VirtualClock();
  const connections = new Map<string, FakeConnection>();
  const away = new Set<string>();
  const said: string[] = [];
  let dials = 0;
  let dialsAtOnce = 0;
  let dialsAtOnceMost = 0;
  let stoodStillMs = 0;
  let connectionsMax = 300;
  const full = new Set<string>();
  let wanted: PeerId[] = [];
  const tags: [string, unknown][] = [];
  const kept = new Map<string, readonly string[]>();
  const deps: LinksDependencies = {
    self,
    stoodStillMs: () => stoodStillMs,
    connectionManager: {
      getMaxConnections: () => connectionsMax,
      getConnections: (id) => {
        if (id === undefined) return links.connected() as unknown as Connection[]; // they are counted
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
        if (hasStoodStill) stoodStillMs += linksLimits.stoodStillMsMax + 1;
        if (away.has(name)) throw new Error('away');
        if (full.has(name)) throw Object.assign(new Error('no room'), { name: 'EncryptionFailedError' });
        const connection = new FakeConnection(
          ids.find((id) => id.toString() === name),
          'outbound',
        );
        connections.set(name, connection);
        return connection as unknown as Connection;
      },
    },
    peerStore: {
      get: async (id) => {
        const tags = kept.get(String(id));
        if (tags === undefined) throw new Error('not known');
        return { tags: new Map(tags.map((tag) => [tag, { value: 1 }])) } as unknown as Peer; // the rest is not looked at
      },
      merge: async (id, data) => {
        tags.push([String(id), Object.values(data.tags ?? {})[0]]);
        return {} as Awaited<ReturnType<LinksDependencies['peerStore']['merge']>>; // not looked at
      },
    },
    clock,
    random: createSeededRandom(1),
    logger: silentLogger,
    onConnected: (peer, isByOthers) => said.push(`connected ${peer}${isByOthers ? ' by others' : ''}`),
    onDisconnected: (peer, why) => said.push(`${why} ${peer}`),
    onUnreachable: (peer) => said.push(`unreachable ${peer}`),
    onDropped: (messages) => said.push(`dropped ${messages.length}`),
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
    full,
    limit: (most: number) => {
      connectionsMax = most;
    },
    said,
    tags,
    /** What others have tagged a peer with. */
    keep: (index: number, ...others: string[]) => kept.set(nameOf(index), others),
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
  it('say of a connection that this end opened for somebody else, and of no other, that it is by others', () => {
    const world = createLinks();
    for (const [index, direction] of (['outbound', 'inbound'] as const).entries()) {
      world.links.take(new FakeConnection(ids[index], direction) as unknown as Connection);
    }
    expect(world.said).toEqual([`connected ${nameOf(0)} by others`, `connected ${nameOf(1)}`]);
  });

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

  it('hold nobody for dead who could not be dialled while this process stood still', async () => {
    const world = createLinks({}, undefined, undefined, true);
    world.away.add(nameOf(0));
    world.links.send(nameOf(0), probe);
    await world.settle();
    expect(world.dialCount()).toBe(1);
    expect(world.said).toEqual([]);
  });

  it('hold nobody for dead who has no room, and try again for what is to be sent', async () => {
    const world = createLinks();
    world.full.add(nameOf(0));
    world.links.send(nameOf(0), probe);
    await world.settle();
    world.links.send(nameOf(0), probe);
    expect(world.said).toEqual([]);
    world.full.clear();
    await world.clock.advance(dialLimits.fullWaitMs);
    world.links.tend();
    await world.settle();
    expect(world.links.isConnected(nameOf(0))).toBe(true);
    expect(world.connectionTo(0)?.sent).toBe(1); // one frame
  });

  it('drop what is to be sent to who has no room for long, and ask less and less often only to be connected', async () => {
    const world = createLinks();
    world.full.add(nameOf(0));
    world.links.send(nameOf(0), probe);
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advance(1_000);
      world.links.tend();
      await world.settle();
    }
    expect(world.dialCount()).toBe(dialLimits.fullTriesMax);
    expect(world.said).toEqual(['dropped 1']);
    world.want(0);
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advance(1_000);
      world.links.tend();
      await world.settle();
    }
    expect(world.dialCount()).toBeLessThan(dialLimits.fullTriesMax + 8);
    expect(world.said.filter((line) => line.startsWith('unreachable'))).toEqual([]);
  });

  it('keep room for who dials below the most that libp2p lets stand, least recently used first', async () => {
    const world = createLinks({ linksMax: 10 });
    world.limit(10);
    world.want(0, 1);
    for (let index = 0; index < 10; index += 1) {
      world.links.take(new FakeConnection(ids[index]) as unknown as Connection);
      await world.clock.advance(1);
      await world.settle();
    }
    expect(world.links.connected()).toHaveLength(9);
    expect(world.links.isConnected(nameOf(0)) && world.links.isConnected(nameOf(9))).toBe(true);
    expect(world.said).toContain(`closed ${nameOf(2)}`);
  });

  it('dial nobody where libp2p lets no more connections stand, until one has gone', async () => {
    const world = createLinks({ linksMax: 4 });
    world.limit(4);
    world.want(0, 1, 2, 3);
    for (const index of [0, 1, 2, 3]) world.links.take(new FakeConnection(ids[index]) as unknown as Connection);
    world.links.send(nameOf(5), probe);
    world.links.tend();
    await world.settle();
    expect(world.dialCount()).toBe(0);
    world.want(0, 1, 5);
    world.links.tend();
    await world.settle();
    expect(world.links.isConnected(nameOf(5))).toBe(true);
    expect(world.links.connected().length).toBeLessThanOrEqual(4);
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
    for (const index of [0, 2]) {
      world.links.parting(nameOf(index), world.connectionTo(index) as unknown as Connection);
    }
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
    await world.clock.advance(unneededLimits.idleMsMin);
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
    await world.clock.advance(unneededLimits.idleMsMin);
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

  it('close what they opened and nobody wanted or used for two minutes, also where there is room', async () => {
    const world = createLinks();
    world.want(0, 1);
    for (const index of [0, 1, 2]) world.links.send(nameOf(index), probe);
    await world.settle();
    const tendAfter = async (ms: number) => {
      await world.clock.advance(ms);
      world.links.tend();
      await world.settle();
      return world.links.connected().sort();
    };
    expect(await tendAfter(unneededLimits.unwantedMs - 1)).toHaveLength(3);
    world.want(0); // 1 was wanted until just now, 2 never
    expect(await tendAfter(1)).toEqual([nameOf(0), nameOf(1)].sort());
    expect(await tendAfter(unneededLimits.unwantedMs - 2)).toHaveLength(2);
    expect(await tendAfter(1)).toEqual([nameOf(0)]);
    expect(world.said.slice(3)).toEqual([`closed ${nameOf(2)}`, `closed ${nameOf(1)}`]);
  });

  it('do not close for want of use what the other side opened, what is heard from, or what somebody else uses', async () => {
    const world = createLinks();
    const foreign = new FakeConnection(ids[3]);
    world.links.take(foreign as unknown as Connection);
    for (const index of [0, 1]) world.links.send(nameOf(index), probe);
    await world.settle();
    world.connectionTo(0)?.streams.push({ protocol: '/somebody/else' });
    await world.clock.advance(unneededLimits.unwantedMs);
    world.links.heard(nameOf(1));
    world.links.tend();
    expect(world.links.connected().sort()).toEqual([0, 1, 3].map(nameOf).sort());
  });

  it('never close the connection of a circuit relay that gave a place, of who has a place here, or of whom another service keeps', async () => {
    const world = createLinks({ linksMax: 1 });
    for (const index of [0, 1, 2, 3]) world.links.send(nameOf(index), probe);
    await world.settle();
    world.keep(0, 'keep-alive-circuit-relay');
    world.keep(1, 'circuit-relay-source');
    world.keep(2, 'something', 'keep-alive');
    world.keep(3, 'something', 'kept-alive');
    for (let turn = 0; turn < 3; turn += 1) {
      await world.clock.advance(unneededLimits.unwantedMs);
      world.links.tend();
      await world.settle();
      expect(world.links.connected().sort()).toEqual([0, 1, 2].map(nameOf).sort());
    }
    // The place is given up: the relay is a peer like any other.
    world.keep(0);
    world.links.tend();
    await world.settle();
    expect(world.links.connected().sort()).toEqual([1, 2].map(nameOf).sort());
  });

  it('let others open half as many more as the budget, then close whom they heard least recently, though he goes on talking', async () => {
    const world = createLinks({ linksMax: 4 });
    world.want(0, 1);
    const foreign = Array.from({ length: 9 }, (_, index) => new FakeConnection(ids[index]));
    for (const connection of foreign) {
      world.links.take(connection as unknown as Connection);
      await world.clock.advance(1);
    }
    foreign[2]?.streams.push({ protocol: '/somebody/else' });
    world.links.heard(nameOf(3));
    world.links.tend();
    await world.settle();
    // Six of nine may stay: 0 and 1 are neighbours, 2 works for somebody else, 3 was heard from, 8 and 7 came last.
    expect(world.links.connected().sort()).toEqual([0, 1, 2, 3, 7, 8].map(nameOf).sort());
    expect(world.said.filter((line) => line.startsWith('closed'))).toHaveLength(3);
  });

  it('close what they opened before they close what others opened', async () => {
    const world = createLinks({ linksMax: 4 });
    for (const index of [0, 1, 2]) world.links.send(nameOf(index), probe);
    await world.settle();
    await world.clock.advance(unneededLimits.idleMsMin);
    for (const index of [3, 4, 5, 6, 7]) {
      world.links.take(new FakeConnection(ids[index]) as unknown as Connection);
      await world.clock.advance(1);
    }
    world.links.tend();
    await world.settle();
    expect(world.links.connected().sort()).toEqual([3, 4, 5, 6, 7].map(nameOf).sort());
  });
});

/** Links of `self` with peer 0, who dialled while it was dialled: its connection comes when ours is in use. */
async function createDouble(self: PeerId) {
  const world = createLinks({}, undefined, self);
  world.links.send(nameOf(0), probe);
  await world.settle();
  const ours = world.connectionTo(0) as FakeConnection;
  const theirs = new FakeConnection(ids[0], 'inbound');
  world.links.take(theirs as unknown as Connection);
  const send = async () => {
    world.links.send(nameOf(0), probe);
    await world.settle();
  };
  const tendAfter = async (ms: number) => {
    await world.clock.advance(ms);
    world.links.tend();
    await world.settle();
  };
  return { ...world, ours, theirs, send, tendAfter };
}

describe('two connections with a peer that dialled at the same time', () => {
  it('become one: who has the greater id goes on over the other, and closes its own when both ends know of both', async () => {
    const { ours, theirs, send, tendAfter, said } = await createDouble(greatestId);
    await send();
    expect([ours.sent, theirs.sent]).toEqual([1, 1]);
    expect(ours.streams).toEqual([]);
    await tendAfter(0);
    await tendAfter(linksLimits.doubleMs - 1);
    expect(ours.status).toBe('open');
    await tendAfter(1);
    expect([ours.status, theirs.status]).toEqual(['closed', 'open']);
    await send();
    expect(theirs.sent).toBe(2);
    expect(said).toEqual([`connected ${nameOf(0)}`]);
  });

  it('stay two to who has the lesser id, which goes on over its own and leaves closing to the other', async () => {
    const { ours, theirs, send, tendAfter, said } = await createDouble(leastId);
    await tendAfter(0);
    await tendAfter(linksLimits.doubleMs);
    await send();
    expect([ours.sent, theirs.sent]).toEqual([2, 0]);
    expect([ours.status, theirs.status]).toEqual(['open', 'open']);
    await theirs.close();
    expect(said).toEqual([`connected ${nameOf(0)}`]);
  });

  it.each(['/somebody/else', protocol, ''])('stay two while one carries a stream of "%s"', async (used) => {
    const { ours, tendAfter } = await createDouble(greatestId);
    ours.streams.push({ protocol: used });
    await tendAfter(0);
    await tendAfter(linksLimits.doubleMs);
    expect(ours.status).toBe('open');
    ours.streams = [{ protocol: '/ipfs/ping/1.0.0' }];
    await tendAfter(0);
    expect(ours.status).toBe('closed');
  });

  it('stay two where another part of the program dialled the one that would go', async () => {
    const world = createLinks({}, undefined, greatestId);
    const [dialled, theirs] = [new FakeConnection(ids[0], 'outbound'), new FakeConnection(ids[0], 'inbound')];
    for (const connection of [dialled, theirs]) world.links.take(connection as unknown as Connection);
    world.links.tend();
    await world.clock.advance(linksLimits.doubleMs);
    world.links.tend();
    expect([dialled.status, theirs.status]).toEqual(['open', 'open']);
  });

  it('are no reason to move to a limited one, or to one that is closed', async () => {
    for (const unfit of [{ limits: {} }, { status: 'closed' }]) {
      const world = createLinks({ runOnLimitedConnection: true }, undefined, greatestId);
      world.links.send(nameOf(0), probe);
      await world.settle();
      const theirs = Object.assign(new FakeConnection(ids[0], 'inbound'), unfit);
      world.links.take(theirs as unknown as Connection);
      world.links.send(nameOf(0), probe);
      await world.settle();
      expect([world.connectionTo(0)?.sent, theirs.sent]).toEqual([2, 0]);
    }
  });

  it('say nothing of the peer when it ends its stream over the one that goes', async () => {
    const { links, ours, theirs, said } = await createDouble(greatestId);
    links.parting(nameOf(0), ours as unknown as Connection);
    await ours.close();
    await theirs.close();
    expect(said).toEqual([`connected ${nameOf(0)}`, `lost ${nameOf(0)}`]);
  });

  it('leave the one that was to go where the other is lost first', async () => {
    const { ours, theirs, send, tendAfter, clock } = await createDouble(greatestId);
    await tendAfter(0);
    await theirs.close();
    await tendAfter(linksLimits.doubleMs);
    await clock.advance(1_000);
    await send();
    expect([ours.status, ours.sent]).toEqual(['open', 2]);
  });
});
