import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { startLink } from '@pulsemesh/link';
import { createTestLinkIdentity } from '@pulsemesh/link/testing';
import { describe, expect, it } from 'vitest';
import { connectRelay, createMemoryInboxState } from '../client/index.ts';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { startRelayServer } from './relay-server.ts';

const meter = createPrometheusMeter();
const dependencies = {
  clock: createSystemClock({ unref: true }),
  random: createSystemRandom(),
  logger: silentLogger,
  meter,
};
const identity = () => createTestLinkIdentity(dependencies.random);
const listen = { host: '127.0.0.1', port: 0, tls: null } as const;

describe('a relay on a port', () => {
  it('carries messages over real sockets, tells its health and metrics, and drains', async () => {
    const engine = createMemoryEngine({}, dependencies);
    await using server = await startRelayServer(
      { identity: identity(), engine, listen },
      { ...dependencies, metricsText: () => meter.text() },
    );
    const own = identity();
    await using link = startLink({ url: server.url, identity: own, software: 'test' }, dependencies);
    await using client = await connectRelay(
      { relays: [{ name: 'one', link }], identity: own, sealer: null, inboxState: createMemoryInboxState() },
      dependencies,
    );
    const arrived = Promise.withResolvers<Uint8Array>();
    client.raw.receive(async ({ envelope }) => arrived.resolve(envelope));
    await link.waitForSession();
    const big = new Uint8Array(900_000).fill(5);
    const { stored } = await client.raw.send([client.address], big);
    await stored;
    expect((await arrived.promise).length).toBe(big.length);
    expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ state: 'serving', engine: 'memory' });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('pulsemesh_relay_messages_stored_total');
    expect(metrics).not.toContain(client.address);
    const forwarded = await fetch(`${server.url}/metrics`, { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(forwarded.status).toBe(404);
    const session = link.session;
    await server.drain(0);
    expect(await session?.closed).toMatchObject({ code: 'draining', retryable: true });
  });

  it('admits whom it is told to admit', async () => {
    const engine = createMemoryEngine({}, dependencies);
    const admit = () => ({ kind: 'refused', code: 'not-admitted', text: 'no invitation' }) as const;
    await using server = await startRelayServer({ identity: identity(), engine, listen, admit }, dependencies);
    await using link = startLink({ url: server.url, identity: identity(), software: 'test' }, dependencies);
    await expect(link.waitForSession()).rejects.toMatchObject({ refusal: 'not-admitted' });
  });
});
