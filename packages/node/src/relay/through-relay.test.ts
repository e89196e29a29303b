import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { createRpcClient, type Libp2pNetwork, serveRpc, startLibp2pNetwork } from '@pulsemesh/network';
import { afterEach, describe, expect, it } from 'vitest';
import { relayTransports } from '../api/types.ts';
import { connectRelays } from './connect-relays.ts';
import { startRelayService } from './relay-service.ts';
import type { RelaySessions } from './relay-sessions.ts';

const clock = createSystemClock();
const random = createSystemRandom();
const deps = { clock, random, logger: silentLogger, meter: createPrometheusMeter({ role: 'test', instance: 'test' }) };
const waitMs = 20_000;
let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'pulsemesh-through-'));
  stack.defer(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function identityIn(place: string): Promise<Identity> {
  return loadOrCreateIdentity({ file: join(place, 'identity.json'), keyFile: join(place, 'identity.key') }, { random });
}

async function startRelay(place: string, port = 0, allow?: readonly string[]) {
  const options = { host: '127.0.0.1', port, dataDirectory: place, ...(allow === undefined ? {} : { allow }) };
  const identity = await identityIn(place);
  const server = stack.use(await startRelayService(options, identity, deps));
  return { server, url: server.url, port: server.link.port, peerId: identity.peerId };
}

async function startPeer(relay: { url: string; peerId: string }, bootstrap: readonly string[] = []) {
  const place = directory();
  const identity = await identityIn(place);
  const relays = [{ url: relay.url, peerId: relay.peerId }];
  const sessions = stack.use(await connectRelays({ relays, dataDirectory: place }, identity, deps));
  const network = stack.use(
    await startLibp2pNetwork(
      {
        identityKeyBytes: identity.libp2pPrivateKeyBytes,
        listen: [],
        isDirect: false,
        relayed: sessions.streams,
        bootstrap,
        roles: ['storage'],
        trust: { peers: 'all' },
        elects: false,
      },
      deps,
    ),
  );
  return { sessions, network, address: `/p2p/${relay.peerId}/p2p-circuit/p2p/${identity.peerId}` };
}

const knows = (one: Libp2pNetwork, other: Libp2pNetwork) =>
  expect.poll(() => one.livePeers().map((peer) => peer.id), { timeout: waitMs }).toContain(other.self);
const statusOf = (sessions: RelaySessions) => sessions.status()[0];

describe('a network through a relay', () => {
  it('calls, moves from transport to transport under load, and loses no call', async () => {
    const relay = await startRelay(directory());
    const one = await startPeer(relay);
    const other = await startPeer(relay, [one.address]);
    await knows(other.network, one.network);
    await knows(one.network, other.network);
    const asked: number[] = [];
    serveRpc(one.network, '/pulsemesh/echo/1', {
      async echo(body) {
        asked.push(body as number);
        return body;
      },
    });
    await using rpc = createRpcClient({ port: other.network, clock });
    let isMoving = true;
    let calls = 0;
    const calling = (async () => {
      for (; isMoving; calls += 1)
        expect(await rpc.call(one.network.self, '/pulsemesh/echo/1', 'echo', calls)).toBe(calls);
    })();
    for (const transport of relayTransports) {
      await one.sessions.move(relay.peerId, transport);
      await other.sessions.move(relay.peerId, transport);
      expect([statusOf(one.sessions)?.transport, statusOf(other.sessions)?.transport]).toEqual([transport, transport]);
    }
    isMoving = false;
    await calling;
    expect(asked).toEqual(Array.from({ length: calls }, (_, index) => index));
    expect(statusOf(one.sessions)).toMatchObject({ state: 'up', tls: 'plaintext', proxy: null });
    expect(statusOf(one.sessions)?.migrations).toBeGreaterThan(5);
    expect(await deps.meter.text()).toContain('relay_session_up');
    await expect(one.sessions.move('nobody', 'grpc')).rejects.toMatchObject({ code: 'unknown-relay' });
  });

  it('is there again after the relay was restarted', async () => {
    const place = directory();
    const relay = await startRelay(place);
    const one = await startPeer(relay);
    const other = await startPeer(relay, [one.address]);
    await knows(other.network, one.network);
    await relay.server.drain(0);
    await relay.server[Symbol.asyncDispose]();
    await expect.poll(() => one.network.connections(), { timeout: waitMs }).toEqual([]);
    const again = await startRelay(place, relay.port);
    expect(again.peerId).toBe(relay.peerId);
    await knows(other.network, one.network);
    await knows(one.network, other.network);
  });

  it('is closed to agents that its operator did not let in', async () => {
    const relay = await startRelay(directory(), 0, []);
    const one = await startPeer(relay);
    await expect.poll(() => statusOf(one.sessions)?.state, { timeout: waitMs }).toBe('closed');
  });

  it('tells its health and its metrics on the same port', async () => {
    const relay = await startRelay(directory());
    expect(await (await fetch(`${relay.url}/health`)).json()).toMatchObject({ state: 'serving' });
    expect(await (await fetch(`${relay.url}/metrics`)).text()).toContain('relay_');
  });
});
