import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it, vi } from 'vitest';
import { signEntry } from '../entries/entry-codec.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { formatCheckpoint } from '../notes/checkpoint.ts';
import { cosignText, createNoteVerifier, formatVerifierKey, signNoteText } from '../notes/keys.ts';
import { formatNote } from '../notes/note.ts';
import { formatReceipt, verifyReceipt } from '../receipt/receipt.ts';
import { LyingBoard } from '../testing/lying-board.ts';
import { sampleTask, type TestAuthor, testAuthor } from '../testing/sample-entries.ts';
import { type BoardClient, type BoardClientOptions, openBoardClient } from './board-client.ts';
import { clientLimits } from './client-limits.ts';
import { type Evidence, formatEvidence, parseEvidence, verifyEvidence } from './evidence.ts';
import { followLimits } from './followed-log.ts';

const author = testAuthor('author');
const origin = 'board.test/lying';

/** Entries that differ by their number. */
function announcements(count: number, what = 'note', from: TestAuthor = author): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    signEntry({ kind: 'announcement', body: { title: `${what} ${index}`, text: 'text' }, createdMs: 1 }, origin, from),
  );
}

async function aClient(
  board: LyingBoard,
  view: string,
  options: Partial<BoardClientOptions> & { readonly clock?: VirtualClock; readonly fetch?: never } = {},
): Promise<BoardClient> {
  const { clock = new VirtualClock(), ...others } = options;
  const policy = { board: board.verifier, witnesses: [], quorum: 0 };
  return openBoardClient(
    { url: board.url(view), policy, store: createMemoryTables(), followMs: 0, ...others },
    { clock, logger: silentLogger },
  );
}

/** Checked as a third party does: from a file, with the key from elsewhere. */
function convicts(evidence: Evidence | null, board: LyingBoard): string {
  if (evidence === null) throw new Error('no evidence');
  const file = formatEvidence(evidence, formatVerifierKey(board.verifier));
  return verifyEvidence(parseEvidence(file).evidence, board.verifier).kind;
}

