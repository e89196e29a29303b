import type { PeerId } from '@pulsemesh/wire';
import { afterEach, describe, expect, it } from 'vitest';
import type { Libp2pNetwork } from '../libp2p-network.ts';
import type { ProtocolName } from '../port.ts';
import { MemoryRelay } from '../relayed-memory.ts';
import { newTestKey, TestNodes, testPeerId } from './test-node.ts';

const waitMs = 20_000;
const relayId = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
const loopback = ['/ip4/127.0.0.1/tcp/0'];
const protocol: ProtocolName = '/pulsemesh/echo/1';
const nodes = new TestNodes();

afterEach(() => nodes[Symbol.asyncDispose]());

const viaRelay = (node: Libp2pNetwork) => `/p2p/${relayId}/p2p-circuit/p2p/${node.self}`;
const knows = (node: Libp2pNetwork, other: Libp2pNetwork) =>
  expect.poll(() => node.livePeers().map((peer) => peer.id), { timeout: waitMs }).toContain(other.self);

describe('peers behind a firewall', () => {
  it('listen nowhere, announce their relay, and are found through others', async () => {
    const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
    const before = servers();
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    const other = await nodes.startRelayed(relay, { bootstrap: [viaRelay(one)] });
    const third = await nodes.startRelayed(relay, { bootstrap: [viaRelay(other)], roles: ['prediction'] });
    await knows(one, third);
    expect(servers()).toBe(before);
    expect(one.addresses()).toEqual([viaRelay(one)]);
    const [live] = third.livePeers().filter((peer) => peer.id === one.self);
    expect(live?.addresses).toEqual([`/p2p/${relayId}/p2p-circuit`]);
    expect(await third.lookUp('role:storage')).toBeInstanceOf(Array);
  });

  it('show the relay nothing but ciphertext', async () => {
    const relay = new MemoryRelay(relayId);
    let passed = Buffer.alloc(0);
    relay.onPassing = (bytes) => {
      passed = Buffer.concat([passed, bytes]);
    };
    const one = await nodes.startRelayed(relay, {});
    const other = await nodes.startRelayed(relay, { bootstrap: [viaRelay(one)] });
    await knows(other, one);
    one.serve(protocol, async (channel) => {
      const frame = await channel.receive();
      if (frame !== null) await channel.send(frame);
      await channel.close();
    });
    const marker = Buffer.from('a heart that beats 75 times a minute');
    const channel = await other.dial(one.self, protocol);
    await channel.send(marker);
    expect(Buffer.from((await channel.receive()) ?? [])).toEqual(marker);
    expect(passed.byteLength).toBeGreaterThan(1_000);
    expect(passed.includes(marker)).toBe(false);
    expect(passed.includes(marker.subarray(0, 12))).toBe(false);
  });

  it('find each other again after the session with the relay was lost', async () => {
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    const key = await newTestKey();
    const other = await nodes.startRelayed(relay, { bootstrap: [viaRelay(one)], identityKeyBytes: key });
    await knows(one, other);
    const session = relay.clientOf(testPeerId(key));
    session?.setUp(false);
    await expect.poll(() => one.connections(), { timeout: waitMs }).toEqual([]);
    await expect(other.dial(one.self, protocol)).rejects.toMatchObject({ code: 'peer-unreachable', retryable: true });
    session?.setUp(true);
    await knows(one, other);
    await knows(other, one);
  });

  it('that were killed and started again are reached at once, though the relay still keeps what they had', async () => {
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    const identityKeyBytes = await newTestKey();
    const killed = await nodes.startRelayed(relay, { bootstrap: [viaRelay(one)], identityKeyBytes });
    await knows(one, killed);
    await knows(killed, one);
    nodes.advance(5_000);
    relay.clientOf(killed.self)?.die();
    expect(one.connections()).toContain(killed.self);
    const again = await nodes.startRelayed(relay, { bootstrap: [viaRelay(one)], identityKeyBytes });
    again.serve(protocol, async (channel) => {
      const frame = await channel.receive();
      if (frame !== null) await channel.send(frame);
      await channel.close();
    });
    await knows(again, one);
    const channel = await one.dial(again.self, protocol, { signal: AbortSignal.timeout(5_000) });
    await channel.send(Buffer.from('there'));
    expect(Buffer.from((await channel.receive({ signal: AbortSignal.timeout(5_000) })) ?? []).toString()).toBe('there');
  });

  it('are not fooled by a relay that names another caller', async () => {
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    const identityKeyBytes = await newTestKey();
    const liar = relay.join(testPeerId(await newTestKey()));
    const caller = await nodes.start({ identityKeyBytes, listen: [], isDirect: false, relayed: liar });
    await expect(caller.dial(one.self, protocol)).rejects.toMatchObject({ code: 'peer-unreachable' });
    expect(one.connections()).toEqual([]);
  });

  it('do not dial through a relay they do not know', async () => {
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    const stranger = testPeerId(await newTestKey());
    const other = await nodes.startRelayed(relay, { bootstrap: [`/p2p/${stranger}/p2p-circuit/p2p/${one.self}`] });
    await expect(other.dial(one.self, protocol)).rejects.toMatchObject({ code: 'peer-unreachable' });
  });
});

describe('peers that can be reached both ways', () => {
  it('are reached directly', async () => {
    const relay = new MemoryRelay(relayId);
    let passedBytes = 0;
    relay.onPassing = (bytes) => {
      passedBytes += bytes.byteLength;
    };
    const one = await nodes.startRelayed(relay, { listen: loopback });
    expect(one.addresses()).toHaveLength(2);
    const other = await nodes.startRelayed(relay, { listen: loopback, bootstrap: one.addresses() });
    await knows(other, one);
    await knows(one, other);
    expect(passedBytes).toBe(0);
  });

  it('are reached through the relay where the direct address does not answer', async () => {
    const relay = new MemoryRelay(relayId);
    const one = await nodes.startRelayed(relay, {});
    // Port 1 of loopback: nobody is there.
    const bootstrap = [`/ip4/127.0.0.1/tcp/1/p2p/${one.self}`, viaRelay(one)];
    const other = await nodes.startRelayed(relay, { listen: loopback, bootstrap });
    await knows(other, one);
  });

  it('elect a successor among those that can listen, when the bootstraps are gone', async () => {
    const relay = new MemoryRelay(relayId);
    const election = { goneMs: 300, graceMs: 300_000, turnMs: 1_000, retireMs: 300_000 };
    const first = await nodes.startRelayed(relay, { roles: ['bootstrap'], listen: loopback });
    const options = { bootstrap: first.addresses(), election, elects: true };
    const hidden = await nodes.startRelayed(relay, options);
    const open = await nodes.startRelayed(relay, { ...options, listen: loopback });
    await knows(hidden, open);
    await knows(open, first);
    await knows(hidden, first);
    await first[Symbol.asyncDispose]();
    const successors = () => open.livePeers('bootstrap').filter((peer) => peer.id !== first.self);
    await expect.poll(() => successors().length, { timeout: waitMs }).toBe(1);
    const newcomer = await nodes.startRelayed(relay, { bootstrap: [viaRelay(hidden)], roles: ['prediction'] });
    await knows(newcomer, open);
    await knows(newcomer, hidden);
  });
});
