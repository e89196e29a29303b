import type { Random } from '@pulsemesh/base';
import type { AlertView, LiveReading, PatientView, PeerView, RelaySessionView, WindowView } from '@pulsemesh/node/api';

const startMs = Date.UTC(2026, 2, 4, 9, 0, 0);
const quarterSeconds = 900;

/** A heart by arithmetic, and what it has measured so far. */
export interface Heart {
  patient: PatientView;
  readonly restBpm: number;
  /** Recording seconds from which the rhythm is irregular. */
  readonly irregularFrom: number;
  readonly readings: LiveReading[];
  readonly windows: WindowView[];
}

/** The first heart becomes irregular ten seconds after the history, the fifth a quarter of an hour before its end. */
export function createHeart(name: string | null, index: number, historySeconds: number): Heart {
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
      index === 0 ? historySeconds + 10 : index === 4 ? historySeconds - quarterSeconds : Number.POSITIVE_INFINITY,
    readings: [],
    windows: [],
  };
}

/** Writes down when the newest reading was measured and came. */
export function touch(heart: Heart, nowMs: number): void {
  const newest = heart.readings.at(-1);
  if (newest !== undefined) heart.patient = { ...heart.patient, lastReadingMs: newest.tMs, lastArrivalMs: nowMs };
}

/** The reading of one second. */
export function beat(heart: Heart, seconds: number, random: Random): LiveReading {
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

/** The window of the ten seconds from there; not usable while the strap slips. */
export function closeWindow(heart: Heart, fromSeconds: number, slips: boolean, random: Random): WindowView {
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

/** The alert of a heart's irregular stretch; the earlier heart's has ended. */
export function alertOf(heart: Heart, count: number): AlertView {
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

const firewalledId = fakeId('aggregation', 1);
const relayId = fakeId('relay', 0);

/** An id of the right shape that tells the role. */
function fakeId(role: string, count: number): string {
  return `peer${role}${count + 1}`.replace(/[^1-9A-HJ-NP-Za-km-z]/g, 'x').padEnd(52, 'x');
}

function relaySession(isFirewalled: boolean): RelaySessionView {
  return {
    relay: relayId,
    url: 'https://127.0.0.1:8443',
    state: 'up',
    transport: isFirewalled ? 'long-poll' : 'grpc',
    rttMs: isFirewalled ? 14 : 2.1,
    migrations: 0,
    isIntercepted: isFirewalled,
    tls: 'TLSv1.3',
    proxy: isFirewalled ? '127.0.0.1:3128' : null,
  };
}

/** The demo's twelve peers. */
export function createPeers(nowMs: number): PeerView[] {
  const roles = [
    ...['bootstrap', 'bootstrap', 'ingest', 'storage', 'storage', 'aggregation', 'aggregation'],
    ...['prediction', 'prediction', 'notification', 'gateway', 'relay'],
  ];
  const counts = new Map<string, number>();
  const ids = roles.map((role) => {
    const count = counts.get(role) ?? 0;
    counts.set(role, count + 1);
    return fakeId(role, count);
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
    isFirewalled: ids[index] === firewalledId,
    relays: [relaySession(ids[index] === firewalledId)],
  }));
}
