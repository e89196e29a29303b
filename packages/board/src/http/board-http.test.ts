import { VirtualClock } from '@pulsemesh/base/testing';
import { createSigner } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { entryBytesMax } from '../entry.ts';
import type { AppendedLeaf, BoardLog } from '../log/board-log.ts';
import { LogBusyError, LogFullError } from '../log/errors.ts';
import { openBoardLog } from '../log/stored-log.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { cosignText, createNoteVerifier } from '../notes/keys.ts';
import { formatNote, parseNote } from '../notes/note.ts';
import { verifyReceipt } from '../receipt/receipt.ts';
import { decodeBundle } from '../tiles/bundle.ts';
import { type BoardHttpOptions, boardHttpLimits, boardHttpPrefix, createBoardHttp } from './board-http.ts';

const origin = 'board.example/1';
const signer = createSigner(new Uint8Array(32).fill(5).with(0, 1));
const witness = createSigner(new Uint8Array(32).fill(6).with(0, 1));
const board = createNoteVerifier(origin, signer.publicKey, 'ed25519');
const leafOf = (number: number) => new TextEncoder().encode(`leaf ${number}`);
const base = `http://board.test${boardHttpPrefix}`;

/** A board of `size` leaves and its HTTP. */
async function start(size: number, more: Partial<BoardHttpOptions> = {}) {
  const log = await openBoardLog({ store: createMemoryTables(), signer, origin });
  await Promise.all(Array.from({ length: size }, (_, number) => log.append(leafOf(number))));
  const clock = new VirtualClock();
  const http = createBoardHttp({ log, admit: (leaf) => log.append(leaf), ...more }, { clock });
  const get = (path: string, init: RequestInit = {}) => http(new Request(`${base}/${path}`, init), 'a client');
  const add = (body: Uint8Array | ReadableStream, source = 'a client') =>
    http(new Request(`${base}/add`, { method: 'POST', body, duplex: 'half' } as RequestInit), source);
  return { log, clock, get, add, http, [Symbol.asyncDispose]: () => log[Symbol.asyncDispose]() };
}
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

