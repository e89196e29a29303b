import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from '@pulsemesh/node';
import type { PeerView, RelaySessionView } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { DemoProcess, eventually, readReport, temporaryDirectory } from './demo-process.ts';
import { tcpSocketsOf } from './process-sockets.ts';

/** The hospital behind the firewall, once its session with the relay is up. */
function firewalledPeer(client: ApiClient): Promise<PeerView & { readonly session: RelaySessionView }> {
  return eventually('a firewalled peer whose relay session is up', async () => {
    const { peers } = await client.network();
    const peer = peers.find((one) => one.isAlive && one.isFirewalled);
    const session = peer?.relays.find(({ state }) => state === 'up');
    return peer === undefined || session === undefined ? null : { ...peer, session };
  });
}

describe('the demo’s hospital behind a firewall', () => {
  it('has its part in the work, by the relay alone, while sessions move and the relay is killed, and nothing is lost', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'report.json');
    const args = ['--for', '40', '--speed', '20', '--report', file];
    await using demo = new DemoProcess(join(directory.path, 'data'), args);
    const client = await demo.client();
    await demo.seen(/first heartbeat/);
    const peer = await firewalledPeer(client);
    // What the proxy lets through is neither HTTP/2 nor WebSocket, and it opens TLS.
    expect(['stream', 'sse', 'long-poll', 'short-poll']).toContain(peer.session.transport);
    expect(peer.session.isIntercepted).toBe(true);
    const { ports } = JSON.parse(readFileSync(join(demo.data, 'demo.json'), 'utf8'));
    const proxyPort: number = ports['hospital-proxy/http'];
    expect(peer.session.proxy).toBe(`127.0.0.1:${proxyPort}`);
    expect(peer.addresses).toEqual([`/p2p/${peer.session.relay}/p2p-circuit`]);
    if (process.platform === 'linux') {
      expect(tcpSocketsOf(peer.pid)).toEqual({ listening: [], connectedTo: [proxyPort] });
    }
    await eventually('patients of the hospital', async () => {
      const { peers } = await client.network();
      return peers.some((one) => one.isFirewalled && (one.patientCount ?? 0) > 0) || null;
    });

    for (const transport of ['long-poll', 'sse', 'short-poll', 'stream'] as const) {
      const moved = await client.moveRelay(peer.peerId, peer.session.relay, transport);
      expect(moved.transport).toBe(transport);
    }
    await expect(client.moveRelay(peer.peerId, peer.session.relay, 'websocket')).rejects.toThrow();

    const relay = (await client.network()).peers.find((one) => one.roles.includes('relay'));
    process.kill(relay?.pid ?? 0, 'SIGKILL');
    await demo.seen(/relay is back/);
    const again = await firewalledPeer(client);
    expect(again.pid).toBe(peer.pid);

    expect(await demo.exited, demo.text).toBe(0);
    const report = readReport(file);
    expect(report).toMatchObject({ readingsLost: 0, readingsDuplicated: 0, windowsExactlyOnce: true, isSound: true });
    expect(report.readingsSent).toBeGreaterThan(1_000);
    expect(report.restarts).toBe(1);
  });
});
