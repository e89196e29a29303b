import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createSigner, type Signer } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { MulticastError } from './errors.ts';
import type { SystemInterfaces } from './lan-networks.ts';
import { type LanConnection, LocalNetwork, type LocalNetworkOptions } from './local-network.ts';
import type { HelloSocketHandlers, OpenHellos } from './multicast.ts';

const startMs = 1_790_000_000_000;

/** A cable: whoever is on it hears what others say. */
class Cable {
  readonly clock = new VirtualClock(startMs);
  readonly random = createSeededRandom(5);
  readonly nodes: Node[] = [];
  readonly #ends = new Map<string, HelloSocketHandlers>();
  failure: MulticastError | undefined;
  opened = 0;

  readonly open: OpenHellos = async (network, handlers) => {
    if (this.failure !== undefined) throw this.failure;
    this.opened += 1;
    const { address, family } = network;
    this.#ends.set(address, handlers);
    const from = { family, address, port: 40_000 };
    return {
      network,
      announce: (bytes) => {
        for (const end of this.#ends.values()) end.onHello(bytes, { ...from, isAnswer: false });
      },
      answer: ({ address: to }, bytes) => this.#ends.get(to)?.onHello(bytes, { ...from, isAnswer: true }),
      [Symbol.asyncDispose]: async () => void this.#ends.delete(address),
    };
  };

  async add(options: Partial<LocalNetworkOptions> = {}): Promise<Node> {
    const node = new Node(this, this.nodes.length + 1, { mode: 'announce', ...options });
    this.nodes.push(node);
    await node.local.start();
    return node;
  }
}

class Node {
  readonly signer: Signer;
  readonly peer: PeerId;
  readonly local: LocalNetwork;
  readonly connections: LanConnection[] = [];
  readonly dialled: string[] = [];
  readonly counts: string[] = [];
  interfaces: SystemInterfaces;
  readonly number: number;

  constructor(cable: Cable, number: number, options: LocalNetworkOptions) {
    this.number = number;
    this.signer = createSigner(new Uint8Array(32).fill(number));
    this.peer = peerIdOfEd25519(this.signer.publicKey);
    const address = `198.18.0.${number}`;
    this.interfaces = {
      eth0: [{ address, cidr: `${address}/24`, family: 'IPv4', internal: false, netmask: '', mac: '' }],
    };
    this.local = new LocalNetwork(options, {
      clock: cable.clock,
      random: cable.random,
      logger: silentLogger,
      signer: this.signer,
      listening: () => ({ bound: [`/ip4/${address}/tcp/${4_000 + number}`], asked: ['/ip4/0.0.0.0/tcp/0'] }),
      connections: () => this.connections,
      dial: async ([multiaddr = '']) => this.#dial(cable, multiaddr),
      count: (what) => this.counts.push(what),
      interfaces: () => this.interfaces,
      open: cable.open,
    });
  }

  get address(): string {
    return `/ip4/198.18.0.${this.number}/tcp/${4_000 + this.number}`;
  }

  #dial(cable: Cable, multiaddr: string): PeerId {
    this.dialled.push(multiaddr);
    const other = cable.nodes.find((node) => multiaddr.startsWith(node.address));
    if (other === undefined) throw new Error('nobody is there');
    this.connections.push({ peer: other.peer, remoteAddress: other.address });
    other.connections.push({ peer: this.peer, remoteAddress: `/ip4/198.18.0.${this.number}/tcp/50000` });
    return other.peer;
  }
}

const cables: Cable[] = [];
function newCable(): Cable {
  const cable = new Cable();
  cables.push(cable);
  return cable;
}
afterEach(async () => {
  for (const { nodes } of cables.splice(0)) await Promise.all(nodes.map((node) => node.local[Symbol.asyncDispose]()));
});