describe('reading a board', () => {
  it('gives the checkpoint as text that is asked for anew each time', async () => {
    await using at = await start(3);
    const answer = await at.get('checkpoint');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    const etag = answer.headers.get('etag') ?? '';
    expect(await bytesOf(answer)).toEqual(at.log.checkpoint.note);
    expect((await at.get('checkpoint', { headers: { 'if-none-match': `"x", W/${etag}` } })).status).toBe(304);
    await at.log.append(leafOf(3));
    expect((await at.get('checkpoint', { headers: { 'if-none-match': etag } })).status).toBe(200);
  });

  it('gives tiles and bundles, full and partial, that may be kept for ever', async () => {
    await using at = await start(300);
    const full = await at.get('tile/0/000');
    expect(full.headers.get('cache-control')).toContain('immutable');
    expect(full.headers.get('content-type')).toBe('application/octet-stream');
    expect(await bytesOf(full)).toHaveLength(8192);
    expect(await bytesOf(await at.get('tile/1/000.p/1'))).toHaveLength(32);
    const bundle = await at.get('tile/entries/001.p/44');
    expect(decodeBundle(await bytesOf(bundle), 44)[43]).toEqual(leafOf(299));
    const head = await at.get('tile/entries/001.p/44', { method: 'HEAD' });
    expect([head.status, (await bytesOf(head)).length]).toEqual([200, 0]);
    expect(head.headers.get('etag')).toBe(bundle.headers.get('etag'));
    expect((await at.get('tile/0/000', { method: 'OPTIONS' })).headers.get('access-control-allow-methods')).toBe(
      'GET, HEAD',
    );
  });

  it('gives receipts by index and by entry id, under the checkpoint that is shown', async () => {
    const shown: { note: Uint8Array } = { note: new Uint8Array(0) };
    await using at = await start(5, { shown: () => shown.note });
    const { text, note } = at.log.checkpoint;
    const cosignature = cosignText(text, 'witness.example', witness, 1_700_000_000);
    shown.note = formatNote({ text, signatures: [...parseNote(note).signatures, cosignature] });
    await at.log.append(leafOf(5));
    const policy = {
      board,
      witnesses: [createNoteVerifier('witness.example', witness.publicKey, 'cosignature/v1')],
      quorum: 1,
    };
    const id = toHex(hashLeaf(leafOf(3)));
    for (const path of ['receipt/3', `receipt/${id}`]) {
      const receipt = await bytesOf(await at.get(path));
      expect(verifyReceipt(receipt, leafOf(3), policy)).toMatchObject({ index: 3, checkpoint: { size: 5 } });
    }
    // In the log, and not yet under the checkpoint that witnesses signed.
    expect((await at.get('receipt/5')).status).toBe(404);
  });

  it.each([
    '',
    'checkpoint/x',
    'tile',
    'tile/0',
    'tile/0/001',
    'tile/0/000.p/9',
    'tile/0/0',
    'tile/64/000',
    'tile/entries/x001/000',
    'tile/0/%30%30%30',
    'receipt',
    'receipt/8',
    'receipt/-1',
    'receipt/08',
    'receipt/1e3',
    `receipt/${'0'.repeat(64)}`,
    `receipt/${'A'.repeat(64)}`,
    'add',
    'constructor',
    `tile/0/${'x001/'.repeat(200)}000`,
  ])('has nothing, or nothing that reads, at %j', async (path) => {
    await using at = await start(8);
    const answer = await at.get(path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('answers further routes that it is given, with their bodies bounded', async () => {
    const routes: BoardHttpOptions['routes'] = {
      'POST add-checkpoint': async ({ body, rest }) => new Response(`${rest}:${(await body(4)).length}`),
      'GET checkpoint/pending': () => new Response('waiting'),
    };
    await using at = await start(0, { routes });
    const post = (body: string) => at.get('add-checkpoint/a/b', { method: 'POST', body });
    expect(await (await post('1234')).text()).toBe('a/b:4');
    expect((await post('12345')).status).toBe(413);
    expect(await (await at.get('checkpoint/pending')).text()).toBe('waiting');
    expect((await at.get('checkpoint/other')).status).toBe(404);
    expect((await at.http(new Request('http://board.test/other'), 'a client')).status).toBe(404);
  });
});

describe('adding to a board', () => {
  it('answers with place and id once it is there, and the same for the same again', async () => {
    await using at = await start(2);
    const answer = await at.add(leafOf(2));
    const id = toHex(hashLeaf(leafOf(2)));
    expect(await answer.json()).toEqual({ index: 2, id, isNew: true });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await (await at.add(leafOf(2))).json()).toEqual({ index: 2, id, isNew: false });
  });

  it('refuses a body that is empty, too long as announced, or too long as it comes', async () => {
    await using at = await start(0);
    expect((await at.add(new Uint8Array(0))).status).toBe(413);
    expect((await at.add(new Uint8Array(entryBytesMax + 1))).status).toBe(413);
    const chunks = {
      pull: (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(20_000)),
    };
    expect((await at.add(new ReadableStream(chunks))).status).toBe(413);
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('the line broke')) });
    expect((await at.add(broken)).status).toBe(400);
    expect(at.log.checkpoint.size).toBe(0);
  });

  it('gives up on a body that does not end', async () => {
    await using at = await start(0);
    let isCancelled = false;
    const slow = new ReadableStream({
      start: (controller) => controller.enqueue(Uint8Array.of(1)),
      cancel: () => {
        isCancelled = true;
      },
    });
    const answer = at.add(slow);
    await at.clock.advance(boardHttpLimits.bodyMs);
    expect((await answer).status).toBe(408);
    expect(isCancelled).toBe(true);
  });

  it('takes so many at a time from one source, and from all', async () => {
    const gate = Promise.withResolvers<AppendedLeaf>();
    await using at = await start(0, { admit: () => gate.promise });
    const { addingMax, addingBySourceMax } = boardHttpLimits;
    const waiting = Array.from({ length: addingMax }, (_, number) =>
      at.add(leafOf(number), `source ${Math.floor(number / addingBySourceMax)}`),
    );
    expect((await at.add(leafOf(0), 'source 0')).status).toBe(429);
    expect((await at.add(leafOf(0), 'another')).status).toBe(503);
    gate.resolve({ index: 0, leafHash: hashLeaf(leafOf(0)), isNew: true });
    expect((await Promise.all(waiting)).every(({ status }) => status === 200)).toBe(true);
    expect((await at.add(leafOf(0), 'source 0')).status).toBe(200);
  });

  it.each([
    [new LogBusyError('x'), 503, 'board-busy'],
    [new LogFullError(1), 507, 'board-full'],
    [new StoreFullError('x'), 503, 'store-full'],
    [new Error('a secret'), 503, 'unknown'],
  ])('says what stands in the way: %s', async (error, status, code) => {
    await using at = await start(0, { admit: () => Promise.reject(error) });
    const answer = await at.add(leafOf(0));
    const body = await answer.text();
    expect([answer.status, JSON.parse(body).error]).toEqual([status, code]);
    expect(body).not.toContain('secret');
  });

  it('is not to be had where the board takes no entries over HTTP', async () => {
    await using at = await start(0, { admit: null });
    expect((await at.add(leafOf(0))).status).toBe(404);
    const log: BoardLog = at.log;
    expect(log.checkpoint.size).toBe(0);
  });
});
