import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { Carrier } from '../carrier.ts';
import { issueTlsMaterial, startEcho, startTestServer, testAuthority } from './harness.ts';
import type { TlsMaterial } from './index.ts';
import { TlsMaterialError } from './index.ts';

const ca = testAuthority.certificatePem;

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function protocolOf(port: number, options: ConnectionOptions): Promise<string> {
  const socket = await handshake(port, options);
  const text = `${socket.getProtocol()} ${socket.getCipher().name} ${socket.alpnProtocol}`;
  socket.destroy();
  return text;
}

/** A WebSocket that has echoed once. */
async function openEcho(port: number, options: object = {}): Promise<WebSocket> {
  const socket = new WebSocket(`wss://localhost:${port}/link/v1/websocket`, 'pulsemesh.link.v1', { ca, ...options });
  await once(socket, 'open');
  await echo(socket, 'first');
  return socket;
}

async function echo(socket: WebSocket, text: string): Promise<void> {
  socket.send(Buffer.from(text));
  const [data] = await once(socket, 'message');
  expect(String(data)).toBe(text);
}

describe('TLS of the link server', () => {
  it('speaks 1.3, and 1.2 only with authenticated encryption and ephemeral keys', async () => {
    await using server = await startTestServer({ tls: issueTlsMaterial() });
    const { port } = server;
    expect(await protocolOf(port, { ALPNProtocols: ['h2', 'http/1.1'] })).toBe('TLSv1.3 TLS_AES_256_GCM_SHA384 h2');
    const tls12 = { maxVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] } as const;
    expect(await protocolOf(port, tls12)).toBe('TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 http/1.1');
    expect(await protocolOf(port, {})).toMatch(/ false$/);
    for (const ciphers of ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'AES128-GCM-SHA256', 'AES256-SHA']) {
      const cbc = { ...tls12, ciphers: `${ciphers}:@SECLEVEL=0` };
      await expect(protocolOf(port, cbc), ciphers).rejects.toThrow();
    }
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(protocolOf(port, old)).rejects.toThrow();
    await expect(protocolOf(port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow();
  });

  it('refuses 1.2 where the operator says so', async () => {
    await using server = await startTestServer({ tls: issueTlsMaterial(), tlsMin: 'TLSv1.3' });
    await expect(protocolOf(server.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
    expect(await protocolOf(server.port, {})).toContain('TLSv1.3');
  });

  it('shows in the facts of a carrier what it came by', async () => {
    const carriers: Carrier[] = [];
    const onCarrier = (carrier: Carrier) => {
      carriers.push(carrier);
      startEcho(carrier);
    };
    await using server = await startTestServer({ tls: issueTlsMaterial() }, { onCarrier });
    (await openEcho(server.port)).terminate();
    (await openEcho(server.port, { maxVersion: 'TLSv1.2' })).terminate();
    const certificateSha256 = Buffer.from(server.certificateSha256() ?? []).toString('hex');
    const common = { http: 'http/1.1', certificateSha256, remoteAddress: '127.0.0.1' };
    expect(carriers.map((carrier) => carrier.connection)).toEqual([
      { tls: 'TLSv1.3', ...common },
      { tls: 'TLSv1.2', ...common },
    ]);
  });

  it('refuses a certificate and key that do not belong together', async () => {
    const tls = { cert: issueTlsMaterial().cert, key: issueTlsMaterial().key };
    await expect(startTestServer({ tls })).rejects.toThrow(TlsMaterialError);
  });

  it('renews its certificate under load without losing a connection or a message', async () => {
    let material: TlsMaterial = issueTlsMaterial();
    await using server = await startTestServer({ tls: () => material });
    const kept = await openEcho(server.port);
    const shown = async () => {
      const socket = await handshake(server.port, {});
      const fingerprint = socket.getPeerX509Certificate()?.fingerprint256;
      socket.destroy();
      return fingerprint?.replaceAll(':', '').toLowerCase();
    };
    const before = await shown();
    expect(server.renewCertificate()).toBe(false);
    for (let round = 0; round < 5; round += 1) {
      material = issueTlsMaterial();
      const underWay = Promise.all([openEcho(server.port), openEcho(server.port), echo(kept, `round ${round}`)]);
      expect(server.renewCertificate()).toBe(true);
      const [one, other] = await underWay;
      await Promise.all([echo(one, 'a'), echo(other, 'b'), echo(kept, 'c')]);
      one.terminate();
      other.terminate();
      expect(await shown()).toBe(Buffer.from(server.certificateSha256() ?? []).toString('hex'));
    }
    expect(await shown()).not.toBe(before);
    material = { cert: material.cert, key: 'not a key' };
    expect(server.renewCertificate()).toBe(false);
    await echo(await openEcho(server.port), 'still the one before');
    kept.terminate();
  });
});
