import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { createSeededRandom, createSystemClock, type Meter } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createHostCertificate } from './host-certificate.ts';
import { tlsLimits } from './limits.ts';
import { createQuietLogger } from './quiet-logger.ts';
import { TcpConnection } from './tcp-connection.ts';
import { echoOnce, type HostKind, loneNativeTls, meet, newIdentity, startEchoHost } from './test-hosts.ts';

const dayMs = 86_400_000;
const system = createSystemClock();
const clockAhead = (ms: number) => ({ ...system, now: () => system.now() + ms });

/** Counts what the encrypters of a test count, as `name{label,label}`. */
function createCounts(): { meter: Meter; of: (text: string) => number } {
  const counts = new Map<string, number>();
  const meter: Meter = {
    counter: (name) => ({
      add: (amount = 1, labels = {}) => {
        const key = `${name}{${Object.values(labels).join()}}`;
        counts.set(key, (counts.get(key) ?? 0) + amount);
      },
    }),
    gauge: () => ({ set: () => {} }),
    histogram: () => ({ observe: () => {} }),
  };
  return { meter, of: (text) => counts.get(text) ?? 0 };
}

const refusal = (outcome: PromiseSettledResult<unknown>) =>
  outcome.status === 'rejected' ? (outcome.reason as { code?: string }).code : 'accepted';

describe('native TLS between hosts', () => {
  it.each<[HostKind, HostKind]>([
    ['ours', 'ours'],
    ['ours', 'stock'],
    ['stock', 'ours'],
    ['ours', 'ours over other connections'],
    ['ours over other connections', 'ours'],
    ['stock', 'ours over other connections'],
  ])('%s dials %s, three times, and 300 kB come back', async (dialler, listener) => {
    await using one = await startEchoHost(dialler);
    await using other = await startEchoHost(listener);
    for (let round = 0; round < 3; round += 1) {
      expect(await echoOnce(one.libp2p, other.libp2p, 300_000)).toBe(300_000);
      const [connection] = one.libp2p.getConnections(other.libp2p.peerId);
      expect(connection).toMatchObject({ encryption: '/tls/1.0.0', multiplexer: '/yamux/1.0.0', status: 'open' });
      await connection?.close();
    }
  });

  it('resumes the session of the connection before, and is known to be the same peer at both ends', async () => {
    const counts = createCounts();
    await using one = await startEchoHost('ours', { dependencies: counts });
    await using other = await startEchoHost('ours', { dependencies: counts });
    for (let round = 0; round < 3; round += 1) {
      await echoOnce(one.libp2p, other.libp2p);
      expect(other.libp2p.getPeers()).toEqual([one.libp2p.peerId]);
      await one.libp2p.hangUp(other.libp2p.peerId);
      await expect.poll(() => other.libp2p.getConnections().length).toBe(0);
    }
    for (const side of ['client', 'server']) {
      expect(counts.of(`tls_handshakes_total{${side},full}`)).toBe(1);
      expect(counts.of(`tls_handshakes_total{${side},resumed}`)).toBe(2);
    }
  });

  it('resumes with none of the sessions of a host that started again, and connects all the same', async () => {
    const counts = createCounts();
    await using one = await startEchoHost('ours', { dependencies: counts });
    const privateKey = await newIdentity();
    let port = 0;
    for (let life = 0; life < 2; life += 1) {
      await using other = await startEchoHost('ours', { privateKey, port });
      port = Number(other.libp2p.getMultiaddrs()[0]?.getComponents()[1]?.value);
      expect(await echoOnce(one.libp2p, other.libp2p)).toBe(3);
      await one.libp2p.hangUp(other.libp2p.peerId);
    }
    expect(counts.of('tls_handshakes_total{client,full}')).toBe(2);
  });

  it('does not resume where it is told not to', async () => {
    const counts = createCounts();
    await using one = await startEchoHost('ours', { dependencies: counts, init: { isResuming: false } });
    await using other = await startEchoHost('ours');
    await echoOnce(one.libp2p, other.libp2p);
    await one.libp2p.hangUp(other.libp2p.peerId);
    await echoOnce(one.libp2p, other.libp2p);
    expect(counts.of('tls_handshakes_total{client,full}')).toBe(2);
  });

  it('does not give out sessions, nor take them up, where a server is told not to', async () => {
    const counts = createCounts();
    await using server = await startEchoHost('ours', { dependencies: counts, init: { isResuming: false } });
    await using client = await startEchoHost('ours');
    for (let dial = 0; dial < 3; dial += 1) {
      await echoOnce(client.libp2p, server.libp2p);
      await client.libp2p.hangUp(server.libp2p.peerId);
    }
    expect(counts.of('tls_handshakes_total{server,full}')).toBe(3);
  });
});