describe('a client of an honest board', () => {
  it('reads all entries, goes on where it was, and asks for nothing twice over a restart', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(300));
    const store = createMemoryTables();
    const client = await aClient(board, 'a', { store });
    const heard: number[] = [];
    client.onEntry(({ index }) => heard.push(index));
    await client.refresh();
    expect([client.size, heard.length]).toEqual([300, 300]);
    log.leaves.push(...announcements(10, 'more'));
    await client.refresh();
    expect(heard).toEqual(Array.from({ length: 310 }, (_, index) => index));
    await client[Symbol.asyncDispose]();
    board.asked.length = 0;
    await using again = await aClient(board, 'a', { store });
    expect([again.size, again.entries('announcement').length]).toEqual([310, 310]);
    await again.refresh();
    expect(board.asked).toEqual(['checkpoint']);
  });

  it('gives receipts that verify offline', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(7));
    await using client = await aClient(board, 'a');
    const receipt = await client.receipt(3);
    const policy = { board: board.verifier, witnesses: [], quorum: 0 };
    expect(verifyReceipt(receipt, log.leaves[3] as Uint8Array, policy).index).toBe(3);
    await expect(client.receipt(7)).rejects.toThrow(RangeError);
  });

  it('publishes, and repeats itself without a second entry, over a restart too', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a');
    const store = createMemoryTables();
    const client = await aClient(board, 'a', { store });
    const published = await client.publish('task', sampleTask(), author);
    expect(published).toMatchObject({ index: 0, id: client.entries('task')[0]?.id });
    await client[Symbol.asyncDispose]();
    await using again = await aClient(board, 'a', { store });
    expect(await again.publish('task', sampleTask(), author)).toMatchObject({ index: 0, id: published.id });
    expect(log.leaves).toHaveLength(1);
  });

  it('sends the same leaf again when the answer to the first was lost and it was started anew', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a');
    const store = createMemoryTables();
    const stopped = new AbortController();
    board.answer = (path) => {
      if (path !== 'add') return null;
      stopped.abort();
      return 'hang';
    };
    const client = await aClient(board, 'a', { store });
    await expect(client.publish('task', sampleTask(), author, { signal: stopped.signal })).rejects.toThrow();
    await client[Symbol.asyncDispose]();
    const [kept] = [...store.range('followed/outbox')];
    board.answer = null;
    await using again = await aClient(board, 'a', { store, clock: new VirtualClock(9_999_999) });
    await again.publish('task', sampleTask(), author);
    expect(log.leaves).toEqual([kept?.value]);
    expect(store.count('followed/outbox')).toBe(0);
  });

  it('tells why an entry was refused and forgets it', async () => {
    await using board = await LyingBoard.start();
    board.show('a');
    board.answer = (path) => {
      const body = new TextEncoder().encode('{"error":"stranger","message":"ask the operator"}');
      return path === 'add' ? { status: 403, body } : null;
    };
    const store = createMemoryTables();
    await using client = await aClient(board, 'a', { store });
    const published = client.publish('task', sampleTask(), author);
    await expect(published).rejects.toMatchObject({ code: 'board-refused', refusal: 'stranger' });
    expect(store.count('followed/outbox')).toBe(0);
  });

  it('counts an entry once enough witnesses cosigned, and says what is missing when they do not', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a');
    const witness = testAuthor('witness');
    const verifier = createNoteVerifier('witness.test', witness.publicKey, 'cosignature/v1');
    const policy = { board: board.verifier, witnesses: [verifier], quorum: 1 };
    const clock = new VirtualClock();
    await using client = await aClient(board, 'a', { policy, clock });
    const published = client.publish('task', sampleTask(), author);
    const refused = expect(published).rejects.toMatchObject({
      code: 'board-not-countersigned',
      facts: { isTaken: true, quorum: 1 },
    });
    await until(clock, () => clock.monotonicMs() > clientLimits.publishMs + clientLimits.pollLastMs);
    await refused;
    expect(client.size).toBe(0);
    log.cosign = (text) => [cosignText(text, 'witness.test', witness, 1_700_000_000)];
    expect((await client.publish('task', sampleTask(), author)).index).toBe(0);
    expect(log.leaves).toHaveLength(1);
  });

  it('accuses nobody of a cache that is behind, a login page, entries of another kind, or a mixed-up bundle', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(20));
    await using client = await aClient(board, 'a');
    await client.refresh();
    log.shownSize = 12;
    await client.refresh();
    expect(client.size).toBe(20);
    log.shownSize = null;
    board.answer = () => ({ status: 200, body: new TextEncoder().encode('<html>log in</html>') });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-unreachable', retryable: true });
    log.leaves.push(Uint8Array.of(1, 2, 3));
    let isMixedUp = true;
    board.answer = (path) => {
      if (!path.startsWith('tile') || !isMixedUp) return null;
      isMixedUp = false;
      const bundle = board.show('other', announcements(21, 'other')).leaves;
      return { status: 200, body: bundleOf(bundle) };
    };
    await client.refresh();
    expect([client.size, client.entries('announcement').length, client.evidence]).toEqual([21, 20, null]);
    log.leaves.push(...announcements(1, 'last'));
    board.answer = (path) => (path.startsWith('tile') ? { status: 200, body: bundleOf(announcements(22, 'x')) } : null);
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-unreachable' });
    expect([client.size, client.evidence]).toEqual([21, null]);
  });

  it('reaches its limits and says so: entries that wait, and a board larger than it follows', async () => {
    await using board = await LyingBoard.start();
    board.show('a');
    const store = createMemoryTables();
    await using client = await aClient(board, 'a', { store });
    const rows = Array.from({ length: clientLimits.outgoingMax }, (_, index) => ({
      kind: 'put' as const,
      table: 'followed/outbox',
      key: new TextEncoder().encode(`entry ${index}`),
      value: Uint8Array.of(0),
    }));
    await store.commit(rows);
    const published = client.publish('task', sampleTask(), author);
    await expect(published).rejects.toMatchObject({ refusal: 'too-many', retryable: true });
    const size = followLimits.entriesMax + 1;
    const text = formatCheckpoint({ origin, size, root: new Uint8Array(32), extensions: [] });
    const note = formatNote({ text, signatures: [signNoteText(text, origin, board.key)] });
    board.answer = () => ({ status: 200, body: note });
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-too-large' });
    expect([client.size, client.evidence]).toEqual([0, null]);
  });

  it('hears of checkpoints ahead, compares them when it gets there, and minds no stranger’s', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(20));
    log.shownSize = 10;
    await using client = await aClient(board, 'a');
    await client.refresh();
    expect(await client.hear(log.note(5))).toBe('known');
    expect(await client.hear(log.note(20))).toBe('ahead');
    await using other = await LyingBoard.start('board.test/other');
    expect(await client.hear(other.show('a').note())).toBe('not-ours');
    expect(await client.hear(Uint8Array.of(1))).toBe('not-ours');
    log.shownSize = null;
    await client.refresh();
    expect([client.size, client.evidence]).toEqual([20, null]);
  });
});

