import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import type { Libp2pNetwork } from '../libp2p-network.ts';
import { natLimits } from './nat.ts';
import { newTestKey, TestNodes } from './test-node.ts';

const waitMs = 20_000;
const nodes = new TestNodes();
afterEach(() => nodes[Symbol.asyncDispose]());

const circuitsOf = (node: Libp2pNetwork) => node.addresses().filter((address) => address.includes('/p2p-circuit'));
const portOf = (node: Libp2pNetwork) => /\/tcp\/(\d+)/.exec(node.addresses()[0] ?? '')?.[1];
const asServer = { nat: { circuitRelay: 'server' } } as const;
const asClientOf = (relay: Libp2pNetwork) =>
  ({ listen: [], nat: { circuitRelay: 'client', relays: relay.addresses() } }) as const;

/** What a node says that it speaks, to a stock libp2p that dials it. */
async function protocolsOf(node: Libp2pNetwork): Promise<string[]> {
  const host = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    services: { identify: identify({ runOnConnectionOpen: false }) },
  });
  try {
    const connection = await host.dial(node.addresses().map((address) => multiaddr(address)));
    return (await host.services.identify.identify(connection)).protocols;
  } finally {
    await host.stop();
  }
}

/** A client of `relay` that listens nowhere else, with its place. */
async function startClient(relay: Libp2pNetwork): Promise<Libp2pNetwork> {
  const client = await nodes.start(asClientOf(relay));
  await expect.poll(() => circuitsOf(client), { timeout: waitMs }).toHaveLength(1);
  return client;
}

describe('peers behind address translation, with a circuit relay', () => {
  it('are found and spoken to through it, with every protocol', async () => {
    const relay = await nodes.start(asServer);
    const client = await startClient(relay);
    const other = await nodes.start({ nat: { circuitRelay: 'client' }, bootstrap: circuitsOf(client) });
    await expect.poll(() => other.livePeers().map(({ id }) => id), { timeout: waitMs }).toContain(client.self);
  });

  it('have their place again after the relay came back', async () => {
    const identityKeyBytes = await newTestKey();
    const relay = await nodes.start({ ...asServer, identityKeyBytes });
    const listen = [`/ip4/127.0.0.1/tcp/${portOf(relay)}`];
    const client = await startClient(relay);
    for (let restart = 0; restart < 2; restart += 1) {
      await nodes.stopLast(relay.self);
      await expect.poll(() => circuitsOf(client), { timeout: waitMs }).toEqual([]);
      await nodes.start({ ...asServer, identityKeyBytes, listen });
      await expect.poll(() => circuitsOf(client), { timeout: waitMs }).toHaveLength(1);
    }
    const other = await nodes.start({ nat: { circuitRelay: 'client' }, bootstrap: circuitsOf(client) });
    await expect.poll(() => other.livePeers().map(({ id }) => id), { timeout: waitMs }).toContain(client.self);
  });

  it('start though the relay is away, and have their place when it comes', async () => {
    const identityKeyBytes = await newTestKey();
    const before = await nodes.start({ ...asServer, identityKeyBytes });
    const listen = [`/ip4/127.0.0.1/tcp/${portOf(before)}`];
    const options = asClientOf(before);
    await nodes.stopLast(before.self);
    const client = await nodes.start(options);
    expect(circuitsOf(client)).toEqual([]);
    await nodes.start({ ...asServer, identityKeyBytes, listen });
    await expect.poll(() => circuitsOf(client), { timeout: waitMs }).toHaveLength(1);
  });

  it('get no place where the allow-list does not name them', async () => {
    const friendKey = await newTestKey();
    const friend = await nodes.start({ identityKeyBytes: friendKey });
    const relay = await nodes.start({ ...asServer, allow: [friend.self] });
    const stranger = await nodes.start(asClientOf(relay));
    await nodes.stopLast(friend.self);
    const again = await nodes.start({ ...asClientOf(relay), identityKeyBytes: friendKey });
    await expect.poll(() => circuitsOf(again), { timeout: waitMs }).toHaveLength(1);
    expect(circuitsOf(stranger)).toEqual([]);
  });
});

it('runs autonat and hole punching where it is told to', async () => {
  const nat = { autonat: true, circuitRelay: 'client', holePunching: true } as const;
  const one = await nodes.start({ nat });
  const other = await nodes.start({ nat, bootstrap: one.addresses() });
  await expect.poll(() => other.livePeers().map(({ id }) => id), { timeout: waitMs }).toContain(one.self);
  expect(await protocolsOf(one)).toEqual(expect.arrayContaining(['/libp2p/autonat/1.0.0', '/libp2p/dcutr']));
  const plain = await nodes.start({});
  const spoken = await protocolsOf(plain);
  for (const protocol of ['/libp2p/autonat/1.0.0', '/libp2p/dcutr']) expect(spoken).not.toContain(protocol);
});

it('refuses more circuit relays than its limit', async () => {
  const relays = Array.from({ length: natLimits.relaysMax + 1 }, () => '/ip4/127.0.0.1/tcp/1');
  const started = nodes.start({ nat: { circuitRelay: 'client', relays } });
  await expect(started).rejects.toMatchObject({ code: 'bad-request' });
});
