import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import { createDialer } from './create-dialer.ts';
import { createDialerFetch } from './dialer-fetch.ts';

const deps = { clock: createSystemClock(), logger: silentLogger };
const stack: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of stack.splice(0).reverse()) await end();
});

/** A server that says what it heard, and a proxy before it that counts its tunnels. */
async function startServer(): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === '/silent') return;
    if (request.url === '/none') {
      response.writeHead(304).end();
      return;
    }
    let body = '';
    request.on('data', (bytes: Buffer) => {
      body += bytes.toString();
    });
    request.on('end', () => {
      response.setHeader('x-word', request.headers['x-word'] ?? '');
      response.writeHead(201).end(`${request.method} ${request.url} ${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function fetcher() {
  const made = createDialerFetch(createDialer({ proxy: { kind: 'none' } }, deps));
  stack.push(() => made[Symbol.dispose]());
  return made.fetch;
}

describe('requests through a dialer', () => {
  it('carry method, headers and body, and give status, headers and body back', async () => {
    const url = await startServer();
    const request = new Request(`${url}/a?b=c`, { method: 'POST', body: 'words', headers: { 'x-word': 'one' } });
    const response = await fetcher()(request);
    expect([response.status, response.headers.get('x-word'), await response.text()]).toEqual([
      201,
      'one',
      'POST /a?b=c words',
    ]);
  });

  it('give an answer without a body', async () => {
    const response = await fetcher()(new Request(`${await startServer()}/none`));
    expect([response.status, await response.text()]).toEqual([304, '']);
  });

  it('end when the caller gives up', async () => {
    const giveUp = new AbortController();
    const asked = fetcher()(new Request(`${await startServer()}/silent`, { signal: giveUp.signal }));
    giveUp.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });

  it('say in a sentence that nobody is there', async () => {
    await expect(fetcher()(new Request('http://127.0.0.1:1/'))).rejects.toMatchObject({ code: 'connect-failed' });
  });
});
