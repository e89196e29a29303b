import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Condition, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryBoard } from '@pulsemesh/board/testing';
import { createBox, createSigner, sha256 } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError, type TableChange, type TableStore } from '@pulsemesh/store';
import { type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PartyLimits, partyLimits } from './limits.ts';
import { openParties, type PartyMeans } from './parties.ts';
import type { Step } from './party.ts';
import { decodePiece, encodePiece, joinPieces, type Piece, piecesOf } from './piece.ts';

const text: Step<string> = {
  name: 'text',
  encode: (message) => new TextEncoder().encode(message),
  decode(bytes) {
    if (bytes[0] === 0) throw new Condition('malformed', 'not a text');
    return new TextDecoder().decode(bytes);
  },
};
const peerOf = (name: string): PeerId =>
  peerIdOfEd25519(createSigner(sha256(new TextEncoder().encode(name))).publicKey);
const alice = peerOf('alice');
const bob = peerOf('bob');

/** An agent with its post in the test's hands. */
async function anAgent(
  options: { readonly store?: TableStore; readonly limits?: Partial<PartyLimits>; readonly lock?: string } = {},
) {
  const clock = new VirtualClock();
  const store = options.store ?? createMemoryTables();
  const sent: { readonly to: PeerId; readonly bytes: Uint8Array }[] = [];
  let handler: Parameters<PartyMeans['post']['receive']>[0] | undefined;
  let isPostDown = false;
  const board = createMemoryBoard({}, { clock });
  const author = createSigner(new Uint8Array(32).fill(1));
  const dependencies = { clock, random: createSeededRandom(4), logger: silentLogger, meter: silentMeter };
  const parties = await openParties(
    {
      post: {
        self: peerOf('me'),
        async send(to, bytes) {
          if (isPostDown) throw new Condition('down', 'the post is down', { retryable: true });
          sent.push({ to, bytes });
        },
        receive(one) {
          handler = one;
        },
      },
      board,
      author,
      store,
      box: createBox(new Uint8Array(32).fill(2), dependencies),
      lock: options.lock ?? null,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    },
    dependencies,
  );
  const give = async (from: PeerId, bytes: Uint8Array, mark: readonly TableChange[] = []) =>
    expect(await handler?.(from, bytes, mark)).toBe('marked');
  const say = async (from: PeerId, message: string, place: Partial<Piece> = {}) => {
    const at = { run: 'run', scope: '-', step: 'text', ...place };
    for (const piece of piecesOf(at, text.encode(message), { ...partyLimits, ...options.limits }))
      await give(from, encodePiece(piece));
  };
  const setPostDown = (isDown: boolean) => {
    isPostDown = isDown;
  };
  return { clock, store, sent, parties, give, say, board, setPostDown };
}

