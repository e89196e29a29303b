import { VirtualClock } from '@pulsemesh/base/testing';
import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiClient } from '../api/client.ts';
import { App } from '../app.tsx';
import { announcement, followerHere, leavesOfRun, TestBoard, testPlace } from '../board/testing-board.ts';
import { ToolsProvider } from '../state/hooks.ts';
import { PageStore } from '../state/page-store.ts';
import { entriesPerPage } from './board-page.tsx';

let runLeaves: readonly Uint8Array[];
const nowMs = 1_767_225_600_000;
beforeAll(async () => {
  runLeaves = await leavesOfRun(nowMs - 3_600_000);
});

let ending = new AbortController();
afterEach(() => {
  cleanup();
  ending.abort();
  ending = new AbortController();
  window.localStorage.clear();
  window.location.hash = '';
});

async function show(hash: string, board: TestBoard | null) {
  window.location.hash = hash;
  const clock = new VirtualClock(nowMs);
  const store = new PageStore({ access: 'granted' }, { clock });
  const answer = { board: board === null ? null : testPlace };
  const client = new ApiClient({ baseUrl: '', token: 'k' }, { fetch: async () => Response.json(answer) });
  const tools = {
    clock,
    store,
    client,
    storage: window.localStorage,
    startFollower: () => followerHere((request) => (board as TestBoard).answer(request)),
    ending: ending.signal,
    retryNow: () => {},
  };
  await act(async () => {
    render(
      <ToolsProvider value={tools}>
        <App onKey={() => {}} />
      </ToolsProvider>,
    );
  });
  return { clock };
}

const verified = () => screen.findByText(/^Verified in this browser/, {}, { timeout: 20_000 });
const idOf = async (leaf: Uint8Array) => (await import('@pulsemesh/board')).entryIdOf(leaf);

describe('the board page', () => {
  it('says so where the gateway shows no board', async () => {
    await show('#/board', null);
    expect(await screen.findByText('This gateway shows no board.')).toBeTruthy();
  });

  it('lists entries newest first, and only those of a kind, page by page', async () => {
    const many = Array.from({ length: entriesPerPage + 20 }, (_, index) => announcement(`Notice ${index + 1}`));
    await show('#/board', await TestBoard.open([...runLeaves, ...many]));
    await verified();
    const table = screen.getByRole('table', { name: 'Entries, newest first' });
    expect(within(table).getAllByRole('rowheader')[0]?.textContent).toBe(`Notice ${entriesPerPage + 20}`);
    fireEvent.click(screen.getByRole('button', { name: 'Older' }));
    expect(within(table).getAllByRole('rowheader')[0]?.textContent).toBe('Notice 20');
    fireEvent.change(screen.getByRole('combobox', { name: 'Show' }), { target: { value: 'task' } });
    expect(within(table).getAllByRole('rowheader')).toHaveLength(2);
    expect(screen.getByText('1–2 of 2')).toBeTruthy();
  });

  it('shows an entry with author, body and bytes, and verifies its receipt by one press', async () => {
    const leaf = announcement('The board moves');
    await show(`#/board/${await idOf(leaf)}`, await TestBoard.open([announcement('Welcome'), leaf]));
    await verified();
    expect(screen.getByRole('heading', { name: 'The board moves', level: 1 })).toBeTruthy();
    expect(screen.getByText('The board moves: all of it.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Fetch and verify' }));
    expect(await screen.findByText('The receipt is genuine.')).toBeTruthy();
    expect(screen.getByText('Included at place 1 of 2 entries')).toBeTruthy();
    expect(screen.getAllByText(/^Countersigned by/)).toHaveLength(2);
  });

  it('checks a pasted receipt and says in words why one proves nothing', async () => {
    await show('#/board', await TestBoard.open([announcement('Welcome')]));
    await verified();
    fireEvent.change(screen.getByLabelText('Or paste its text'), { target: { value: 'no receipt' } });
    fireEvent.click(screen.getByRole('button', { name: 'Check the text' }));
    expect(await screen.findByText('This receipt proves nothing.')).toBeTruthy();
  });

  it('takes a receipt and its entry as files', async () => {
    const [first, later] = [announcement('Welcome'), announcement('Later')];
    const ahead = await TestBoard.open([first, later]);
    const receipt = await ahead.answer(new Request('http://page.test/board/receipt/1')).then((answer) => answer.text());
    await show('#/board', await TestBoard.open([first]));
    await verified();
    const input = screen.getByLabelText(/^Drop or choose the receipt/);
    fireEvent.change(input, { target: { files: [new File([receipt], 'r')] } });
    expect(await screen.findByText('The entry itself is needed.')).toBeTruthy();
    fireEvent.change(input, { target: { files: [new File([new Uint8Array(later)], 'e'), new File([receipt], 'r')] } });
    expect(await screen.findByText('The receipt is genuine.')).toBeTruthy();
  });

  it('shows the history of a key', async () => {
    await show('#/board', await TestBoard.open(runLeaves));
    await verified();
    fireEvent.change(screen.getByRole('combobox', { name: 'Show' }), { target: { value: 'key' } });
    const [row] = screen.getAllByRole('row').slice(1);
    const author = within(row as HTMLElement).getAllByRole('link')[1];
    await act(async () => {
      window.location.hash = author?.getAttribute('href') ?? '';
    });
    expect(await screen.findByRole('heading', { name: 'History of the key' })).toBeTruthy();
    expect(screen.getByText(/^Enrolled as/)).toBeTruthy();
  });

  it('says loudly that the board showed something else before, and has the evidence', async () => {
    const board = await TestBoard.open([announcement('Welcome'), announcement('Rules')]);
    await show('#/board', board);
    await verified();
    cleanup();
    await board.lie(1, announcement('Other rules'));
    await show('#/board', board);
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toMatch(/This board showed something else before/);
    expect(within(alert).getByRole('button', { name: 'Download the evidence' })).toBeTruthy();
    expect(screen.queryByText(/^Verified in this browser/)).toBeNull();
  });
});

