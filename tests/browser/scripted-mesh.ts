import { createSeededRandom, type Random } from '@pulsemesh/base';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  PeerView,
  WindowView,
} from '@pulsemesh/node/api';
import { type GatewayBackend, NotFoundError } from '../../packages/node/src/gateway/backend.ts';

const startMs = Date.UTC(2026, 2, 4, 9, 0, 0);
const hour = 3_600;

interface Heart {
  patient: PatientView;
  readonly restBpm: number;
  /** Recording seconds from which the rhythm is irregular. */
  readonly irregularFrom: number;
  readonly readings: LiveReading[];
  readonly windows: WindowView[];
}

/** What the script plays; whoever owns it moves the time by `advance`. */
export interface ScriptedMesh extends GatewayBackend {
  /** Plays so many recording seconds at once and pushes what they bring. */
  advance(seconds: number): void;
  /** The heart of that subject sends nothing more. */
  silence(subject: string): void;
  /** A peer with that role dies; it is listed as dead. */
  killPeer(role: string): void;
  readonly subjects: readonly string[];
}

export interface ScriptOptions {
  /** Recording seconds of history there at the start. */
  readonly historySeconds: number;
  readonly nowMs: () => number;
  /** Names in place of the usual ones. */
  readonly names?: readonly (string | null)[];
}

const usualNames = ['Amina Okafor', 'Jonas Lindqvist', 'Mei Tanaka', 'Rosa Delgado', 'Samuel Brandt', null] as const;

