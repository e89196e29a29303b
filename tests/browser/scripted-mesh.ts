import { Condition, createSeededRandom } from '@pulsemesh/base';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  PeerView,
  RelaySessionView,
  RelayTransport,
  WindowView,
} from '@pulsemesh/node/api';
import { type GatewayBackend, NotFoundError } from '../../packages/node/src/gateway/backend.ts';
import { alertOf, beat, closeWindow, createHeart, createPeers, type Heart, touch } from './scripted-hearts.ts';

export interface ScriptOptions {
  /** Recording seconds of history there at the start. */
  readonly historySeconds: number;
  readonly nowMs: () => number;
  /** Names in place of the usual ones. */
  readonly names?: readonly (string | null)[];
}

interface Played {
  readonly readings: LiveReading[];
  readonly windows: WindowView[];
  readonly raised: AlertView[];
}

const usualNames = ['Amina Okafor', 'Jonas Lindqvist', 'Mei Tanaka', 'Rosa Delgado', 'Samuel Brandt', null] as const;

/** A mesh that needs no network: whoever owns it moves its time by `advance`. */
export class ScriptedMesh implements GatewayBackend {
  readonly #options: ScriptOptions;
  readonly #random = createSeededRandom(7);
  readonly #handlers = new Set<(event: LiveEvent) => void>();
  readonly #hearts: Heart[];
  readonly #alerts: AlertView[] = [];
  readonly #peers: PeerView[];
  readonly #silent = new Set<string>();
  #atSeconds = 0;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#hearts = (options.names ?? usualNames).map((name, index) => createHeart(name, index, options.historySeconds));
    this.#peers = createPeers(options.nowMs());
    this.#play(options.historySeconds);
  }

  get subjects(): readonly string[] {
    return this.#hearts.map((heart) => heart.patient.subject);
  }

  /** Plays so many recording seconds at once and pushes what they bring. */
  advance(seconds: number): void {
    const { readings, windows, raised } = this.#play(seconds);
    this.#emit({ type: 'readings', readings });
    if (windows.length > 0) this.#emit({ type: 'windows', windows });
    for (const alert of raised) this.#emit({ type: 'alert', alert });
    this.#emit({ type: 'overview', overview: this.overview() });
  }

  /** The heart of that subject sends nothing more. */
  silence(subject: string): void {
    this.#silent.add(subject);
  }

  /** A peer with that role dies; it is listed as dead. */
  killPeer(role: string): void {
    const index = this.#peers.findIndex((peer) => peer.roles.includes(role) && peer.isAlive);
    const peer = this.#peers[index];
    if (peer === undefined) return;
    this.#peers[index] = { ...peer, isAlive: false, connections: [] };
    this.#emit({ type: 'network', network: this.network() });
  }

  overview(): Overview {
    const nowMs = this.#options.nowMs();
    const windows = this.#hearts.reduce((sum, heart) => sum + heart.windows.length, 0);
    return {
      name: 'Pulsemesh demo',
      version: '0.1.0',
      startedMs: nowMs - 95_000,
      nowMs,
      replaySpeed: 10,
      inboxUrl: 'http://localhost:1080/',
      counts: {
        readings: this.#hearts.reduce((sum, heart) => sum + heart.readings.length, 0),
        windows,
        predictions: windows,
        alertsOpen: this.#alerts.filter((alert) => alert.acknowledged === null).length,
        notifications: this.#alerts.length * 2,
      },
      disclaimer:
        'Screening, not diagnosis: an irregular rhythm found here must be confirmed by a clinician with an ECG. ' +
        'Do not rely on this page in an emergency.',
    };
  }

  network(): NetworkView {
    const gateway = this.#peers.find((peer) => peer.roles.includes('gateway'));
    return { self: gateway?.peerId ?? '', peers: this.#peers };
  }

  /** Everywhere a session can go but over gRPC, which somebody in between blocks. */
  async moveRelay(peerId: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    if (transport === 'grpc') throw new Condition('connect-failed', 'gRPC does not pass here');
    const index = this.#peers.findIndex((peer) => peer.peerId === peerId);
    const peer = this.#peers[index];
    const session = peer?.relays.find((one) => one.relay === relay);
    if (peer === undefined || session === undefined) throw new NotFoundError('relay session');
    const moved = { ...session, transport, migrations: session.migrations + 1 };
    this.#peers[index] = { ...peer, relays: [moved] };
    this.#emit({ type: 'network', network: this.network() });
    return moved;
  }

  patients(): readonly PatientView[] {
    return this.#hearts.map((heart) => heart.patient);
  }

  async registerPatient(input: PatientInput): Promise<PatientView> {
    let heart = this.#hearts.find((one) => one.patient.userId === input.userId);
    if (heart === undefined) {
      heart = createHeart(null, this.#hearts.length, Number.POSITIVE_INFINITY);
      this.#hearts.push(heart);
    }
    return this.updatePatient(heart.patient.subject, input);
  }

  async updatePatient(subject: string, input: PatientInput): Promise<PatientView> {
    const heart = this.#heart(subject);
    heart.patient = { ...heart.patient, ...input, isRegistered: true };
    this.#emit({ type: 'patients', patients: [heart.patient] });
    return heart.patient;
  }

  async readings(subject: string, fromMs: number, untilMs: number): Promise<readonly LiveReading[]> {
    return this.#heart(subject).readings.filter(({ tMs }) => tMs >= fromMs && tMs < untilMs);
  }

  async windows(subject: string, fromMs: number, untilMs: number): Promise<readonly WindowView[]> {
    return this.#heart(subject).windows.filter(({ startMs }) => startMs >= fromMs && startMs < untilMs);
  }

  alerts(): readonly AlertView[] {
    return this.#alerts;
  }

  async acknowledge(alertId: string, by: string): Promise<AlertView> {
    const index = this.#alerts.findIndex((alert) => alert.alertId === alertId);
    const alert = this.#alerts[index];
    if (alert === undefined) throw new NotFoundError('alert');
    const seen = { ...alert, acknowledged: alert.acknowledged ?? { by, atMs: this.#options.nowMs() } };
    this.#alerts[index] = seen;
    this.#emit({ type: 'alert', alert: seen });
    return seen;
  }

  subscribe(handler: (event: LiveEvent) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async metrics(): Promise<string> {
    return '';
  }

  #play(seconds: number): Played {
    const played: Played = { readings: [], windows: [], raised: [] };
    for (let count = 0; count < seconds; count += 1) this.#step(played);
    const nowMs = this.#options.nowMs();
    for (const heart of this.#hearts) if (!this.#silent.has(heart.patient.subject)) touch(heart, nowMs);
    return played;
  }

  #step(played: Played): void {
    const at = this.#atSeconds;
    for (const [index, heart] of this.#hearts.entries()) {
      if (this.#silent.has(heart.patient.subject)) continue;
      // The fourth heart's strap slips now and then.
      const slips = index === 3 && at % 400 > 340 && at % 400 < 365;
      if (!slips) played.readings.push(beat(heart, at, this.#random));
      if (at % 10 === 9) played.windows.push(closeWindow(heart, at - 9, slips, this.#random));
      if (at === heart.irregularFrom + 60) {
        const alert = alertOf(heart, this.#alerts.length);
        this.#alerts.unshift(alert);
        played.raised.push(alert);
      }
    }
    this.#atSeconds += 1;
  }

  #heart(subject: string): Heart {
    const heart = this.#hearts.find((one) => one.patient.subject === subject);
    if (heart === undefined) throw new NotFoundError('patient');
    return heart;
  }

  #emit(event: LiveEvent): void {
    for (const handler of this.#handlers) handler(event);
  }
}
