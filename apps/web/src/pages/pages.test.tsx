import { VirtualClock } from '@pulsemesh/base/testing';
import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiClient } from '../api/client.ts';
import { App } from '../app.tsx';
import { ToolsProvider } from '../state/hooks.ts';
import { PageStore } from '../state/page-store.ts';
import { alertOf, overviewOf, patientOf, peerOf, relaySessionOf } from '../testing.ts';

// A canvas is drawn in the browser tests; here it is enough that there is one.
vi.mock('../charts/heart-trace.tsx', () => ({
  HeartTrace: ({ label }: { readonly label: string }) => <div role="img" aria-label={label} />,
}));

afterEach(() => {
  cleanup();
  window.localStorage.clear();
  window.location.hash = '';
});

async function show(
  hash: string,
  answer: (url: string, init?: RequestInit) => unknown = () => ({ readings: [], windows: [] }),
) {
  window.location.hash = hash;
  const clock = new VirtualClock();
  const store = new PageStore({ access: 'granted' }, { clock });
  const client = new ApiClient(
    { baseUrl: '', token: 'k' },
    { fetch: async (input, init) => Response.json(answer(String(input), init)) },
  );
  const startFollower = () => {
    throw new Error('no page of the board is opened here');
  };
  const { signal } = new AbortController();
  const tools = {
    clock,
    store,
    client,
    storage: window.localStorage,
    startFollower,
    ending: signal,
    retryNow: () => {},
  };
  render(
    <ToolsProvider value={tools}>
      <App onKey={() => {}} />
    </ToolsProvider>,
  );
  const pass = (ms: number) => act(() => clock.advance(ms));
  await pass(0);
  return { clock, store, pass };
}

describe('the hearts page', () => {
  it('loads, then says that no heart has been heard, then shows one with its rate and time', async () => {
    const { store, pass } = await show('#/');
    expect(screen.getByText('Loading hearts…')).toBeTruthy();
    store.putPatients([]);
    await pass(200);
    expect(screen.getByText('No heart has been heard yet.')).toBeTruthy();
    store.putPatients([patientOf({ subject: 's' })]);
    store.apply({ type: 'readings', readings: [{ subject: 's', tMs: 3_600_000, heartRateBpm: 71.6, rrMs: [] }] });
    await pass(1_100);
    const card = screen.getByRole('article', { name: 'Amina Okafor' });
    expect(card.textContent).toMatch(/72 bpm/);
    expect(card.textContent).toMatch(/measured \d\d:\d\d:\d\d \S+/);
    expect(screen.getByText('1 of 1 streaming now')).toBeTruthy();
  });

  it('says for how long a heart has been silent', async () => {
    const { store, pass } = await show('#/');
    store.putPatients([patientOf({ subject: 's' })]);
    store.apply({ type: 'readings', readings: [{ subject: 's', tMs: 0, heartRateBpm: 70, rrMs: [] }] });
    await pass(20_000);
    expect(screen.getByRole('article').textContent).toMatch(/No reading for \d+ s/);
  });

  it('puts a heart with an alert first, announces it, and shows the disclaimer', async () => {
    const { store, pass } = await show('#/');
    store.setOverview(overviewOf({ disclaimer: 'Screening only.' }));
    store.putPatients([patientOf({ subject: 's1', name: 'Abel' }), patientOf({ subject: 's2', name: 'Zoe' })]);
    store.putAlerts([]);
    await pass(200);
    expect(screen.getAllByRole('heading', { level: 2 }).map((title) => title.textContent)).toEqual(['Abel', 'Zoe']);
    store.apply({ type: 'alert', alert: alertOf({ subject: 's2', patientName: 'Zoe' }) });
    await pass(200);
    expect(screen.getAllByRole('heading', { level: 2 }).map((title) => title.textContent)).toEqual(['Zoe', 'Abel']);
    expect(screen.getByText('New alert: irregular rhythm, Zoe')).toBeTruthy();
    expect(screen.getByText('Screening only.')).toBeTruthy();
    expect(document.title).toBe('(1) Hearts · Pulsemesh');
  });

  it('calls a device without a patient unregistered', async () => {
    const { store, pass } = await show('#/');
    store.putPatients([patientOf({ name: null, isRegistered: false, userId: 'QmTp9VkYvnHyrqKQuFPi' })]);
    await pass(200);
    expect(screen.getByRole('article', { name: 'Unregistered device …KQuFPi' })).toBeTruthy();
  });
});

