import type { AlertView, Overview, PatientView, PeerView, RelaySessionView } from '@pulsemesh/node/api';
import type { EventSourceLike } from './api/live-feed.ts';

/** Views for tests: a plain one, changed where the test says. */

export function patientOf(change: Partial<PatientView> = {}): PatientView {
  return {
    subject: 'a'.repeat(32),
    userId: 'QmWearable',
    isRegistered: true,
    name: 'Amina Okafor',
    email: 'amina@example.org',
    language: 'en',
    doctor: { name: 'Dr. Keller', email: 'keller@example.org', language: 'de' },
    tells: { patient: true, doctor: true },
    device: { kind: 'replay' },
    lastReadingMs: null,
    lastArrivalMs: null,
    ...change,
  };
}

export function alertOf(change: Partial<AlertView> = {}): AlertView {
  return {
    alertId: 'b'.repeat(32),
    subject: 'a'.repeat(32),
    patientName: 'Amina Okafor',
    kind: 'irregular-rhythm',
    episodeStartMs: 1_000_000,
    raisedForMs: 1_060_000,
    resolvedMs: null,
    notifiedCount: 0,
    acknowledged: null,
    ...change,
  };
}

export function peerOf(change: Partial<PeerView> = {}): PeerView {
  return {
    peerId: 'peer-1',
    roles: ['storage'],
    pid: 17,
    addresses: [],
    startedMs: 0,
    isAlive: true,
    connections: [],
    patientCount: null,
    rssBytes: 81_600_000,
    isFirewalled: false,
    relays: [],
    ...change,
  };
}

export function relaySessionOf(change: Partial<RelaySessionView> = {}): RelaySessionView {
  return {
    relay: 'relay-1',
    url: 'https://relay.example',
    state: 'up',
    transport: 'long-poll',
    rttMs: 12,
    migrations: 0,
    isIntercepted: false,
    tls: 'TLSv1.3',
    proxy: null,
    ...change,
  };
}

export function overviewOf(change: Partial<Overview> = {}): Overview {
  return {
    name: 'Pulsemesh',
    version: '0.1.0',
    startedMs: 0,
    nowMs: 0,
    replaySpeed: null,
    inboxUrl: null,
    counts: { readings: 0, windows: 0, predictions: 0, alertsOpen: 0, notifications: 0 },
    disclaimer: 'Screening, not diagnosis.',
    ...change,
  };
}

/** An EventSource that does what the test says. */
export class FakeEventSource implements EventSourceLike {
  readonly url: string;
  isClosed = false;
  readonly #listeners = new Map<string, ((event: { readonly data?: unknown }) => void)[]>();

  constructor(url: string) {
    this.url = url;
  }

  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  close(): void {
    this.isClosed = true;
  }

  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }
}
