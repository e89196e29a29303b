import { describe, expect, it } from 'vitest';
import type { TransportName } from '../carrier.ts';
import { startTestServer, testDependencies, testIdentity } from './client-test-server.ts';
import { connectLink } from './connect-link.ts';

const text = (value: string) => new TextEncoder().encode(value);
const each: readonly TransportName[] = [
  'grpc',
  'websocket',
  'websocket-h2',
  'stream',
  'sse',
  'long-poll',
  'short-poll',
];

describe('connecting a link', () => {
  for (const isTls of [false, true]) {
    for (const transport of each) {
      it(`comes up on ${transport} alone, ${isTls ? 'with TLS' : 'in plaintext'}`, async () => {
        await using server = await startTestServer({ isTls });
        await using link = await connectLink(
          {
            url: server.url,
            server: server.identity.peerId,
            identity: testIdentity(2),
            software: 'test/0',
            transports: [transport],
            proxy: { kind: 'none' },
            ...(server.caPem === null ? {} : { trust: { caPems: [server.caPem] } }),
          },
          testDependencies,
        );
        const stream = await link.open('echo');
        for (let turn = 0; turn < 5; turn += 1) {
          await stream.send(text(`message ${turn}`));
          expect(await stream.receive()).toEqual(text(`message ${turn}`));
        }
        stream.end();
        expect(await stream.receive()).toBeNull();
        expect(link.status).toMatchObject({ state: 'up', transport, isIntercepted: isTls ? false : null });
      });
    }
  }
});
