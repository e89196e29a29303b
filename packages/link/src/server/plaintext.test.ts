import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { FrameReader, framePackets } from '../framing.ts';
import { exchangeRaw, readToEnd, startTestServer } from './harness.ts';

/** One echo over gRPC framing with Node's own HTTP/2, no negotiation. */
function echoOverH2(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/pulsemesh.link.v1.Link/Session',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = new FrameReader();
    stream.on('data', (piece: Buffer) =>
      reader.push(piece, (packet) => {
        session.destroy();
        resolve(Buffer.from(packet).toString());
      }),
    );
    stream.write(framePackets([Buffer.from('hello')]));
  });
}

describe('a plaintext port', () => {
  it('serves HTTP/1.1 and HTTP/2 with prior knowledge side by side', async () => {
    await using server = await startTestServer();
    const one = await fetch(`${server.url}/link/v1/probe`);
    expect(await one.json()).toMatchObject({ http: 'http/1.1', tls: 'plaintext' });
    expect(await echoOverH2(server.port)).toBe('hello');
  });

  it('tells them apart however the first bytes are cut', async () => {
    await using server = await startTestServer();
    for (const first of ['P', 'PO', 'PRI', 'PUT /']) {
      const socket = connect({ host: '127.0.0.1', port: server.port, noDelay: true });
      const answer = readToEnd(socket);
      socket.write(first);
      // The rest goes only once the server has read the first piece, or at least had every occasion to.
      await fetch(`${server.url}/link/v1/probe`);
      socket.write(first === 'PUT /' ? ' HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' : 'X\r\n\r\n');
      expect(await answer, first).toMatch(first === 'PUT /' ? /^HTTP\/1.1 404 / : /^HTTP\/1.1 400 /);
    }
  });

  it('answers what is no HTTP at all with a sentence, and closes', async () => {
    await using server = await startTestServer();
    const answer = await exchangeRaw(server.port, Buffer.from('16030100050100000100', 'hex'));
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(answer).toContain('"code":"bad-request"');
  });

  it('closes a connection that says nothing, or stops in the middle of the preface', async () => {
    await using server = await startTestServer({ limits: { headersMs: 50 } });
    expect(await exchangeRaw(server.port, '')).toBe('');
    expect(await exchangeRaw(server.port, 'PRI * HTTP/2.0\r\n')).toBe('');
    expect(server.stats.refusedConnectionsTotal).toBe(2);
  });

  it('closes an HTTP/2 connection without settings', async () => {
    await using server = await startTestServer({ limits: { headersMs: 50 } });
    await exchangeRaw(server.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect(server.stats.refusedConnectionsTotal).toBe(1);
  });
});
