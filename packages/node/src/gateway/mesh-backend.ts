import {
  type Clock,
  errorCode,
  type Logger,
  type Meter,
  type Random,
  startTicker,
  type Timer,
  withTimeout,
} from '@pulsemesh/base';
import type { LivePeer, NetworkPort, RpcClient, SubjectId } from '@pulsemesh/network';
import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import { type Patient, type PeopleDirectory, parsePatientInput } from '@pulsemesh/vitals/people';
import { alertRecord, parseAlertEvent, type RecordsClient } from '@pulsemesh/vitals/records';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  RelaySessionView,
  RelayTransport,
  WindowView,
} from '../api/types.ts';
import { askMetrics, type PeerStatus } from '../status/status.ts';
import { AlertBook } from './alert-book.ts';
import { AlreadyRegisteredError, type GatewayBackend, NotFoundError } from './backend.ts';
import { followFeeds } from './feed-follower.ts';
import { LiveView } from './live-view.ts';
import { mergeMetrics } from './merge-metrics.ts';
import { PeerWatch } from './peer-watch.ts';
import { askCounts, type StoredCounts } from './stored-counts.ts';

export interface MeshBackendOptions {
  readonly name: string;
  readonly version: string;
  readonly replaySpeed: number | null;
  readonly inboxUrl: string | null;
}

export interface MeshBackendDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly directory: PeopleDirectory;
  readonly records: RecordsClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly ownStatus: () => PeerStatus;
  readonly ownMetrics: () => Promise<string>;
  /** Moves a relay session of this process. */
  readonly moveOwn: (relay: string, transport: RelayTransport) => Promise<void>;
  /** Told of every change as it arrives, before the pages are; for measuring runs. */
  readonly onArrival?: (change: {
    readonly readings: readonly LiveReading[];
    readonly windows: readonly WindowView[];
  }) => void;
}

/** The text shown wherever a result is. */
export const disclaimer =
  'Screening, not diagnosis: Pulsemesh points out irregular rhythms to be looked at; it does not replace a physician.';

const overviewPeriodMs = 1_000;
const countsPeriodMs = 2_000;
const alertRefreshMsMin = 500;
const alertRefreshMsMax = 30_000;
// Within the time that the HTTP server gives a request.
const storeMs = 7_000;
const alertsReloadMs = 300;
const allTime = { fromSeconds: 0, untilSeconds: 2 ** 32 };

/** The gateway's view of a real network. Dispose to stop. */
export class MeshBackend implements GatewayBackend, Disposable {
  readonly #options: MeshBackendOptions;
  readonly #deps: MeshBackendDependencies;
  readonly #startedMs: number;
  readonly #live = new LiveView(parseAlertEvent);
  readonly #alerts: AlertBook;
  readonly #peers: PeerWatch;
  readonly #handlers = new Set<(event: LiveEvent) => void>();
  readonly #stack = new DisposableStack();
  #counts: StoredCounts = { readings: 0, windows: 0, predictions: 0 };
  #lastOverview = '';
  /** Subjects whose alerts are still to be read from storage. */
  readonly #unread = new Set<SubjectId>();
  #isReading = false;
  #refreshTimer: Timer | undefined;