describe('a board that lies', () => {
  it('by a split view is caught when two of its readers compare, from either side', async () => {
    await using board = await LyingBoard.start();
    const common = announcements(5);
    board.show('a', [...common, ...announcements(3, 'for a')]);
    board.show('b', [...common, ...announcements(3, 'for b')]);
    await using alice = await aClient(board, 'a');
    await using bob = await aClient(board, 'b');
    await Promise.all([alice.refresh(), bob.refresh()]);
    expect(await alice.hear(bob.head as Uint8Array)).toBe('contradiction');
    expect(convicts(alice.evidence, board)).toBe('split-view');
    await expect(alice.refresh()).rejects.toMatchObject({ code: 'board-lied' });
    await expect(alice.publish('task', sampleTask(), author)).rejects.toMatchObject({ code: 'board-lied' });
    const told = vi.fn();
    bob.onEvidence(told);
    await bob.hearEvidence(alice.evidence as Evidence);
    expect(told).toHaveBeenCalledOnce();
    await expect(bob.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  });

  it('by views of different sizes is caught too, whichever is the longer', async () => {
    await using board = await LyingBoard.start();
    const common = announcements(5);
    const long = board.show('a', [...common, ...announcements(9, 'for a')]);
    const short = board.show('b', [...common, ...announcements(3, 'for b')]);
    await using alice = await aClient(board, 'a');
    await alice.refresh();
    expect(await alice.hear(short.note())).toBe('contradiction');
    expect(convicts(alice.evidence, board)).toBe('rewritten');
    await using bob = await aClient(board, 'b');
    await bob.refresh();
    expect(await bob.hear(long.note())).toBe('ahead');
    short.leaves.push(...announcements(9, 'later'));
    await expect(bob.refresh()).rejects.toMatchObject({ code: 'board-lied' });
    expect(convicts(bob.evidence, board)).toBe('rewritten');
  });

  it('by two checkpoints of one size to others is caught before it is followed so far', async () => {
    await using board = await LyingBoard.start();
    await using client = await aClient(board, 'a');
    expect(await client.hear(board.show('x', announcements(4, 'x')).note())).toBe('ahead');
    expect(await client.hear(board.show('y', announcements(4, 'y')).note())).toBe('contradiction');
    expect(convicts(client.evidence, board)).toBe('split-view');
  });

  it('by rewriting an old entry is caught at the next look, and stays caught over a restart', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(300));
    const store = createMemoryTables();
    const client = await aClient(board, 'a', { store });
    await client.refresh();
    log.leaves[7] = announcements(8, 'changed')[7] as Uint8Array;
    log.leaves.push(...announcements(2, 'more'));
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-lied', retryable: false });
    expect(convicts(client.evidence, board)).toBe('rewritten');
    expect(client.size).toBe(300);
    await client[Symbol.asyncDispose]();
    await using again = await aClient(board, 'a', { store });
    expect(convicts(again.evidence, board)).toBe('rewritten');
    await expect(again.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  });

  it('by rewriting in place, at the same size or a smaller one, is caught', async () => {
    await using board = await LyingBoard.start();
    for (const [shownSize, kind] of [
      [null, 'split-view'],
      [6, 'rewritten'],
    ] as const) {
      const log = board.show('a', announcements(9));
      await using client = await aClient(board, 'a');
      await client.refresh();
      log.leaves[2] = announcements(3, 'changed')[2] as Uint8Array;
      log.shownSize = shownSize;
      await expect(client.refresh()).rejects.toMatchObject({ code: 'board-lied' });
      expect(convicts(client.evidence, board)).toBe(kind);
    }
  });

  it('by rolling back and going on otherwise is caught; rolled back alone it is not believed', async () => {
    await using board = await LyingBoard.start();
    const log = board.show('a', announcements(9));
    await using client = await aClient(board, 'a');
    await client.refresh();
    log.leaves.length = 6;
    await client.refresh();
    expect([client.size, client.evidence]).toEqual([9, null]);
    log.leaves.push(...announcements(5, 'otherwise'));
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-lied' });
    expect(convicts(client.evidence, board)).toBe('rewritten');
  });

  it('by withholding an entry is found by whoever follows it and is shown the receipt', async () => {
    await using board = await LyingBoard.start();
    const promised = board.show('a', announcements(4));
    const withheld = promised.leaves[2] as Uint8Array;
    await using holder = await aClient(board, 'a');
    const receipt = await holder.receipt(2);
    const without = board.show('b', promised.leaves.toSpliced(2, 1));
    await using client = await aClient(board, 'b');
    await client.refresh();
    // Its log is shorter than the receipt's: the place that it has does not wait for the rest.
    without.leaves.length = 3;
    expect(await client.hearReceipt(receipt, promised.leaves[1] as Uint8Array)).toBe('not-ours');
    await using other = await LyingBoard.start('board.test/other');
    other.show('a', announcements(4));
    const foreign = formatReceipt({
      index: 2,
      proof: promised.tree().inclusion(2),
      checkpoint: other.show('x', promised.leaves).note(),
    });
    expect(await client.hearReceipt(foreign, withheld)).toBe('not-ours');
    expect(await holder.hearReceipt(receipt, withheld)).toBe('known');
    expect(await client.hearReceipt(receipt, withheld)).toBe('contradiction');
    expect(convicts(client.evidence, board)).toBe('two-leaves');
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  });

  it('by withholding an entry after its receipt is shown by two leaves at one place', async () => {
    await using board = await LyingBoard.start();
    const promised = board.show('a', announcements(4));
    await using client = await aClient(board, 'a');
    const receipt = await client.receipt(2);
    const without = board.show('b', promised.leaves.toSpliced(2, 1));
    without.leaves.push(...announcements(1, 'other'));
    const swapped = formatReceipt({ index: 2, proof: without.tree().inclusion(2), checkpoint: without.note() });
    const evidence = {
      kind: 'two-leaves',
      first: { receipt: textOf(receipt), leafHash: toHex(hashLeaf(promised.leaves[2] as Uint8Array)) },
      second: { receipt: textOf(swapped), leafHash: toHex(hashLeaf(without.leaves[2] as Uint8Array)) },
    } as const;
    expect(convicts(evidence, board)).toBe('two-leaves');
    await client.hearEvidence(evidence);
    await expect(client.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  });
});

function bundleOf(leaves: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(leaves.flatMap((leaf) => [Buffer.from([leaf.length >> 8, leaf.length & 255]), Buffer.from(leaf)])),
  );
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Moves the clock on in steps, with time for sockets between. */
async function until(clock: VirtualClock, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(500);
  }
}