describe('the learning page', () => {
  it('lists the tasks of the board with their terms in words', async () => {
    await show('#/learning', await TestBoard.open(runLeaves));
    await verified();
    const task = await screen.findByRole('article', { name: 'Rhythm from three hospitals' });
    expect(task.textContent).toMatch(/finished/);
    expect(task.textContent).toMatch(/verified: nothing found/);
    expect(task.textContent).toMatch(/2 of 2 rounds/);
    expect(screen.getByRole('article', { name: 'Rhythm at night' }).textContent).toMatch(/waiting for sites/);
    expect(screen.getByText(/not diagnosis/)).toBeTruthy();
  });

  it('says so where there is none', async () => {
    await show('#/learning', await TestBoard.open([announcement('Welcome')]));
    await verified();
    expect(await screen.findByText('No task is on the board yet.')).toBeTruthy();
  });

  it('shows a task with its rounds, sites, result by site, findings and trail', async () => {
    const board = await TestBoard.open(runLeaves);
    await show(`#/learning/${await idOf(runLeaves[0] as Uint8Array)}`, board);
    await verified();
    const rounds = await screen.findByRole('table', { name: 'Rounds, newest first' });
    expect(within(rounds).getAllByRole('row')).toHaveLength(3);
    expect(within(rounds).getAllByText('3 of 3')).toHaveLength(2);
    const sites = screen.getByRole('table', { name: 'Sites and their contracts' });
    expect(within(sites).getAllByText('signed')).toHaveLength(3);
    const results = screen.getByRole('table', { name: 'The model at each site' });
    expect(within(results).getByText('0.031 better than the running one')).toBeTruthy();
    expect(within(results).getByText('0.008 worse than the running one')).toBeTruthy();
    expect(screen.getByText(/Nothing is wrong with this run/)).toBeTruthy();
    expect(screen.getByText(/^model published/)).toBeTruthy();
  });

  it('waits for a task that the board does not have only as long as it reads', async () => {
    await show(`#/learning/${'0'.repeat(64)}`, await TestBoard.open(runLeaves));
    await waitFor(() => expect(screen.getByText('The board has no such task.')).toBeTruthy(), { timeout: 20_000 });
  });
});