describe('a native TLS handshake', () => {
  it('agrees on a multiplexer by the way, or on libp2p alone', async () => {
    const [client, server] = [await loneNativeTls({ muxers: ['/a', '/b'] }), await loneNativeTls({ muxers: ['/b'] })];
    const { near, far } = await meet(client, server);
    expect(near).toMatchObject({ value: { streamMuxer: { protocol: '/b' } } });
    expect(far).toMatchObject({ value: { streamMuxer: { protocol: '/b' } } });
    const plain = await meet(client, await loneNativeTls({ muxers: ['/c'] }));
    expect(plain.near).toMatchObject({ status: 'fulfilled' });
    expect(Object.keys(plain.near.status === 'fulfilled' ? plain.near.value : {})).not.toContain('streamMuxer');
  });

  it('says who is there when nobody was expected', async () => {
    const [client, server] = [await loneNativeTls(), await loneNativeTls()];
    const { near, far } = await meetNobodyExpected(client, server);
    expect((near as PromiseFulfilledResult<{ remotePeer: PeerId }>).value.remotePeer.equals(server.peer)).toBe(true);
    expect((far as PromiseFulfilledResult<{ remotePeer: PeerId }>).value.remotePeer.equals(client.peer)).toBe(true);
  });

  it('refuses another peer than the one expected', async () => {
    const counts = createCounts();
    const [client, server, other] = [await loneNativeTls(counts), await loneNativeTls(), await loneNativeTls()];
    expect(refusal((await meet(client, server, other.peer)).near)).toBe('tls-wrong-peer');
    expect(counts.of('tls_refusals_total{client,wrong-peer}')).toBe(1);
  });

  it('is not taken for another peer by a session: who answers must have the other half of it', async () => {
    const counts = createCounts();
    const client = await loneNativeTls(counts);
    const [server, impostor] = [await loneNativeTls(), await loneNativeTls()];
    const ours = await holdOpen(client, server);
    expect(refusal((await meet(client, impostor, server.peer)).near)).toBe('tls-wrong-peer');
    // The attempt costs the session: the next handshake with the true peer is a full one.
    await meet(client, server);
    expect(counts.of('tls_handshakes_total{client,full}')).toBe(2);
    expect(counts.of('tls_handshakes_total{client,resumed}')).toBe(0);
    ours();
  });

  it('refuses certificates of years to come and of years past', async () => {
    const [client, server] = [
      await loneNativeTls(),
      await loneNativeTls({ clock: clockAhead(tlsLimits.certificateBeforeMs + dayMs) }),
    ];
    expect(refusal((await meet(client, server)).near)).toBe('tls-not-yet-valid');
    const behind = await loneNativeTls({ clock: clockAhead(-tlsLimits.certificateMs - dayMs) });
    expect(refusal((await meet(client, behind)).near)).toBe('tls-expired');
    expect(refusal((await meet(behind, client)).near)).toBe('tls-not-yet-valid');
  });

  it('lives with clocks that are most of a year apart', async () => {
    const client = await loneNativeTls();
    for (const days of [-300, 300]) {
      const { near, far } = await meet(client, await loneNativeTls({ clock: clockAhead(days * dayMs) }));
      expect([near.status, far.status]).toEqual(['fulfilled', 'fulfilled']);
    }
  });

  it('looks at the first certificate of a chain alone', async () => {
    const client = await loneNativeTls();
    const [identity, stranger] = [await newIdentity(), await newIdentity()];
    const validity = { notBeforeMs: Date.UTC(2020, 0), notAfterMs: Date.UTC(2049, 0) };
    const random = createSeededRandom(1);
    const first = await createHostCertificate(identity, validity, { random });
    const second = await createHostCertificate(stranger, validity, { random });
    const server = createServer({ cert: first.cert + second.cert, key: first.key, ALPNProtocols: ['libp2p'] });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const connection = new TcpConnection({
      socket,
      remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
      direction: 'outbound',
      log: createQuietLogger().forComponent(''),
      idleMs: 60_000,
    });
    const { remotePeer } = await client.encrypter.secureOutbound(connection);
    expect(remotePeer.equals(peerIdFromPrivateKey(identity))).toBe(true);
    connection.abort(new Error('over'));
    server.close();
  });

  it('refuses what is no TLS, and a connection that breaks in the middle', async () => {
    const server = await loneNativeTls();
    const { multiaddrConnectionPair } = await import('@libp2p/utils');
    const [outbound, inbound] = multiaddrConnectionPair();
    const refused = server.encrypter.secureInbound(inbound);
    outbound.send(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'));
    await expect(refused).rejects.toMatchObject({ code: 'tls-handshake-failed', retryable: true });
    const [silent, waiting] = multiaddrConnectionPair();
    const broken = server.encrypter.secureInbound(waiting);
    silent.abort(new Error('broken'));
    await expect(broken).rejects.toMatchObject({ name: 'TlsRefusedError' });
  });

  it('ends with its signal', async () => {
    const server = await loneNativeTls();
    const { multiaddrConnectionPair } = await import('@libp2p/utils');
    const [, inbound] = multiaddrConnectionPair();
    const controller = new AbortController();
    const waiting = server.encrypter.secureInbound(inbound, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'tls-timed-out' });
    expect(inbound.status).toBe('aborted');
  });
});

async function meetNobodyExpected(client: Parameters<typeof meet>[0], server: Parameters<typeof meet>[1]) {
  const { multiaddrConnectionPair } = await import('@libp2p/utils');
  const [outbound, inbound] = multiaddrConnectionPair();
  const [near, far] = await Promise.allSettled([
    client.encrypter.secureOutbound(outbound),
    server.encrypter.secureInbound(inbound),
  ]);
  return { near, far };
}

/** Lets the two meet, and the client read until it has its session. */
async function holdOpen(client: Parameters<typeof meet>[0], server: Parameters<typeof meet>[1]): Promise<() => void> {
  const { near, far } = await meet(client, server);
  if (near.status !== 'fulfilled' || far.status !== 'fulfilled') throw new Error('the two did not meet');
  const heard = Promise.withResolvers<void>();
  near.value.connection.addEventListener('message', () => heard.resolve());
  far.value.connection.send(Uint8Array.of(1)); // after the tickets
  await heard.promise;
  return () => near.value.connection.abort(new Error('over'));
}
