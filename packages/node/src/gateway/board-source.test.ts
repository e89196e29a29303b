import { type Clock, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBoardHttp, openBoardLog } from '@pulsemesh/board/server';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { createSigner } from '@pulsemesh/crypto';
import type { HttpFetch } from '@pulsemesh/link';
import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boardPageSchema } from '../config/board-page-settings.ts';
import { boardSourceLimits, openBoardSource } from './board-source.ts';
import { createFakeBackend } from './fake-backend.ts';
import { buildHttpApp } from './http-server.ts';
import { LiveStreams } from './live-stream.ts';

const origin = 'board.test/gateway';
const signer = createSigner(new Uint8Array(32).fill(9));
const key = formatVerifierKey(createNoteVerifier(origin, signer.publicKey, 'ed25519'));
const token = 'T'.repeat(43);
const bearer = { authorization: `Bearer ${token}` };
const settings = boardPageSchema.parse({ url: 'https://board.test/board/', key });

/** A gateway before whatever answers for the board; `asked` collects what went there. */
async function gateway(answer: HttpFetch, clock: Clock = new VirtualClock()) {
  const asked: Request[] = [];
  const deps = { clock, logger: silentLogger, meter: silentMeter };
  const fetch: HttpFetch = (request) => {
    asked.push(request);
    return answer(request);
  };
  const board = openBoardSource(settings, { ...deps, fetch });
  const options = { host: '127.0.0.1', port: 0, token, hostNames: [], webDirectory: null, version: '0', board };
  const app = await buildHttpApp(options, createFakeBackend(), deps, new LiveStreams({}, clock));
  const ask = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ url, headers: { ...bearer, ...headers } });
  return { asked, ask, [Symbol.asyncDispose]: () => app.close() };
}

const silence: HttpFetch = async () => new Response('x');

describe('the board behind a gateway', () => {
  it('is read by its paths, with its own ETags, and kept by nobody but whoever asked', async () => {
    await using log = await openBoardLog({ store: createMemoryTables(), signer, origin });
    await log.append(new TextEncoder().encode('a leaf'));
    const http = createBoardHttp({ log, admit: null }, { clock: new VirtualClock() });
    await using before = await gateway((request) => http(request, 'gateway'));
    const checkpoint = await before.ask('/board/checkpoint');
    expect(checkpoint.rawPayload).toEqual(Buffer.from(log.checkpoint.note));
    expect(checkpoint.headers['cache-control']).toBe('private, no-cache');
    const etag = String(checkpoint.headers['etag']);
    expect((await before.ask('/board/checkpoint', { 'if-none-match': etag })).statusCode).toBe(304);
    expect((await before.ask('/board/tile/entries/000.p/1')).headers['cache-control']).toContain('immutable');
    expect((await before.ask('/board/receipt/0')).body).toContain('tlog-proof');
    const nothing = await before.ask('/board/tile/entries/001');
    expect([nothing.statusCode, nothing.json().code]).toEqual([404, 'not-found']);
  });

  it('is told to the page with the keys to believe', async () => {
    await using shown = await gateway(silence);
    expect((await shown.ask('/api/v1/board')).json()).toEqual({
      board: { key, witnesses: [], quorum: 0, authorities: [] },
    });
  });

  it('is asked for nothing but the paths of its read API, in their one spelling', async () => {
    await using shown = await gateway(silence);
    const tries = [
      ...['add', 'pending', 'cosignatures', 'checkpoint/', 'checkpoint?x=1', 'checkpoin%74', 'Checkpoint', ''],
      ...[
        '../add',
        '%2e%2e/add',
        '..%2fadd',
        'tile/../add',
        'tile/entries/..',
        'tile/entries/000.p/256',
        '/checkpoint',
      ],
      ...['tile/entries/0', 'tile/00/000', 'tile/entries/000%00', 'tile%2fentries%2f000', 'receipt/01', 'receipt/-1'],
      ...['receipt/', 'receipt/0/add', '@evil.example/checkpoint', 'https://evil.example/checkpoint', '\\add'],
      ...['//evil.example/checkpoint', `receipt/${'f'.repeat(65)}`, 'checkpoint%0d%0aX-Y:%20z'],
    ];
    for (const path of tries) expect([path, (await shown.ask(`/board/${path}`)).statusCode]).toEqual([path, 404]);
    expect(shown.asked).toEqual([]);
  });

  it('is asked at no other address, whatever a page asks for', async () => {
    await using shown = await gateway(silence);
    await fc.assert(
      fc.asyncProperty(fc.webPath(), async (path) => {
        await shown.ask(`/board${path.startsWith('/') ? path : `/${path}`}`);
        for (const { url, method } of shown.asked) {
          expect(url).toMatch(/^https:\/\/board\.test\/board\/(checkpoint|tile\/|receipt\/)/);
          expect(method).toBe('GET');
        }
      }),
      { numRuns: 40 },
    );
  });

  it('hears nothing of the page that asks: neither its token nor its headers', async () => {
    await using shown = await gateway(silence);
    await shown.ask('/board/checkpoint', { cookie: 'a=b', 'if-none-match': '"known"', 'x-forwarded-for': '10.0.0.1' });
    await shown.ask('/board/checkpoint', { 'if-none-match': 'no etag' });
    expect(shown.asked.map(({ headers }) => [...headers])).toEqual([[['if-none-match', '"known"']], []]);
  });

  it.each([
    ['redirects', async () => Response.redirect('http://127.0.0.1/', 302)],
    ['fails', async () => new Response('secret', { status: 500 })],
    ['answers more than there can be', async () => new Response('x'.repeat(boardSourceLimits.textBytesMax + 1))],
  ] satisfies [string, HttpFetch][])('is away for whoever asks when it %s', async (_what, answer) => {
    await using shown = await gateway(answer);
    const response = await shown.ask('/board/checkpoint');
    expect([response.statusCode, response.json().code]).toEqual([503, 'board-away']);
    expect(response.body).not.toContain('secret');
  });

  it('is away when it takes too long, and so many wait for it and no more', async () => {
    const clock = new VirtualClock();
    const never: HttpFetch = ({ signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    await using shown = await gateway(never, clock);
    const waiting = Array.from({ length: boardSourceLimits.atOnceMax }, () => shown.ask('/board/checkpoint'));
    await expect.poll(() => shown.asked.length).toBe(boardSourceLimits.atOnceMax);
    expect((await shown.ask('/board/checkpoint')).json().code).toBe('board-busy');
    await clock.advance(boardSourceLimits.requestMs);
    for (const answer of await Promise.all(waiting)) expect(answer.json().code).toBe('board-away');
  });
});

it('refuses a policy whose quorum cannot be reached', () => {
  expect(boardPageSchema.safeParse({ url: 'https://board.test', key, quorum: 1 }).success).toBe(false);
});
