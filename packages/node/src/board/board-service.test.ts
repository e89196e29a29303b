import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { parseVerifierKey, verifyReceipt } from '@pulsemesh/board/verify';
import { createCard, type Identity, identityOfSeed } from '@pulsemesh/identity';
import { describe, expect, it } from 'vitest';
import { boardServiceSchema, witnessSchema } from '../config/board-settings.ts';
import { type BoardService, startBoardService } from './board-service.ts';
import { openBoard } from './open-board.ts';
import { startWitnessService } from './witness-service.ts';

const silent = { add: () => {}, set: () => {}, observe: () => {} };
const meter = { counter: () => silent, gauge: () => silent, histogram: () => silent, text: async () => '' };
const deps = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter };

function anIdentity(number: number): Identity {
  return identityOfSeed(new Uint8Array(32).map((_, index) => index + number));
}

const boardIdentity = anIdentity(1);
const clinic = anIdentity(2);
const witnesses = [anIdentity(3), anIdentity(4)] as const;

function aDirectory(stack: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-board-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function aBoard(dataDirectory: string, settings: object = {}): Promise<BoardService> {
  const options = { ...boardServiceSchema.parse({ port: 0, open: true, ...settings }), dataDirectory };
  return startBoardService(options, boardIdentity, deps);
}

const placeOf = ({ url, key }: BoardService) => ({
  url,
  policy: { board: parseVerifierKey(key), witnesses: [], quorum: 0 },
  authorities: [],
});

describe('a board as a service', () => {
  it('takes entries, shows them verified, gives receipts, and goes on after a restart', async () => {
    await using stack = new AsyncDisposableStack();
    const directory = aDirectory(stack);
    const service = await aBoard(directory);
    const place = placeOf(service);
    await using client = await openBoard({ ...place, dataDirectory: aDirectory(stack), followMs: 0 }, deps);
    const card = createCard(clinic, { name: 'Clinic' }, deps);
    const body = { action: 'enrol', subject: clinic.peerId, name: 'Clinic', card: card.bytes } as const;
    const enrolled = await client.publish('key', body, clinic);
    expect(enrolled.index).toBe(0);
    expect(client.entries('key')[0]?.body.card).toEqual(card.bytes);
    const leaf = client.entry(enrolled.id)?.leaf ?? new Uint8Array(0);
    expect(verifyReceipt(enrolled.receipt, leaf, place.policy).index).toBe(0);
    await service[Symbol.asyncDispose]();
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-unreachable' });
    await using again = await aBoard(directory, { port: service.port });
    expect(again.log.checkpoint.size).toBe(1);
    await client.refresh();
    expect((await client.publish('key', body, clinic)).index).toBe(0);
    const health = await fetch(again.url.replace(/board$/, 'health'));
    expect(await health.json()).toEqual({ status: 'up', entries: 1 });
  });

  it('refuses strangers with what to do, cards of others, and bytes that are no entry', async () => {
    await using stack = new AsyncDisposableStack();
    await using service = await aBoard(aDirectory(stack), { open: false });
    await using client = await openBoard({ ...placeOf(service), dataDirectory: aDirectory(stack), followMs: 0 }, deps);
    const refused = client.publish('announcement', { title: 'a', text: 'b' }, clinic);
    await expect(refused).rejects.toThrow(/pulsemesh board admit/);
    const card = createCard(boardIdentity, {}, deps).bytes;
    const stolen = client.publish('key', { action: 'enrol', subject: clinic.peerId, name: 'x', card }, clinic);
    await expect(stolen).rejects.toMatchObject({ code: 'entry-refused', refusal: 'card' });
    const answer = await fetch(`${service.url}/add`, { method: 'POST', body: 'x' });
    expect(answer.status).toBe(400);
    expect(service.log.checkpoint.size).toBe(0);
  });

  it('shows what a witness that comes by itself and one that is asked cosigned, and clients that want both count it', async () => {
    await using stack = new AsyncDisposableStack();
    const directory = aDirectory(stack);
    // The keys of both have to be known to each other before either starts.
    const first = await aBoard(directory);
    const boards = [{ key: first.key, url: first.url }];
    const { port } = first;
    await first[Symbol.asyncDispose]();
    const asked = stack.use(
      await startWitnessService(
        { ...witnessSchema.parse({ boards, listen: { port: 0 } }), dataDirectory: aDirectory(stack) },
        witnesses[0],
        deps,
      ),
    );
    const asking = stack.use(
      await startWitnessService(
        { ...witnessSchema.parse({ boards }), dataDirectory: aDirectory(stack) },
        witnesses[1],
        deps,
      ),
    );
    const known = [{ key: asked.key, url: asked.url }, { key: asking.key }];
    const service = stack.use(await aBoard(directory, { port, witnesses: known, cosignatures: 2 }));
    const policy = { ...placeOf(service).policy, witnesses: [asked.key, asking.key].map(parseVerifierKey), quorum: 2 };
    const place = { ...placeOf(service), policy };
    await using client = await openBoard({ ...place, dataDirectory: aDirectory(stack), followMs: 0 }, deps);
    const published = await client.publish('announcement', { title: 'a', text: 'b' }, clinic);
    const leaf = client.entry(published.id)?.leaf ?? new Uint8Array(0);
    expect(verifyReceipt(published.receipt, leaf, policy).signatures).toHaveLength(3);
  });
});
