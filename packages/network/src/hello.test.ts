import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { encodeHello } from './announcement.ts';
import { Hello, helloProtocol } from './hello.ts';
import { createMemoryNetwork } from './memory-network.ts';
import { defaultRoster, Roster } from './roster.ts';

const ids = ['A', 'B', 'C'].map((letter) => `12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5S${letter}` as PeerId);

/** An address that nobody can dial. */
const unreachable = '/memory/behind-a-router';

/** Peers whose rosters run for real over memory channels; a connection is what `connect` made. */
function createWorld() {
  const clock = new VirtualClock();
  const network = createMemoryNetwork({ clock, random: createSeededRandom(1) });
  const hellos = new Map<PeerId, Hello>();
  const dials: string[] = [];
  const link = (one: PeerId, other: PeerId) => {
    hellos.get(one)?.connected(other);
    hellos.get(other)?.connected(one);
  };
  const join = (index: number) => {
    const port = network.join({ id: ids[index] as PeerId, roles: ['storage'] });
    const random = createSeededRandom(index);
    const roster = new Roster(port.self, defaultRoster, { random, isTrusted: () => true });
    const announcement = {
      roles: ['storage' as const],
      addresses: [`/memory/${index}`],
      pid: index,
      startedMs: clock.now() + index,
      isSuccessor: false,
      isLeaving: false,
    };
    const transport = {
      dial: port.dial.bind(port),
      serve: port.serve.bind(port),
      publish: port.publish.bind(port),
      subscribe: port.subscribe.bind(port),
      connect: async (peer: PeerId, addresses: readonly string[]) => {
        if (addresses.every((address) => address === unreachable)) throw new Error('out of reach');
        dials.push(`${index} dials ${ids.indexOf(peer)}`);
        link(port.self, peer);
      },
      hangUp: () => {},
    };
    let changes = 0;
    const hello = new Hello(announcement, {
      roster,
      transport,
      clock,
      random,
      logger: silentLogger,
      mayVouch: () => true,
      hasPubSub: true,
      onChange: () => {
        changes += 1;
      },
    });
    hellos.set(port.self, hello);
    return { port, roster, hello, live: () => roster.livePeers().map((peer) => peer.pid), changes: () => changes };
  };
  return { clock, network, join, link, dials };
}

describe('hello', () => {
  it('introduces two peers to each other and keeps them alive', async () => {
    const { clock, join, link } = createWorld();
    const [one, other] = [join(0), join(1)];
    link(one.port.self, other.port.self);
    await clock.advance(100);
    expect([one.live(), other.live()]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    await clock.advance(120_000);
    expect([one.live(), other.live()]).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('tells of a third, which is then dialled once, by the smaller', async () => {
    const { clock, join, link, dials } = createWorld();
    const [one, middle, other] = [join(0), join(1), join(2)];
    link(middle.port.self, other.port.self);
    await clock.advance(100);
    link(middle.port.self, one.port.self);
    await clock.advance(1_000);
    expect(dials).toEqual(['0 dials 2']);
    for (const peer of [one, middle, other]) expect(peer.live()).toEqual([0, 1, 2]);
  });

  it('loses a peer that says goodbye at once', async () => {
    const { clock, join, link } = createWorld();
    const [one, other] = [join(0), join(1)];
    link(one.port.self, other.port.self);
    await clock.advance(100);
    await other.hello[Symbol.asyncDispose]();
    await clock.advance(0);
    expect(one.live()).toEqual([0]);
  });

  it('loses a hung peer, whose connection stays, within five seconds', async () => {
    const { clock, network, join } = createWorld();
    const one = join(0);
    // Says who it is, and then nothing more, as a process that is stopped.
    const hung = network.join({ id: ids[1] as PeerId, roles: ['storage'] });
    hung.serve(helloProtocol, async () => new Promise(() => {}));
    await clock.advance(0);
    one.hello.connected(hung.self);
    const announcement = {
      roles: ['storage' as const],
      addresses: [],
      pid: 1,
      startedMs: 1,
      isSuccessor: false,
      isLeaving: false,
    };
    const channel = await hung.dial(one.port.self, helloProtocol);
    await channel.send(encodeHello({ kind: 'announcement', announcement }));
    await clock.advance(4_000);
    expect(one.live()).toEqual([0, 1]);
    await clock.advance(1_000);
    expect(one.live()).toEqual([0]);
  });

  it('opens its channel again when it broke and the connection is there', async () => {
    const { clock, network, join, link } = createWorld();
    const [one, other] = [join(0), join(1)];
    link(one.port.self, other.port.self);
    await clock.advance(100);
    // The network breaks every channel and heals; nobody is told of a closed connection.
    network.partition([]);
    network.heal();
    await clock.advance(20_000);
    expect([one.live(), other.live()]).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('tells of a peer again when its addresses have changed: behind a router it has none to be dialled at before a relay gave it a place', async () => {
    const { clock, join, link, dials } = createWorld();
    const [one, meeting, other] = [join(0), join(1), join(2)];
    for (const { hello } of [one, other]) hello.announce({ ...hello.announcement, addresses: [unreachable] });
    for (const { port } of [one, other]) link(port.self, meeting.port.self);
    await clock.advance(1_000);
    expect([one.live(), other.live()]).toEqual([
      [0, 1],
      [1, 2],
    ]);
    one.hello.announce({ ...one.hello.announcement, addresses: [unreachable, '/memory/at-the-relay'] });
    await clock.advance(20_000);
    expect([one.live(), other.live()]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect(dials).toEqual(['2 dials 0']);
  });
});
