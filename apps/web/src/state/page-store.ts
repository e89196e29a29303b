import type { Clock, Timer } from '@pulsemesh/base/clock';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientView,
  ProfileView,
  WindowView,
} from '@pulsemesh/node/api';
import type { ConnectionState } from '../api/live-feed.ts';
import { rememberNetwork, type ShownNetwork } from './network-memory.ts';
import { SampleBuffer } from './sample-buffer.ts';
import { mergeWindows } from './window-history.ts';

/** Whether the server takes this page's key. */
export type Access = 'missing' | 'granted' | 'refused';

/** What all pages show; each change makes a new object. `null`: not yet known. */
export interface PageState {
  readonly access: Access;
  readonly connection: ConnectionState;
  readonly overview: Overview | null;
  readonly patients: ReadonlyMap<string, PatientView> | null;
  readonly alerts: ReadonlyMap<string, AlertView> | null;
  readonly network: ShownNetwork | null;
  /** What this node is to consent. */
  readonly profile: ProfileView | null;
  /** Grows with each event about consent and each new block: whoever shows either asks anew. */
  readonly consentVersion: number;
  /** A sentence for the person when first loading failed; null otherwise. */
  readonly loadError: string | null;
  /** Events that could not be read: the server may be newer than this page. */
  readonly badEventCount: number;
}

/** A patient's last moment as known here. Wall times are the server's. */
export interface Latest {
  readonly tMs: number;
  readonly heartRateBpm: number;
  readonly arrivalMs: number | null;
}

/** Patients, and alerts, that a page keeps; what is beyond is not shown. */
export const patientsMax = 2_000;
export const alertsMax = 500;
/** Changes are told to React in bundles, this far apart. */
export const notifyGapMs = 100;

const noWindows: readonly WindowView[] = [];

/**
 * Everything the page knows. Samples and windows are kept outside React: `subscribe` names a topic ('page',
 * 'windows:SUBJECT', 'samples:SUBJECT'); 'samples' is called at once (a chart draws once per frame by itself),
 * the others in bundles. The owner calls `stop`.
 */
export class PageStore {
  readonly #clock: Clock;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #dirty = new Set<string>();
  readonly #samples = new Map<string, SampleBuffer>();
  readonly #windows = new Map<string, readonly WindowView[]>();
  readonly #arrivals = new Map<string, number>();
  #state: PageState;
  #serverAheadMs = 0;
  #timer: Timer | undefined;

  constructor(options: { readonly access: Access }, dependencies: { readonly clock: Clock }) {
    this.#clock = dependencies.clock;
    this.#state = {
      access: options.access,
      connection: { kind: 'connecting' },
      overview: null,
      patients: null,
      alerts: null,
      network: null,
      profile: null,
      consentVersion: 0,
      loadError: null,
      badEventCount: 0,
    };
  }

  get state(): PageState {
    return this.#state;
  }

  /** The server's wall time now, as far as the page can tell. */
  nowMs(): number {
    return this.#clock.now() + this.#serverAheadMs;
  }

  subscribe(topic: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  samples(subject: string): SampleBuffer {
    let buffer = this.#samples.get(subject);
    if (buffer === undefined) {
      buffer = new SampleBuffer();
      if (this.#samples.size < patientsMax) this.#samples.set(subject, buffer);
    }
    return buffer;
  }

  windows(subject: string): readonly WindowView[] {
    return this.#windows.get(subject) ?? noWindows;
  }

  /** Newest reading of a patient, or null before the first. */
  latest(subject: string): Latest | null {
    const buffer = this.#samples.get(subject);
    const seconds = buffer?.newestSeconds ?? null;
    const bpm = buffer?.newestBpm ?? null;
    if (seconds === null || bpm === null) return null;
    const arrivalMs = this.#arrivals.get(subject) ?? this.#state.patients?.get(subject)?.lastArrivalMs ?? null;
    return { tMs: Math.round(seconds * 1000), heartRateBpm: bpm, arrivalMs };
  }

  setAccess(access: Access): void {
    this.#change({ access });
  }

  setConnection(connection: ConnectionState): void {
    this.#change({ connection });
  }

  setLoadError(loadError: string | null): void {
    this.#change({ loadError });
  }

  countBadEvent(): void {
    this.#change({ badEventCount: this.#state.badEventCount + 1 });
  }

  apply(event: LiveEvent): void {
    switch (event.type) {
      case 'readings':
        this.addReadings(event.readings, 'live');
        break;
      case 'windows':
        this.addWindows(event.windows);
        break;
      case 'alert':
        this.putAlerts([event.alert]);
        break;
      case 'patients':
        this.putPatients(event.patients);
        break;
      case 'network':
        this.setNetwork(event.network);
        break;
      case 'overview':
        this.setOverview(event.overview);
        break;
      case 'consent':
      case 'ledger':
        this.renewConsent();
        break;
    }
  }

  setOverview(overview: Overview): void {
    this.#serverAheadMs = overview.nowMs - this.#clock.now();
    this.#change({ overview });
  }

  setProfile(profile: ProfileView): void {
    this.#change({ profile });
  }

  /** What is shown of consent may be old: after an event, and after each connection. */
  renewConsent(): void {
    this.#change({ consentVersion: this.#state.consentVersion + 1 });
  }

  /** Adds and replaces. An event may carry only those that changed; nobody is unregistered on this page. */
  putPatients(news: readonly PatientView[]): void {
    const patients = new Map(this.#state.patients);
    for (const patient of news) {
      if (patients.has(patient.subject) || patients.size < patientsMax) patients.set(patient.subject, patient);
    }
    this.#change({ patients });
  }

  putAlerts(news: readonly AlertView[]): void {
    const alerts = new Map(this.#state.alerts);
    for (const alert of news) alerts.set(alert.alertId, alert);
    if (alerts.size > alertsMax) {
      const oldestFirst = [...alerts.values()].sort((a, b) => a.raisedForMs - b.raisedForMs);
      for (const alert of oldestFirst.slice(0, alerts.size - alertsMax)) alerts.delete(alert.alertId);
    }
    this.#change({ alerts });
  }

  setNetwork(view: NetworkView): void {
    this.#change({ network: rememberNetwork(this.#state.network, view, this.nowMs()) });
  }

  /** 'live': they arrived just now; 'history': they were asked for. */
  addReadings(readings: readonly LiveReading[], origin: 'live' | 'history'): void {
    const touched = new Set<string>();
    for (const reading of readings) {
      if (this.samples(reading.subject).add(reading.tMs / 1000, reading.heartRateBpm)) touched.add(reading.subject);
    }
    for (const subject of touched) {
      if (origin === 'live') this.#arrivals.set(subject, this.nowMs());
      for (const listener of this.#listeners.get(`samples:${subject}`) ?? []) listener();
    }
  }

  addWindows(windows: readonly WindowView[]): void {
    for (const [subject, news] of Map.groupBy(windows, (window) => window.subject)) {
      const known = this.windows(subject);
      const merged = mergeWindows(known, news);
      if (merged === known || (known.length === 0 && this.#windows.size >= patientsMax)) continue;
      this.#windows.set(subject, merged);
      this.#tell(`windows:${subject}`);
    }
  }

  /** Forgets pending notifications; may be called twice. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  #change(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change };
    this.#tell('page');
  }

  #tell(topic: string): void {
    this.#dirty.add(topic);
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined;
      const topics = [...this.#dirty];
      this.#dirty.clear();
      for (const name of topics) {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) listener();
      }
    }, notifyGapMs);
  }
}
