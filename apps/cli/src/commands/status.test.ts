import { describe, expect, it } from 'vitest';
import { type Status, statusLines } from './status.ts';

const alert = {
  alertId: 'a'.repeat(32),
  subject: 's',
  patientName: null,
  kind: 'irregular-rhythm',
  episodeStartMs: 0,
  raisedForMs: 0,
  resolvedMs: null,
  notifiedCount: 2,
  acknowledged: null,
} as const;
const peer = {
  roles: ['storage'],
  pid: 7,
  addresses: [],
  startedMs: 0,
  connections: ['b'],
  patientCount: null,
  isFirewalled: false,
  relays: [],
};
const session = {
  relay: 'r',
  url: 'https://relay.example',
  state: 'up',
  transport: 'long-poll',
  rttMs: 12,
  migrations: 3,
  isIntercepted: true,
  tls: 'TLSv1.3',
  proxy: null,
} as const;
const status: Status = {
  overview: {
    name: 'Pulsemesh',
    version: '0.1.0',
    startedMs: 0,
    nowMs: 90_000,
    replaySpeed: 10,
    inboxUrl: null,
    counts: { readings: 3, windows: 2, predictions: 1, alertsOpen: 2, notifications: 4 },
    disclaimer: 'Screening, not diagnosis.',
  },
  network: {
    self: 'x',
    peers: [
      { ...peer, peerId: 'x', isAlive: true, rssBytes: 104_857_600 },
      { ...peer, peerId: 'y', isAlive: true, rssBytes: 1, isFirewalled: true, relays: [session] },
      { ...peer, peerId: 'evil\u001b[2J', isAlive: false, rssBytes: null },
    ],
  },
  patients: [],
  alerts: [alert, { ...alert, acknowledged: { by: 'Dr', atMs: 1 } }, { ...alert, resolvedMs: 5 }],
};

describe('the status in the terminal', () => {
  const text = statusLines(status).join('\n');

  it('counts as the page does', () => {
    expect(text).toContain('up 90 s, replaying 10 times faster than life');
    expect(text).toMatch(/alerts +2 open, 1 of them not acknowledged; 4 mails sent/);
    expect(text).toMatch(/peers +2 of 3 alive/);
    expect(text).toMatch(/storage +7 +1 +100 MiB +up +x/);
  });

  it('shows what relay sessions run on', () => {
    expect(text).toMatch(/storage +long-poll +12 ms +3 +TLS opened +relay alone +https:\/\/relay\.example/);
  });

  it('lets nobody steer the terminal', () => {
    expect(text).not.toContain('\u001b');
  });
});