describe('a party', () => {
  it('is given each message as it comes, and after a restart those that were in time, no others', async () => {
    const first = await anAgent();
    const takenBy = async (agent: Awaited<ReturnType<typeof anAgent>>) => {
      using party = await agent.parties.open('run');
      const taken: string[] = [];
      const present = party.gatherEach(
        text,
        { from: [alice, bob], withinMs: 1000 },
        (_from, said) => void taken.push(said),
      );
      return { present: () => present, taken };
    };
    const { present, taken } = await takenBy(first);
    await first.clock.advance(10);
    await first.say(bob, 'b');
    expect(taken).toEqual(['b']);
    await first.clock.advance(2000);
    expect(await present()).toEqual([bob]);
    await first.say(alice, 'too late');
    const second = await takenBy(await anAgent({ store: first.store }));
    expect(await second.present()).toEqual([bob]);
    expect(second.taken).toEqual(['b']);
  });

  it('hears what came before it asked, and after a restart too', async () => {
    const first = await anAgent();
    await first.say(alice, 'early');
    const second = await anAgent({ store: first.store });
    using party = await second.parties.open('run');
    expect(await party.receive(text, alice, 1000)).toBe('early');
  });

  it('takes being late for an ordinary value, and goes on waiting as long as a former life would have', async () => {
    const first = await anAgent();
    const before = (await first.parties.open('run')).gather(text, { from: [alice, bob], withinMs: 1000 });
    await first.clock.advance(600);
    await first.say(alice, 'here');
    const second = await anAgent({ store: first.store });
    await second.clock.advance(600);
    const gathered = (await second.parties.open('run')).gather(text, { from: [alice, bob], withinMs: 1000 });
    await second.clock.advance(399);
    await second.say(bob, 'just in time');
    const { messages, absent } = await gathered;
    expect([messages.get(alice), messages.get(bob), absent]).toEqual(['here', 'just in time', []]);
    await first.clock.advance(1000);
    expect((await before).absent).toEqual([bob]);
  });

  it('refuses, and counts, what is malformed, repeated, contradictory, unreadable, late or too much', async () => {
    const agent = await anAgent({ limits: { messagesPerSenderMax: 2, sendersMax: 2, pieceBytesMax: 1000 } });
    const { parties, say, give } = agent;
    const count = (kind: string) => parties.refusals.get(kind as 'late') ?? 0;
    await give(alice, Uint8Array.of(1, 2, 3));
    await give(alice, new Uint8Array(5000));
    expect(count('malformed')).toBe(2);
    await say(alice, 'one');
    await say(alice, 'one');
    expect(count('repeated')).toBe(1);
    await say(alice, 'another');
    expect(count('contradiction')).toBe(1);
    await say(alice, 'two', { step: 'second' });
    await say(alice, 'three', { step: 'third' });
    expect(count('full')).toBe(1);
    await say(bob, '\0');
    await say(peerOf('carol'), 'a third sender');
    expect(count('full')).toBe(2);
    using party = await parties.open('run');
    const unread = party.receive(text, bob, 10);
    expect(await unread).toBeNull();
    expect(count('unreadable')).toBe(1);
    expect(await party.receive(text, alice, 10)).toBe('one');
    await party.forget();
    await say(alice, 'one');
    expect(count('late')).toBe(1);
    expect(
      agent.store.count('party-inbox') + agent.store.count('party-pieces') + agent.store.count('party-journal'),
    ).toBe(0);
  });

  it('keeps the mark of a refused message: it does not come again', async () => {
    const { give, store } = await anAgent();
    await give(alice, Uint8Array.of(0), [
      { kind: 'put', table: 'marks', key: Uint8Array.of(7), value: Uint8Array.of(1) },
    ]);
    expect(store.count('marks')).toBe(1);
  });

  it('sends pieces until the post takes them, in the next life too, and the same message only', async () => {
    const first = await anAgent({ limits: { pieceBytesMax: 1000 } });
    first.setPostDown(true);
    using party = await first.parties.open('run');
    await party.send(text, bob, 'x'.repeat(2500));
    await first.clock.advance(5000);
    expect(first.sent).toEqual([]);
    const second = await anAgent({ store: first.store, limits: { pieceBytesMax: 1000 } });
    await second.clock.advance(1);
    const pieces = second.sent.map(({ bytes }) => decodePiece(bytes, { ...partyLimits, pieceBytesMax: 1000 }));
    expect(pieces.map(({ index, count }) => [index, count])).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
    const joined = joinPieces(
      pieces.map(({ bytes }) => bytes),
      (pieces[0] as Piece).hash,
    );
    expect(new TextDecoder().decode(joined ?? new Uint8Array(0))).toBe('x'.repeat(2500));
    expect(second.store.count('party-outbox')).toBe(0);
    using again = await second.parties.open('run');
    await expect(again.send(text, bob, 'something else')).rejects.toMatchObject({ code: 'journal-mismatch' });
    await second.clock.advance(5000);
    expect(second.sent).toHaveLength(3);
  });

  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    'goes on where it was, with the same bytes, when the disk was full at write %i and has room again',
    async (full) => {
      const store = createMemoryTables();
      let writes = 0;
      const withRoom = store.commit.bind(store);
      store.commit = async (changes) => {
        writes += 1;
        if (writes === full) throw new StoreFullError('no room');
        return withRoom(changes);
      };
      const agent = await anAgent({ store });
      const heard: string[] = [];
      const life = async () => {
        using party = await agent.parties.open('run');
        const drawn = await party.once('draw', () => party.random('draw').bytes(8));
        await party.send(text, bob, toHex(drawn));
        const { messages } = await party.gather(text, { from: [alice], withinMs: 60_000 });
        heard.push(messages.get(alice) ?? 'nothing');
      };
      for (let lives = 0; heard.length === 0 && lives < 5; lives += 1) {
        const ended = life().catch((error) => expect(error).toMatchObject({ code: 'store-full', retryable: true }));
        await agent.clock.advance(100);
        // As a relay's client does: given again until it was taken.
        for (let tries = 0; tries < 2; tries += 1) await agent.say(alice, 'hello').catch(() => {});
        await agent.clock.advance(10_000);
        await ended;
      }
      expect(heard).toEqual(['hello']);
      await agent.clock.advance(60_000);
      const said = agent.sent.map(({ bytes }) => toHex(bytes));
      expect(new Set(said).size).toBe(1);
    },
  );

  it('draws the same random bytes again after a restart, others for each purpose, scope and run', async () => {
    const first = await anAgent();
    const drawn = async ({ parties }: Awaited<ReturnType<typeof anAgent>>) => {
      const found: string[] = [];
      for (const run of ['run', 'other']) {
        using party = await parties.open(run);
        const scope = await party.scope('r1/a1');
        for (const one of [party, scope])
          for (const purpose of ['a', 'b']) found.push(toHex(one.random(purpose).bytes(40)));
      }
      return found;
    };
    const before = await drawn(first);
    expect(new Set(before).size).toBe(8);
    expect(await drawn(await anAgent({ store: first.store }))).toEqual(before);
  });

  it('keeps nothing readable on the disk', async () => {
    const { parties, store, say } = await anAgent();
    using party = await parties.open('run');
    await party.once('secret', () => new TextEncoder().encode('a plain secret'));
    await say(alice, 'a plain secret');
    for (const table of ['party-scopes', 'party-journal', 'party-inbox', 'party-pieces']) {
      for (const { value } of store.range(table)) expect(Buffer.from(value).includes('plain secret')).toBe(false);
    }
  });

  it('is open once at a time in a process, and a journal is open in one process', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-party-'));
    try {
      const one = await anAgent({ lock: directory });
      using _party = await one.parties.open('run');
      await expect(one.parties.open('run')).rejects.toMatchObject({ code: 'run-in-use' });
      await expect(anAgent({ lock: directory })).rejects.toMatchObject({ code: 'store-in-use' });
      await one.parties[Symbol.asyncDispose]();
      await (await anAgent({ lock: directory })).parties[Symbol.asyncDispose]();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('cannot be done a second time once it is forgotten, in another life neither', async () => {
    const first = await anAgent();
    const party = await first.parties.open('run');
    const scope = await party.scope('r1/a1');
    await scope.once('x', () => new Uint8Array(1));
    await scope.forget();
    await scope.forget();
    await expect(scope.now()).rejects.toMatchObject({ code: 'run-forgotten' });
    const second = await anAgent({ store: first.store });
    const again = await second.parties.open('run');
    await expect(again.scope('r1/a1')).rejects.toMatchObject({ code: 'run-forgotten' });
    await again.forget();
    const third = await anAgent({ store: first.store });
    await expect(third.parties.open('run')).rejects.toMatchObject({ code: 'run-forgotten' });
  });

  it('has limits: of a message, of what waits to be sent, of awaits', async () => {
    const limits = { messageBytesMax: 100, outboxBytesMax: 150, journalEntriesMax: 4 };
    const { parties, setPostDown } = await anAgent({ limits });
    setPostDown(true);
    using party = await parties.open('run');
    await expect(party.send(text, bob, 'x'.repeat(101))).rejects.toMatchObject({ facts: { limit: 'messageBytesMax' } });
    await party.send(text, bob, 'x'.repeat(100));
    await expect(party.send(text, alice, 'x'.repeat(100))).rejects.toMatchObject({
      facts: { limit: 'outboxBytesMax' },
    });
    await party.now();
    await expect(party.now()).rejects.toMatchObject({ facts: { limit: 'journalEntriesMax' } });
  });

  it('waits for an entry, and gets null when the time is over', async () => {
    const { parties, board, clock } = await anAgent();
    using party = await parties.open('run');
    const waited = party.board.await('announcement', ({ body }) => body.title === 'b', 5000);
    const author = createSigner(new Uint8Array(32).fill(9));
    await board.publish('announcement', { title: 'a', text: 'x' }, author);
    await board.publish('announcement', { title: 'b', text: 'x' }, author);
    expect((await waited)?.body.title).toBe('b');
    const never = party.board.await('announcement', () => false, 5000);
    await clock.advance(5000);
    expect(await never).toBeNull();
  });
});

describe('pieces', () => {
  it('give back the message, and nothing else reads as a piece', () => {
    const limits = { pieceBytesMax: 64, messageBytesMax: 1000 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (message) => {
        const pieces = piecesOf({ run: 'r', scope: 's', step: 't' }, message, limits);
        const read = pieces.map((piece) => decodePiece(encodePiece(piece), limits));
        expect(
          joinPieces(
            read.map(({ bytes }) => bytes),
            (read[0] as Piece).hash,
          ),
        ).toEqual(message);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodePiece(bytes, limits)).toThrow();
      }),
    );
  });
});
