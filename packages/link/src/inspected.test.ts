import { Buffer } from 'node:buffer';
import { createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { TransportName } from './carrier.ts';
import { startTestServer, testDependencies, testIdentity } from './client/client-test-server.ts';
import { connectLink } from './client/connect-link.ts';
import { startBox } from './testing/boxes/index.ts';

const transports: TransportName[] = ['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll'];
const markers = Array.from({ length: 64 }, (_, index) => `marker-${index}-of-a-patient`);

/** What an inspecting box with our trust sees inside TLS while markers go both ways. */
async function inspect(transport: TransportName) {
  await using server = await startTestServer({ isTls: true });
  const ca = server.caPem ?? '';
  const seen: Uint8Array[] = [];
  await using box = await startBox(
    {
      rules: { http: { isHttp2: true } },
      target: { host: '127.0.0.1', port: server.port, tls: { ca } },
      tap: (bytes) => void seen.push(bytes),
    },
    { clock: createSystemClock({ unref: true }) },
  );
  await using link = await connectLink(
    {
      url: `https://localhost:${box.port}`,
      proxy: { kind: 'none' },
      trust: { caPems: [box.authority?.certificatePem ?? ''], isExclusive: true },
      identity: testIdentity(2),
      server: server.identity.peerId,
      software: 'inspected',
      transports: [transport],
    },
    testDependencies,
  );
  const stream = await link.open('echo');
  const echoed: string[] = [];
  for (const marker of markers) {
    await stream.send(Buffer.from(marker));
    echoed.push(Buffer.from((await stream.receive()) ?? []).toString());
  }
  stream.end();
  return { echoed, isIntercepted: link.status.isIntercepted, seen: Buffer.concat(seen) };
}

describe('a box that opens TLS', () => {
  it.each(transports)('sees no content over %s, and is seen itself', async (transport) => {
    const { echoed, isIntercepted, seen } = await inspect(transport);
    expect(echoed).toEqual(markers);
    expect(isIntercepted).toBe(true);
    // Each marker went through twice, so there was something to see.
    expect(seen.length).toBeGreaterThan(2 * markers.join('').length);
    const texts = [seen.toString('latin1'), Buffer.from(seen.toString('latin1'), 'base64').toString('latin1')];
    const lines = seen.toString('latin1').match(/^data:.*$/gm) ?? [];
    texts.push(...lines.map((line) => Buffer.from(line.slice(5), 'base64').toString('latin1')));
    expect(texts.filter((text) => text.includes('of-a-patient'))).toEqual([]);
  });
});