/** A mesh that needs no network: hearts by arithmetic, one of them irregular ten seconds into the play. */
export function createScriptedMesh(options: ScriptOptions): ScriptedMesh {
  const random = createSeededRandom(7);
  const handlers = new Set<(event: LiveEvent) => void>();
  const emit = (event: LiveEvent) => {
    for (const handler of handlers) handler(event);
  };
  const names = options.names ?? usualNames;
  const hearts = names.map((name, index) => createHeart(name, index, options.historySeconds));
  const alerts: AlertView[] = [];
  const peers = createPeers(options.nowMs());
  const silent = new Set<string>();
  let atSeconds = 0;

  const step = () => {
    const readings: LiveReading[] = [];
    const windows: WindowView[] = [];
    for (const [index, heart] of hearts.entries()) {
      if (silent.has(heart.patient.subject)) continue;
      // The fourth heart's strap slips now and then.
      const slips = index === 3 && atSeconds % 400 > 340 && atSeconds % 400 < 365;
      if (!slips) readings.push(beat(heart, atSeconds, random));
      if (atSeconds % 10 === 9) windows.push(closeWindow(heart, atSeconds - 9, slips, random));
    }
    atSeconds += 1;
    return { readings, windows };
  };
  const raise = (): AlertView[] =>
    hearts
      .filter((heart) => atSeconds === heart.irregularFrom + 60)
      .map((heart) => {
        const alert = alertOf(heart, alerts.length);
        alerts.unshift(alert);
        return alert;
      });

  for (let count = 0; count < options.historySeconds; count += 1) {
    step();
    raise();
  }
  for (const heart of hearts) touch(heart, options.nowMs());

  const self: ScriptedMesh = {
    subjects: hearts.map((heart) => heart.patient.subject),
    advance(seconds) {
      const all = { readings: [] as LiveReading[], windows: [] as WindowView[], raised: [] as AlertView[] };
      for (let count = 0; count < seconds; count += 1) {
        const made = step();
        all.readings.push(...made.readings);
        all.windows.push(...made.windows);
        all.raised.push(...raise());
      }
      for (const heart of hearts) if (!silent.has(heart.patient.subject)) touch(heart, options.nowMs());
      emit({ type: 'readings', readings: all.readings });
      if (all.windows.length > 0) emit({ type: 'windows', windows: all.windows });
      for (const alert of all.raised) emit({ type: 'alert', alert });
      emit({ type: 'overview', overview: self.overview() });
    },
    silence: (subject) => void silent.add(subject),
    killPeer(role) {
      const index = peers.findIndex((peer) => peer.roles.includes(role) && peer.isAlive);
      const peer = peers[index];
      if (peer === undefined) return;
      peers[index] = { ...peer, isAlive: false, connections: [] };
      emit({ type: 'network', network: self.network() });
    },
    overview: (): Overview => ({
      name: 'Pulsemesh demo',
      version: '0.1.0',
      startedMs: options.nowMs() - 95_000,
      nowMs: options.nowMs(),
      replaySpeed: 10,
      inboxUrl: 'http://localhost:1080/',
      counts: {
        readings: hearts.reduce((sum, heart) => sum + heart.readings.length, 0),
        windows: hearts.reduce((sum, heart) => sum + heart.windows.length, 0),
        predictions: hearts.reduce((sum, heart) => sum + heart.windows.length, 0),
        alertsOpen: alerts.filter((alert) => alert.acknowledged === null).length,
        notifications: alerts.length * 2,
      },
      disclaimer:
        'Screening, not diagnosis: an irregular rhythm found here must be confirmed by a clinician with an ECG. Do not rely on this page in an emergency.',
    }),
    network: (): NetworkView => ({ self: 'peer-gateway-0', peers }),
    patients: () => hearts.map((heart) => heart.patient),
    async registerPatient(input) {
      const found = hearts.find((heart) => heart.patient.userId === input.userId);
      const heart = found ?? createHeart(null, hearts.length, Number.POSITIVE_INFINITY);
      if (found === undefined) hearts.push(heart);
      heart.patient = { ...heart.patient, ...input, isRegistered: true };
      emit({ type: 'patients', patients: [heart.patient] });
      return heart.patient;
    },
    async updatePatient(subject, input: PatientInput) {
      const heart = findHeart(hearts, subject);
      heart.patient = { ...heart.patient, ...input, isRegistered: true };
      emit({ type: 'patients', patients: [heart.patient] });
      return heart.patient;
    },
    readings: async (subject, fromMs, untilMs) =>
      findHeart(hearts, subject).readings.filter(({ tMs }) => tMs >= fromMs && tMs < untilMs),
    windows: async (subject, fromMs, untilMs) =>
      findHeart(hearts, subject).windows.filter((window) => window.startMs >= fromMs && window.startMs < untilMs),
    alerts: () => alerts,
    async acknowledge(alertId, by) {
      const index = alerts.findIndex((alert) => alert.alertId === alertId);
      const alert = alerts[index];
      if (alert === undefined) throw new NotFoundError('alert');
      const seen = { ...alert, acknowledged: alert.acknowledged ?? { by, atMs: options.nowMs() } };
      alerts[index] = seen;
      emit({ type: 'alert', alert: seen });
      return seen;
    },
    subscribe(handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
    metrics: async () => '',
  };
  return self;
}

function findHeart(hearts: readonly Heart[], subject: string): Heart {
  const heart = hearts.find((one) => one.patient.subject === subject);
  if (heart === undefined) throw new NotFoundError('patient');
  return heart;
}

function createHeart(name: string | null, index: number, historySeconds: number): Heart {
  const subject = (index + 1).toString(16).padStart(32, 'a0');
  return {
    patient: {
      subject,
      userId: `QmWearable${String(index).padStart(36, 'x')}`,
      isRegistered: name !== null,
      name,
      email: name === null ? null : `patient${index}@example.org`,
      language: name === null ? null : 'en',
      doctor: name === null ? null : { name: 'Dr. Keller', email: 'keller@example.org', language: 'de' },
      tells: { patient: name !== null, doctor: name !== null },
      device: { kind: 'replay' },
      lastReadingMs: null,
      lastArrivalMs: null,
    },
    restBpm: 62 + ((index * 7) % 25),
    irregularFrom:
      index === 0 ? historySeconds + 10 : index === 4 ? historySeconds - hour / 4 : Number.POSITIVE_INFINITY,
    readings: [],
    windows: [],
  };
}

function touch(heart: Heart, nowMs: number): void {
  const newest = heart.readings.at(-1);
  if (newest !== undefined) heart.patient = { ...heart.patient, lastReadingMs: newest.tMs, lastArrivalMs: nowMs };
}

function beat(heart: Heart, seconds: number, random: Random): LiveReading {
  const isIrregular = seconds >= heart.irregularFrom;
  const breath = 3 * Math.sin((2 * Math.PI * seconds) / 4.3) + 4 * Math.sin(seconds / 47);
  const scatter = isIrregular ? 22 + 55 * (random.float() - 0.5) : 1.5 * (random.float() - 0.5);
  const heartRateBpm = Math.round((heart.restBpm + breath + scatter) * 10) / 10;
  const reading: LiveReading = {
    subject: heart.patient.subject,
    tMs: startMs + seconds * 1000,
    heartRateBpm,
    rrMs: [Math.round(60_000 / heartRateBpm)],
  };
  heart.readings.push(reading);
  return reading;
}

function closeWindow(heart: Heart, fromSeconds: number, slips: boolean, random: Random): WindowView {
  const isIrregular = fromSeconds >= heart.irregularFrom;
  const noise = random.float();
  const score = isIrregular ? 0.72 + 0.28 * noise : noise > 0.95 ? 0.5 : 0.02 + 0.2 * noise;
  const window: WindowView = {
    subject: heart.patient.subject,
    startMs: startMs + fromSeconds * 1000,
    readingCount: slips ? 2 : 10,
    missingSeconds: slips ? 8 : 0,
    isUsable: !slips,
    score: slips ? null : Math.round(score * 10_000) / 10_000,
  };
  heart.windows.push(window);
  return window;
}

function alertOf(heart: Heart, count: number): AlertView {
  const isOver = count === 0 && heart.irregularFrom < Number.POSITIVE_INFINITY && heart.restBpm === 65;
  return {
    alertId: (count + 1).toString(16).padStart(32, 'b0'),
    subject: heart.patient.subject,
    patientName: heart.patient.name,
    kind: 'irregular-rhythm',
    episodeStartMs: startMs + Math.ceil(heart.irregularFrom / 10) * 10_000,
    raisedForMs: startMs + (Math.ceil(heart.irregularFrom / 10) + 5) * 10_000,
    resolvedMs: isOver ? startMs + (heart.irregularFrom + 600) * 1000 : null,
    notifiedCount: 2,
    acknowledged: null,
  };
}

function createPeers(nowMs: number): PeerView[] {
  const roles = [
    ...['bootstrap', 'bootstrap', 'ingest', 'storage', 'storage', 'aggregation', 'aggregation'],
    ...['prediction', 'prediction', 'notification', 'gateway'],
  ];
  const counts = new Map<string, number>();
  const ids = roles.map((role) => {
    const count = counts.get(role) ?? 0;
    counts.set(role, count + 1);
    return `peer-${role}-${count}`;
  });
  return roles.map((role, index) => ({
    peerId: ids[index] as string,
    roles: [role],
    pid: 4_210 + index,
    addresses: [`/ip4/127.0.0.1/tcp/${41_000 + index}`],
    startedMs: nowMs - 90_000,
    isAlive: true,
    connections: ids.filter((_id, other) => other !== index && (other < 2 || index < 2 || (other + index) % 2 === 1)),
    patientCount: role === 'aggregation' ? 3 : null,
    rssBytes: 70_000_000 + index * 4_300_000,
  }));
}