describe('the alerts page', () => {
  it('is calm without alerts', async () => {
    const { store, pass } = await show('#/alerts');
    store.putAlerts([]);
    await pass(200);
    expect(screen.getByText('All is calm: no alert needs attention.')).toBeTruthy();
  });

  it('acknowledges, remembers the name, and moves the alert to the seen ones', async () => {
    const { store, pass } = await show('#/alerts', (_url, init) =>
      alertOf({ acknowledged: { by: JSON.parse(String(init?.body)).by, atMs: 5 } }),
    );
    store.putAlerts([alertOf()]);
    await pass(200);
    fireEvent.change(screen.getByLabelText('Your name'), { target: { value: 'Dr. Keller' } });
    fireEvent.click(screen.getByRole('button', { name: /acknowledge/i }));
    await waitFor(() => expect(store.state.alerts?.get('b'.repeat(32))?.acknowledged?.by).toBe('Dr. Keller'));
    await pass(200);
    expect(screen.getByRole('heading', { name: 'Needs attention (0)' })).toBeTruthy();
    expect(screen.getByText('Dr. Keller')).toBeTruthy();
    expect(window.localStorage.getItem('pulsemesh.myName')).toBe('Dr. Keller');
  });

  it('moves the focus to the alert that a mail links to', async () => {
    const id = 'c'.repeat(32);
    const { store, pass } = await show(`#/alerts/${id}`);
    store.putAlerts([alertOf(), alertOf({ alertId: id })]);
    await pass(200);
    expect(document.activeElement?.id).toBe(`alert-${id}`);
  });

  it('links to the inbox only where that is a web address', async () => {
    const { store, pass } = await show('#/alerts');
    store.putAlerts([]);
    store.setOverview(overviewOf({ inboxUrl: 'javascript:alert(1)' }));
    await pass(200);
    expect(screen.queryByRole('link', { name: 'Open the mail inbox' })).toBeNull();
    store.setOverview(overviewOf({ inboxUrl: 'http://localhost:1080/' }));
    await pass(200);
    expect(screen.getByRole('link', { name: 'Open the mail inbox' })).toBeTruthy();
  });
});

describe('the people pages', () => {
  it('offer an unregistered device for registration, with its id filled in', async () => {
    const { store, pass } = await show('#/people');
    store.putPatients([patientOf(), patientOf({ subject: 'dd', name: null, isRegistered: false, userId: 'QmNew' })]);
    await pass(200);
    expect(screen.getByRole('rowheader', { name: 'Amina Okafor' })).toBeTruthy();
    const link = screen.getByRole('link', { name: 'Register device QmNew' });
    window.location.hash = link.getAttribute('href') ?? '';
    await waitFor(() => expect(screen.getByRole('heading', { name: 'Register a patient' })).toBeTruthy());
    expect(screen.getByLabelText<HTMLInputElement>("Device's user id").value).toBe('QmNew');
  });
});