describe('a node on a local network', () => {
  it.each([
    [['198.18.0.0/24'], true],
    [['203.0.113.0/24', 'eth0'], true],
    [['203.0.113.0/24', 'wlan0', 'fe80::/10'], false],
  ])('announces where %j names it, and else only listens', async (announceOn, isMet) => {
    const cable = newCable();
    const mover = await cable.add({ announceOn });
    const listener = await cable.add({ mode: 'listen' });
    await cable.clock.advance(15_000);
    expect(listener.connections.map(({ peer }) => peer)).toEqual(isMet ? [mover.peer] : []);
    const home = await cable.add(); // heard by both
    await cable.clock.advance(15_000);
    expect(mover.connections.map(({ peer }) => peer)).toContain(home.peer);
  });

  it.each(['192.0.2.0', '192.0.2.0/33', 'eth0/24', '/24', ''])('refuses to announce on "%s"', (name) => {
    expect(() => new Node(newCable(), 1, { mode: 'announce', announceOn: [name] })).toThrow(/nor a network like/);
  });

  it('meets the others, each pair by one connection, and knows where they are and who leads out', async () => {
    const cable = newCable();
    const nodes = [await cable.add(), await cable.add(), await cable.add(), await cable.add({ mode: 'listen' })];
    const [one, two, three, listener] = nodes as [Node, Node, Node, Node];
    two.connections.push({ peer: three.peer, remoteAddress: '/ip4/203.0.113.1/tcp/4001' });
    await cable.clock.advance(15_000);
    expect(one.connections.map(({ peer }) => peer).toSorted()).toEqual(
      [two, three, listener].map(({ peer }) => peer).toSorted(),
    );
    expect(listener.dialled).toHaveLength(3);
    expect(one.local.addressesOf(two.peer)).toEqual([two.address]);
    expect(one.local.addressesOf(listener.peer)).toEqual([]);
    expect(one.local.linkOf('/ip4/198.18.0.77/tcp/1')).toBe('eth0');
    expect(one.local.linkOf('/ip4/203.0.113.1/tcp/1')).toBeUndefined();
    await cable.clock.advance(60_000);
    expect(one.local.beyond('eth0')).toEqual([two.peer]);
  });

  it('of a site meets its own only, and dials nobody who is not who the hello names', async () => {
    const cable = newCable();
    const siteSecret = new Uint8Array(32).fill(9);
    const [one, two] = [await cable.add({ siteSecret }), await cable.add({ siteSecret })];
    const guest = await cable.add();
    await cable.clock.advance(15_000);
    expect([...one.dialled, ...two.dialled]).toHaveLength(1);
    expect([...one.dialled, ...two.dialled][0]).toMatch(/\/p2p\/12D3/);
    expect(guest.connections).toEqual([]);
    expect(one.local.refusals.get('other-site')).toBeGreaterThan(0);
  });

  it('goes on where an interface goes and comes back, though it has another key then', async () => {
    const cable = newCable();
    const [one, two] = [await cable.add(), await cable.add()];
    const before = two.interfaces;
    two.interfaces = {};
    await cable.clock.advance(10_000);
    const openedBefore = cable.opened;
    expect(two.local.linkOf(one.address)).toBeUndefined();
    two.interfaces = before;
    await cable.clock.advance(20_000);
    expect(cable.opened).toBe(openedBefore + 1);
    expect(two.local.linkOf(one.address)).toBe('eth0');
    expect(one.local.addressesOf(two.peer)).toEqual([two.address]);
  });

  it('counts what is in the way, and tries again', async () => {
    const cable = newCable();
    cable.failure = new MulticastError('port-taken', 'eth0', new Error('EADDRINUSE'));
    const one = await cable.add();
    await cable.clock.advance(12_000);
    expect(one.counts).toEqual(['port-taken', 'port-taken', 'port-taken']);
    cable.failure = undefined;
    const two = await cable.add();
    await cable.clock.advance(20_000);
    expect(one.connections.map(({ peer }) => peer)).toEqual([two.peer]);
  });
});