  constructor(options: MeshBackendOptions, deps: MeshBackendDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
    this.#alerts = new AlertBook((subject) => deps.directory.bySubject(subject as SubjectId)?.input?.name ?? null);
    this.#peers = this.#stack.use(
      new PeerWatch({}, deps, () => this.#emit({ type: 'network', network: this.network() })),
    );
    const { clock, logger } = deps;
    const onError = (error: unknown) => logger.debug('a look at the network failed', { code: errorCode(error) });
    const tick = (periodMs: number, action: () => void | Promise<void>) => {
      const ticker = startTicker(clock, periodMs, action, onError);
      this.#stack.defer(() => ticker.stop());
    };
    this.#stack.use(followFeeds({ onItem: (item) => this.#take(item), onJoined: () => this.#readAllAlerts() }, deps));
    this.#stack.use(deps.directory.onChange(() => this.#emit({ type: 'patients', patients: this.patients() })));
    tick(countsPeriodMs, () => this.#count());
    tick(overviewPeriodMs, () => this.#tellOverview());
    tick(alertsReloadMs, () => this.#readAlerts());
    this.#refreshUnsettled(alertRefreshMsMin);
    this.#readAllAlerts();
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
    this.#refreshTimer?.cancel();
    this.#handlers.clear();
  }

  overview(): Overview {
    const { name, version, replaySpeed, inboxUrl } = this.#options;
    return {
      name,
      version,
      startedMs: this.#startedMs,
      nowMs: this.#deps.clock.now(),
      replaySpeed,
      inboxUrl,
      counts: { ...this.#counts, alertsOpen: this.#alerts.openCount, notifications: this.#alerts.notifiedCount },
      disclaimer,
    };
  }

  network(): NetworkView {
    return this.#peers.view();
  }

  moveRelay(peer: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    return this.#peers.moveRelay(peer, relay, transport);
  }

  patients(): readonly PatientView[] {
    return this.#deps.directory.list().map((patient) => this.#patientView(patient));
  }

  async registerPatient(input: PatientInput): Promise<PatientView> {
    const parsed = parsePatientInput(input);
    if (this.#deps.directory.peek(parsed.userId)?.isRegistered) throw new AlreadyRegisteredError();
    return this.#patientView(await this.#deps.directory.register(parsed));
  }

  async updatePatient(subject: string, input: PatientInput): Promise<PatientView> {
    this.#patient(subject);
    return this.#patientView(await this.#deps.directory.update(subject as SubjectId, parsePatientInput(input)));
  }

  async readings(subject: string, fromMs: number, untilMs: number): Promise<readonly LiveReading[]> {
    const { keyTree, userId } = this.#patient(subject);
    const readings = await this.#deps.records.readings(keyTree, userId, spanOf(fromMs, untilMs));
    return readings
      .filter(({ tMs }) => tMs >= fromMs && tMs < untilMs)
      .map(({ tMs, heartRateBpm, rrMs }) => ({ subject, tMs, heartRateBpm, rrMs }))
      .sort((one, other) => one.tMs - other.tMs);
  }

  async windows(subject: string, fromMs: number, untilMs: number): Promise<readonly WindowView[]> {
    const { keyTree } = this.#patient(subject);
    const span = spanOf(fromMs, untilMs);
    const [windows, predictions] = await Promise.all([
      this.#deps.records.windows(keyTree, span),
      this.#deps.records.predictions(keyTree, span),
    ]);
    const scores = new Map(predictions.map((prediction) => [prediction.startSeconds, prediction.score]));
    return windows.map((window) => ({
      subject,
      startMs: window.startSeconds * 1000,
      readingCount: window.readingCount,
      missingSeconds: window.quality.missingSeconds,
      isUsable: window.quality.isUsable,
      score: scores.get(window.startSeconds) ?? null,
    }));
  }

  alerts(): readonly AlertView[] {
    return this.#alerts.list();
  }

  async acknowledge(alertId: string, by: string): Promise<AlertView> {
    const { records, random, clock } = this.#deps;
    const alert = this.#alerts.get(alertId);
    if (alert === undefined) throw new NotFoundError('alert');
    if (alert.acknowledged !== null) return alert;
    const { keyTree } = this.#patient(alert.subject);
    const event: AlertEvent = { type: 'acknowledged', alertId, by, atMs: clock.now() };
    const sealed = alertRecord(keyTree, event, alert.episodeStartMs / 1000, random);
    await withTimeout(clock, 'storing the acknowledgement', storeMs, (signal) => records.put([sealed], { signal }));
    this.#addAlertEvents(alert.subject, [event]);
    return this.#alerts.get(alertId) ?? alert;
  }

  subscribe(handler: (event: LiveEvent) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async metrics(): Promise<string> {
    const { port, rpc, ownMetrics, logger } = this.#deps;
    const others = port.livePeers().filter((peer) => peer.id !== port.self);
    const ask = async ({ id }: LivePeer): Promise<string> => {
      try {
        return await askMetrics(rpc, id);
      } catch (error) {
        logger.info('a peer is left out of the metrics', { peer: id, code: errorCode(error) });
        return '';
      }
    };
    const texts = await Promise.all(others.map(ask));
    return mergeMetrics([await ownMetrics(), ...texts]);
  }

  #take(item: unknown): void {
    const { clock, logger, onArrival } = this.#deps;
    try {
      const { readings, windows, alerts } = this.#live.take(item, clock.now());
      if (readings.length > 0 || windows.length > 0) onArrival?.({ readings, windows });
      if (readings.length > 0) this.#emit({ type: 'readings', readings });
      if (windows.length > 0) this.#emit({ type: 'windows', windows });
      for (const { subject, event } of alerts) this.#addAlertEvents(subject, [event]);
    } catch (error) {
      logger.warn('a feed pushed something else than agreed', { code: errorCode(error) });
    }
  }

  #addAlertEvents(subject: string, events: readonly AlertEvent[]): void {
    const changed = new Set<string>();
    for (const event of events) if (this.#alerts.add(subject, event)) changed.add(event.alertId);
    if (changed.size > 0) this.#refreshUnsettled(alertRefreshMsMin);
    for (const alertId of changed) {
      const alert = this.#alerts.get(alertId);
      if (alert !== undefined) this.#emit({ type: 'alert', alert });
    }
  }

  /** What was pushed while nobody listened is in storage: all of it is read again. */
  #readAllAlerts(): void {
    for (const patient of this.#deps.directory.list()) this.#unread.add(patient.subjectId);
  }

  async #readAlerts(): Promise<void> {
    if (this.#isReading || this.#unread.size === 0) return;
    if (this.#deps.port.livePeers('storage').length === 0) return;
    this.#isReading = true;
    try {
      for (const subjectId of [...this.#unread]) {
        const patient = this.#deps.directory.bySubject(subjectId);
        if (patient !== undefined) {
          this.#addAlertEvents(subjectId, await this.#deps.records.alertEvents(patient.keyTree, allTime));
        }
        this.#unread.delete(subjectId);
      }
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * Mails accepted and acknowledgements by others are written to storage only: it is asked soon after something
   * happened, then ever more rarely.
   */
  #refreshUnsettled(delayMs: number): void {
    this.#refreshTimer?.cancel();
    if (this.#stack.disposed) return;
    this.#refreshTimer = this.#deps.clock.setTimer(() => {
      for (const { subject } of this.#alerts.unsettled()) this.#unread.add(subject as SubjectId); // of our own directory
      this.#refreshUnsettled(Math.min(delayMs * 2, alertRefreshMsMax));
    }, delayMs);
  }

  async #count(): Promise<void> {
    this.#counts = await askCounts(this.#deps, this.#counts);
    const { meter } = this.#deps;
    const stored = meter.gauge('pulsemesh_stored_records', 'Distinct records in storage, as the page shows them', [
      'kind',
    ]);
    stored.set(this.#counts.readings, { kind: 'reading' });
    stored.set(this.#counts.windows, { kind: 'window' });
    stored.set(this.#counts.predictions, { kind: 'prediction' });
    meter.gauge('pulsemesh_alerts_open', 'Alerts not resolved').set(this.#alerts.openCount);
    meter.gauge('pulsemesh_notifications', 'Mails accepted by the mail server').set(this.#alerts.notifiedCount);
  }

  #tellOverview(): void {
    const overview = this.overview();
    const { nowMs: _, ...rest } = overview;
    const text = JSON.stringify(rest);
    if (text === this.#lastOverview) return;
    this.#lastOverview = text;
    this.#emit({ type: 'overview', overview });
  }

  #emit(event: LiveEvent): void {
    for (const handler of this.#handlers) handler(event);
  }

  #patient(subject: string): Patient {
    const patient = this.#deps.directory.bySubject(subject as SubjectId);
    if (patient === undefined) throw new NotFoundError('patient');
    return patient;
  }

  #patientView(patient: Patient): PatientView {
    const { input, subjectId, userId, deviceKind } = patient;
    const last = this.#live.lastOf(subjectId);
    return {
      subject: subjectId,
      userId,
      isRegistered: input !== null,
      name: input?.name ?? null,
      email: input?.email ?? null,
      language: input?.language ?? null,
      doctor: input?.doctor ?? null,
      tells: input?.tells ?? { patient: false, doctor: false },
      device: { kind: deviceKind },
      lastReadingMs: last?.lastReadingMs ?? null,
      lastArrivalMs: last?.lastArrivalMs ?? null,
    };
  }
}

function spanOf(fromMs: number, untilMs: number): { fromSeconds: number; untilSeconds: number } {
  // Whole buckets of ten seconds: a window starts before the readings in it.
  return { fromSeconds: Math.floor(fromMs / 10_000) * 10, untilSeconds: Math.ceil(untilMs / 1000) };
}