describe('the network page', () => {
  it('lists the peers with their roles, and greys out one that is gone', async () => {
    window.matchMedia ??= () => new EventTarget() as MediaQueryList;
    const { store, pass } = await show('#/network');
    const peers = [
      peerOf({ peerId: 'p1', roles: ['storage'] }),
      peerOf({ peerId: 'p2', roles: ['prediction'], pid: 99 }),
    ];
    store.setNetwork({ self: 'p1', peers });
    await pass(200);
    expect(screen.getByRole('rowheader', { name: 'storage (this one)' })).toBeTruthy();
    expect(screen.getAllByRole('row').at(-1)?.textContent).toMatch(/prediction.*99.*82 MB/);
    store.setNetwork({ self: 'p1', peers: peers.slice(0, 1) });
    await pass(1_200);
    expect(screen.getByRole('row', { name: /prediction gone for \d s/ })).toBeTruthy();
    expect(screen.getByText('1 peer alive')).toBeTruthy();
  });
});

describe('relay sessions on the network page', () => {
  const behind = peerOf({ peerId: 'p1', roles: ['aggregation'], isFirewalled: true, relays: [relaySessionOf()] });

  it('are not there where nobody uses a relay', async () => {
    const { store, pass } = await show('#/network');
    store.setNetwork({ self: 'p1', peers: [peerOf()] });
    await pass(200);
    expect(screen.queryByRole('heading', { name: 'Relay sessions' })).toBeNull();
  });

  it('say what they run on, who is in between, and follow a session that moves', async () => {
    const { store, pass } = await show('#/network');
    const opened = relaySessionOf({ isIntercepted: true, proxy: 'proxy.example:3128' });
    const open = peerOf({ peerId: 'p0', roles: ['storage'], relays: [opened] });
    store.setNetwork({ self: 'p0', peers: [open, behind] });
    await pass(200);
    const rows = within(screen.getByRole('table', { name: 'Relay sessions' }))
      .getAllByRole('row')
      .slice(1);
    expect(rows.map((row) => row.textContent)).toEqual([
      expect.stringMatching(/aggregation.*behind a firewall.*long poll.*12 ms.*nothing seen/),
      expect.stringMatching(/storage.*long poll.*TLS is opened on the way.*proxy proxy\.example:3128/),
    ]);
    const moved = relaySessionOf({ transport: 'websocket', migrations: 1 });
    store.apply({ type: 'network', network: { self: 'p0', peers: [{ ...behind, relays: [moved] }] } });
    await pass(200);
    expect(screen.getByText('WebSocket', { selector: '.transport' })).toBeTruthy();
  });

  it('are moved by a press, and say so, or why they were not', async () => {
    const asked: [string, unknown][] = [];
    const { store, pass } = await show('#/network', (url, init) => {
      if (init?.method !== 'POST') return { self: 'p1', peers: [behind] };
      asked.push([url, JSON.parse(String(init.body))]);
      return asked.length === 1 ? relaySessionOf({ transport: 'grpc', migrations: 1 }) : {};
    });
    store.setNetwork({ self: 'p1', peers: [behind] });
    await pass(200);
    const choice = screen.getByRole('combobox', { name: 'Transport for the session of aggregation p1' });
    expect(within(choice).queryByRole('option', { name: 'long poll' })).toBeNull();
    fireEvent.change(choice, { target: { value: 'grpc' } });
    const press = () => fireEvent.click(screen.getByRole('button', { name: /Move the session of aggregation/ }));
    press();
    await waitFor(() => expect(screen.getByText('Runs on gRPC (HTTP/2).')).toBeTruthy());
    expect(asked).toEqual([['/api/v1/network/peers/p1/relays/relay-1/move', { transport: 'grpc' }]]);
    press();
    await waitFor(() => expect(screen.getByText(/^Not moved\. /)).toBeTruthy());
  });
});

describe('the page as a whole', () => {
  it('asks for a key when the server refuses the one it has', async () => {
    const { store, pass } = await show('#/');
    store.setAccess('refused');
    await pass(200);
    expect(screen.getByRole('heading', { name: 'This access key is not accepted' })).toBeTruthy();
  });

  it('says so where there is no such page', async () => {
    await show('#/nowhere');
    expect(screen.getByText('There is no such page.')).toBeTruthy();
  });
});
