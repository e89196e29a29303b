import { VirtualClock } from '@pulsemesh/base/testing';
import { parseReceipt } from '@pulsemesh/board/verify';
import type { BoardPlaceView } from '@pulsemesh/node/api';
import { afterEach, describe, expect, it } from 'vitest';
import { recallBoard } from './board-memory.ts';
import { BoardStore, lookEveryMs } from './board-store.ts';
import { announcement, followerHere, TestBoard, testPlace } from './testing-board.ts';

const leaves = ['one', 'two', 'three'].map((title) => announcement(title));
const stores: BoardStore[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.stop();
  window.localStorage.clear();
});

/** A page's store before a board; a second one with the same storage is the same browser another day. */
function open(
  board: { readonly answer: (request: Request) => Promise<Response> },
  place: BoardPlaceView | null = testPlace,
) {
  const clock = new VirtualClock();
  const store = new BoardStore({
    clock,
    client: { boardPlace: async () => ({ board: place }), token: 'k' },
    storage: window.localStorage,
    startFollower: () => followerHere(board.answer),
    nowMs: () => clock.now(),
  });
  stores.push(store);
  return { store, clock };
}

describe('the board in the browser', () => {
  it('verifies what the board shows, remembers its checkpoint, and finds what is new while somebody listens', async () => {
    const board = await TestBoard.open(leaves);
    const { store, clock } = open(board);
    const end = store.subscribe(() => {});
    await expect.poll(() => store.state.size).toBe(3);
    await expect.poll(() => store.state.tasks).toEqual([]);
    expect(store.state.head?.cosigners.map(({ name }) => name)).toEqual(['witness.example/1', 'witness.example/2']);
    expect(recallBoard(window.localStorage)).toMatchObject({ size: 3, place: testPlace });
    await board.append([announcement('four')]);
    await clock.advance(lookEveryMs);
    await expect.poll(() => store.state.size).toBe(4);
    await expect.poll(() => store.state.isReading).toBe(false);
    end();
    await board.append([announcement('five')]);
    await clock.advance(10 * lookEveryMs);
    expect(store.state.size).toBe(4);
  });

  it('sends the key with every request, to the page’s own server', async () => {
    const board = await TestBoard.open(leaves);
    const seen = new Set<string>();
    const answer = (request: Request) => {
      seen.add(`${new URL(request.url).origin} ${request.headers.get('authorization')}`);
      return board.answer(request);
    };
    const { store } = open({ answer });
    await store.look();
    expect([...seen]).toEqual(['http://page.test Bearer k']);
  });

  it('says loudly, with evidence, when the board shows another history than on another day, and still knows the day after', async () => {
    const board = await TestBoard.open(leaves);
    await open(board).store.look();
    await board.lie(1, announcement('never said before'));
    const second = open(board).store;
    await second.look();
    await expect.poll(() => second.state.lie?.text).toMatch(/begins differently/);
    expect(JSON.parse(second.state.lie?.file ?? '')).toMatchObject({ board: testPlace.key });
    // The board goes back to what it showed first: what it signed meanwhile stays signed.
    await board.cut(leaves);
    const third = open(board).store;
    await third.look();
    await expect.poll(() => third.state.lie).not.toBeNull();
  });

  it('says that it showed more before, and does not forget it', async () => {
    const board = await TestBoard.open(leaves);
    await open(board).store.look();
    await board.cut(leaves.slice(0, 2));
    const { store } = open(board);
    await store.look();
    expect(store.state.behind).toMatchObject({ size: 3 });
    expect(recallBoard(window.localStorage)?.size).toBe(3);
    await board.append(leaves.slice(2));
    await store.look();
    expect(store.state.behind).toBeNull();
  });

  it('asks before it follows another board, or other witnesses, than the last time', async () => {
    const board = await TestBoard.open(leaves);
    await open(board).store.look();
    const { store } = open(board, { ...testPlace, quorum: 1 });
    await store.look();
    expect(store.state.phase.kind).toBe('other');
    await store.trustOther();
    expect(store.state).toMatchObject({ phase: { kind: 'open' }, size: 3, lie: null });
  });

  it('shows nothing that too few witnesses cosigned, and says so', async () => {
    const board = await TestBoard.open(leaves);
    board.cosigning = false;
    const { store } = open(board);
    await store.look();
    expect(store.state).toMatchObject({ trouble: 'uncosigned', size: 0, head: null });
  });

  it('keeps what it has when the board is out of reach, or answers with something else', async () => {
    const board = await TestBoard.open(leaves);
    let isAway = false;
    const { store } = open({
      answer: (request) => (isAway ? Promise.resolve(new Response('<html>')) : board.answer(request)),
    });
    await store.look();
    isAway = true;
    await store.look();
    expect(store.state).toMatchObject({ trouble: 'unreachable', size: 3 });
    expect((await store.receipt(1)).from).toBe('copy');
  });

  it('has nothing to follow where the gateway has no board', async () => {
    const { store } = open(await TestBoard.open(), null);
    await store.look();
    expect(store.state.phase.kind).toBe('none');
  });

  it('forgets a memory that is damaged', async () => {
    window.localStorage.setItem('pulsemesh.board', '{"place":1}');
    const { store } = open(await TestBoard.open(leaves));
    await store.look();
    expect(store.state).toMatchObject({ size: 3, lie: null });
  });
});

describe('a receipt in the browser', () => {
  it('is fetched and found genuine, with place, board and witnesses', async () => {
    const { store } = open(await TestBoard.open(leaves));
    await store.look();
    const { bytes, from, verdict } = await store.receipt(1);
    expect(parseReceipt(bytes).index).toBe(1);
    expect([from, verdict]).toMatchObject(['board', { kind: 'genuine', index: 1, size: 3, heard: 'known' }]);
  });

  it('of another history makes the board a liar, wherever the receipt comes from', async () => {
    const board = await TestBoard.open(leaves);
    const { store: elsewhere } = open(board);
    await elsewhere.look();
    window.localStorage.clear();
    const receipt = (await elsewhere.receipt(1)).bytes;
    const other = await TestBoard.open(leaves.with(2, announcement('another')));
    const { store } = open(other);
    await store.look();
    expect(await store.check(receipt, leaves[1] ?? null)).toMatchObject({ kind: 'genuine', heard: 'contradiction' });
    await expect.poll(() => store.state.lie).not.toBeNull();
  });

  it('is refused with the reason when it is forged, of something else, or nothing', async () => {
    const { store } = open(await TestBoard.open(leaves));
    await store.look();
    const { bytes } = await store.receipt(1);
    expect(await store.check(bytes, leaves[2] ?? null)).toEqual({ kind: 'refused', reason: 'not-included' });
    const forged = new TextEncoder().encode(new TextDecoder().decode(bytes).replace('\n3\n', '\n4\n'));
    expect(await store.check(forged, null)).toEqual({ kind: 'refused', reason: 'signature-wrong' });
    expect(await store.check(new Uint8Array(9), null)).toMatchObject({ kind: 'refused' });
    expect(await store.check(new Uint8Array(1_000_000), null)).toMatchObject({ kind: 'refused' });
  });

  it('of an entry that is not here needs the entry', async () => {
    const board = await TestBoard.open(leaves);
    const { store } = open(board);
    await store.look();
    const later = announcement('later');
    await board.append([later]);
    const { store: ahead } = open(board);
    await ahead.look();
    const { bytes } = await ahead.receipt(3);
    expect(await store.check(bytes, null)).toEqual({ kind: 'entry-missing', index: 3 });
    expect(await store.check(bytes, later)).toMatchObject({ kind: 'genuine', heard: 'ahead' });
  });
});
