import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { PeerId } from '@pulsemesh/wire';
import { afterEach, describe, expect, it } from 'vitest';
import type { Libp2pNetwork } from '../libp2p-network.ts';
import { newTestKey, TestNodes } from './test-node.ts';

const waitMs = 20_000;
const nodes = new TestNodes();
const start: TestNodes['start'] = (options) => nodes.start(options);

afterEach(() => nodes[Symbol.asyncDispose]());

const rolesSeenBy = (node: Libp2pNetwork) => node.livePeers().flatMap((peer) => peer.roles);

describe('the libp2p network', () => {
  it('connects everybody to everybody, and takes publish/subscribe to a network without its bootstrap', async () => {
    const bootstrap = await start({ roles: ['bootstrap'] });
    const peers = await Promise.all([0, 1, 2, 3].map(() => start({ bootstrap: bootstrap.addresses() })));
    await expect.poll(() => peers.every((peer) => peer.connections().length === 4), { timeout: waitMs }).toBe(true);
    expect(bootstrap.pubsub).toBeUndefined();
    expect(rolesSeenBy(bootstrap).sort()).toEqual(['bootstrap', 'storage', 'storage', 'storage', 'storage']);
  });

  it('refuses, with an allow-list, everybody who is not on it', async () => {
    const friendKey = await newTestKey();
    const friend = await start({ identityKeyBytes: friendKey });
    const closed = await start({ allow: [friend.self], bootstrap: friend.addresses() });
    const stranger = await start({ bootstrap: [...closed.addresses(), ...friend.addresses()] });
    await expect.poll(() => stranger.connections(), { timeout: waitMs }).toEqual([friend.self]);
    await expect.poll(() => closed.connections(), { timeout: waitMs }).toEqual([friend.self]);
    await expect(stranger.dial(closed.self, '/pulsemesh/hello/1')).rejects.toMatchObject({ code: 'peer-unreachable' });
    expect(closed.livePeers().map((peer) => peer.id)).not.toContain(stranger.self);
  });

  it('finds its peers after a restart by what it stored, with no bootstrap at all', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-network-'));
    try {
      const identityKeyBytes = await newTestKey();
      const other = await start({ roles: ['prediction'] });
      const before = await start({ identityKeyBytes, dataDirectory: directory, bootstrap: other.addresses() });
      await expect.poll(() => before.livePeers('prediction').length, { timeout: waitMs }).toBe(1);
      await expect.poll(() => other.livePeers('storage').length, { timeout: waitMs }).toBe(1);
      await before[Symbol.asyncDispose]();
      const after = await start({ identityKeyBytes, dataDirectory: directory });
      expect(after.self).toBe(before.self);
      await expect.poll(() => after.livePeers('prediction').length, { timeout: waitMs }).toBe(1);
    } finally {
      await nodes[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    }
  });

  it('elects a successor when both bootstraps are gone, and a fresh node joins by an ordinary peer', async () => {
    const election = { goneMs: 300, graceMs: 300_000, turnMs: 5_000, retireMs: 300_000 };
    const first = await start({ roles: ['bootstrap'] });
    const second = await start({ roles: ['bootstrap'], bootstrap: first.addresses() });
    const dead = [...first.addresses(), ...second.addresses()];
    const options = { bootstrap: dead, election, elects: true };
    const ordinary = await start({ ...options, roles: ['storage'] });
    const other = await start({ ...options, roles: ['prediction'] });
    await expect.poll(() => rolesSeenBy(ordinary).length, { timeout: waitMs }).toBe(4);
    await expect.poll(() => rolesSeenBy(other).length, { timeout: waitMs }).toBe(4);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    const successorOf = (node: Libp2pNetwork) =>
      node.livePeers('bootstrap').filter((peer) => !dead.some((text) => text.endsWith(peer.id)));
    await expect.poll(() => successorOf(other).length, { timeout: waitMs }).toBe(1);
    // Its list: two dead bootstraps and one ordinary peer.
    const fresh = await start({ bootstrap: [...dead, ...ordinary.addresses()], roles: ['notification'] });
    const rolesNow = ['bootstrap', 'notification', 'prediction', 'storage'];
    await expect.poll(() => rolesSeenBy(fresh).sort(), { timeout: waitMs }).toEqual(rolesNow);
    // And the next, that knows nobody but the successor.
    const [successor] = successorOf(fresh);
    const next = await start({ bootstrap: (successor?.addresses ?? []).map((text) => `${text}/p2p/${successor?.id}`) });
    await expect.poll(() => rolesSeenBy(next).sort(), { timeout: waitMs }).toEqual([...rolesNow, 'storage'].sort());
    await expect.poll(() => next.lookUp('role:bootstrap'), { timeout: waitMs }).toContain(successor?.id as PeerId);
  });

  it('lets a successor through allow-lists, on the word of an allowed peer', async () => {
    const election = { goneMs: 300, graceMs: 300_000, turnMs: 2_000, retireMs: 300_000 };
    const original = await start({ roles: ['bootstrap'] });
    const keys = [await newTestKey(), await newTestKey(), await newTestKey()];
    const ids = keys.map((key) => peerIdFromPrivateKey(privateKeyFromRaw(key)).toString());
    const options = { allow: [original.self, ...ids], bootstrap: original.addresses(), election, elects: true };
    const members: Libp2pNetwork[] = [];
    for (const identityKeyBytes of keys.slice(0, 2)) members.push(await start({ ...options, identityKeyBytes }));
    await expect.poll(() => members.every((node) => node.livePeers().length === 3), { timeout: waitMs }).toBe(true);
    await original[Symbol.asyncDispose]();
    const successors = () => members.map((node) => node.livePeers('bootstrap')[0]?.id);
    await expect
      .poll(() => new Set(successors()).size === 1 && !successors().includes(original.self), { timeout: waitMs })
      .toBe(true);
    await expect.poll(() => successors()[0], { timeout: waitMs }).toBeDefined();
    await expect
      .poll(() => members.every((node) => node.connections().includes(successors()[0] as PeerId)), { timeout: waitMs })
      .toBe(true);
  });
});
