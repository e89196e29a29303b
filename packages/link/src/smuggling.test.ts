import { once } from 'node:events';
import { connect } from 'node:tls';
import { createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { testDependencies } from './client/client-test-server.ts';
import { startLinkServer } from './server/index.ts';
import { createTestAuthority } from './testing/boxes/index.ts';
import { haproxyAbsence, startHaproxy } from './testing/boxes/real/index.ts';

const smuggled = 'GET /inner/secret HTTP/1.1\r\nHost: localhost\r\n\r\n';
const chunked = `0\r\n\r\n${smuggled}`;
const post = (fields: string, body: string) => `POST /outer HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n\r\n${body}`;

/** Requests whose length two readers could see differently. */
const ambiguous: readonly (readonly [string, string])[] = [
  ['both a length and chunks', post(`Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked`, chunked)],
  ['chunks and a shorter length', post('Content-Length: 5\r\nTransfer-Encoding: chunked', chunked)],
  ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${smuggled.length}`, smuggled)],
  ['a list of lengths', post(`Content-Length: 0, ${smuggled.length}`, smuggled)],
  ['a signed length', post(`Content-Length: +${smuggled.length}`, smuggled)],
  ['a blank before the colon', post('Content-Length: 0\r\nTransfer-Encoding : chunked', chunked)],
  ['an unknown coding', post(`Content-Length: ${chunked.length}\r\nTransfer-Encoding: xchunked`, chunked)],
  ['two codings', post(`Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity`, chunked)],
  ['a folded coding', post('Content-Length: 5\r\nTransfer-Encoding:\r\n chunked', chunked)],
  ['a coding behind a tab', post('Content-Length: 5\r\nTransfer-Encoding:\tchunked', chunked)],
  ['a chunk size that overflows', post('Transfer-Encoding: chunked', `10000000000000000\r\n${smuggled}`)],
  ['a chunk size with a sign', post('Transfer-Encoding: chunked', `-1\r\n${smuggled}`)],
  [
    'bare line feeds',
    post('Content-Length: 0', '').replace('\r\nContent', '\nTransfer-Encoding: chunked\nContent') + smuggled,
  ],
  ['a line feed in a field', post(`X: a\nContent-Length: ${smuggled.length}`, smuggled)],
];

describe.skipIf(haproxyAbsence() !== null)(`a request behind haproxy ${haproxyAbsence() ?? ''}`, () => {
  it('is given on when it is clear, and so is the next one', async () => {
    // Left open: with a client that is done sending, haproxy at times lets the second request go.
    expect(await pathsServed(post('Content-Length: 3', 'abc'), { staysOpen: true })).toEqual(['/outer', '/outer/last']);
  });

  it.each(ambiguous)('with %s carries no second one in', async (_what, request) => {
    expect(await pathsServed(request)).not.toContain('/inner/secret');
  });
});

/**
 * What the server was asked for when this and an honest request were sent on one connection to haproxy, which closes it after
 * the honest one; with a request that it may wait for more of, the client has to end it.
 */
async function pathsServed(request: string, { staysOpen = false } = {}): Promise<readonly string[]> {
  const authority = createTestAuthority('smuggling');
  const own = authority.issue();
  const paths: string[] = [];
  const note = (asked: Request) => {
    paths.push(new URL(asked.url).pathname);
    return new Response('ok');
  };
  await using server = await startLinkServer(
    {
      host: '127.0.0.1',
      port: 0,
      tls: { cert: own.certificatePem, key: own.keyPem },
      http: { '/inner': note, '/outer': note },
    },
    { ...testDependencies, onCarrier: (carrier) => carrier.close(null) },
  );
  const target = { host: '127.0.0.1', port: server.port };
  const options = { target, serverCa: authority.certificatePem, isHttp2: false };
  await using box = await startHaproxy(options, { clock: createSystemClock({ unref: true }) });
  const socket = connect({
    host: box.host,
    port: box.port,
    ca: box.authority?.certificatePem ?? '',
    servername: 'localhost',
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  socket.write(`${request}GET /outer/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  if (!staysOpen) socket.end();
  socket.resume();
  await once(socket, 'close');
  return paths;
}
