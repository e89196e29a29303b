import { Condition, createPrometheusMeter, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox } from '@pulsemesh/crypto';
import { createRpcClient, type SubjectId, serveRpc } from '@pulsemesh/network';
import { createMemoryNetwork, type MemoryPeer } from '@pulsemesh/network/testing';
import { createMemoryRecords, createMemoryTables } from '@pulsemesh/store';
import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import { openPeopleDirectory } from '@pulsemesh/vitals/people';
import type { UserId } from '@pulsemesh/vitals/readings';
import {
  alertRecord,
  createRecordsClient,
  predictionRecord,
  readingRecord,
  windowRecord,
} from '@pulsemesh/vitals/records';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import { describe, expect, it } from 'vitest';
import type { LiveEvent, PatientInput, RelaySessionView } from '../api/types.ts';
import { type PeerStatus, serveStatus } from '../status/status.ts';
import { MeshBackend } from './mesh-backend.ts';

const ada: PatientInput = {
  userId: 'QmAda',
  name: 'Ada Example',
  email: 'ada@example.org',
  language: 'en',
  doctor: null,
  tells: { patient: true, doctor: false },
  device: { kind: 'live' },
};
const startSeconds = 1_700_000_000;
const alertId = 'ab'.repeat(16);
const raised: AlertEvent = {
  type: 'raised',
  alertId,
  kind: 'irregular-rhythm',
  episodeStartSeconds: startSeconds,
  atSeconds: startSeconds + 60,
};
const status = (name: string, patientCount: number | null): PeerStatus => ({
  name,
  version: '0.1.0',
  pid: 1,
  startedMs: 0,
  rssBytes: 50 * 2 ** 20,
  connections: [],
  patientCount,
  isFirewalled: false,
  relays: [],
});
const relayId = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA';
const session: RelaySessionView = {
  relay: relayId,
  url: 'https://relay.example',
  state: 'up',
  transport: 'long-poll',
  rttMs: 12.345,
  migrations: 0,
  isIntercepted: true,
  tls: 'TLSv1.3',
  proxy: null,
};

function fail(): never {
  throw new Error('the patient is there');
}

/** A network in memory: one storage peer, one aggregation peer that pushes what the test says, and gateways. */
class World {
  readonly clock = new VirtualClock();
  readonly random = createSeededRandom(1);
  readonly network = createMemoryNetwork({ clock: this.clock, random: this.random });
  readonly tables = createMemoryTables();
  readonly deps = { clock: this.clock, random: this.random, logger: silentLogger, meter: silentMeter };
  session = session;
  readonly #pushes: unknown[] = [];
  #wake = () => {};
  aggregation!: MemoryPeer;

  async start(): Promise<void> {
    const port = this.network.join({ roles: ['storage'] });
    const rpc = createRpcClient({ port, clock: this.clock });
    await startStorageRole({}, { ...this.deps, port, rpc, records: createMemoryRecords({ random: this.random }) });
    this.aggregation = this.network.join({ roles: ['aggregation'], pid: 77 });
    const meter = createPrometheusMeter({ role: 'aggregation', instance: 'aggregation-1' });
    meter.counter('windows_total', 'Windows').add(3);
    serveStatus(this.aggregation, {
      status: () => ({ ...status('aggregation-1', 4), isFirewalled: true, relays: [this.session] }),
      metrics: () => meter.text(),
      moveRelay: async (_relay, transport) => {
        if (transport === 'grpc') throw new Condition('transport-blocked', 'grpc does not pass here');
        this.session = { ...this.session, transport, migrations: this.session.migrations + 1 };
      },
    });
    serveRpc(this.aggregation, '/pulsemesh/feed/1', { subscribe: () => this.#feed() });
  }

  push(item: { readings?: unknown[]; windows?: unknown[]; alerts?: unknown[] }): void {
    this.#pushes.push({ readings: [], windows: [], alerts: [], ...item });
    this.#wake();
  }

  async gateway() {
    const port = this.network.join({ roles: ['gateway'] });
    const rpc = createRpcClient({ port, clock: this.clock });
    const box = createBox(new Uint8Array(32).fill(7), { random: this.random });
    const directory = await openPeopleDirectory({}, { tables: this.tables, box, random: this.random });
    const records = createRecordsClient({}, { ...this.deps, port, rpc });
    const meter = createPrometheusMeter({ role: 'gateway', instance: 'gateway' });
    const ownMetrics = () => meter.text();
    const ownStatus = () => status('gateway', null);
    const options = { name: 'Pulsemesh', version: '0.1.0', replaySpeed: null, inboxUrl: null };
    const backend = new MeshBackend(options, {
      ...this.deps,
      meter,
      port,
      rpc,
      directory,
      records,
      ownMetrics,
      ownStatus,
      moveOwn: async () => {},
    });
    const events: LiveEvent[] = [];
    backend.subscribe((event) => events.push(event));
    return { backend, directory, records, events };
  }

  /** Lets the clock run until `promise` settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = () => {
      isSettled = true;
    };
    promise.then(settled, settled);
    for (let step = 0; step < 400 && !isSettled; step += 1) await this.clock.advance(50);
    return promise;
  }

  async *#feed() {
    yield { readings: [], windows: [], alerts: [] };
    for (;;) {
      const next = this.#pushes.shift();
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

async function createWorld() {
  const world = new World();
  await world.start();
  const gateway = await world.gateway();
  const patient = await gateway.backend.registerPatient(ada);
  await world.clock.advance(1_000);
  return { world, patient, ...gateway };
}

describe('the gateway in a network', () => {
  it('passes on what an aggregation peer pushes, and remembers the newest of each heart', async () => {
    const { world, backend, patient, events } = await createWorld();
    world.push({
      readings: [[patient.subject, 5_000, 61, [980]]],
      windows: [[patient.subject, 0, 0.25, 'rr', 0, 0, 5, 'm']],
    });
    await world.clock.advance(500);
    expect(events).toContainEqual({
      type: 'readings',
      readings: [{ subject: patient.subject, tMs: 5_000, heartRateBpm: 61, rrMs: [980] }],
    });
    expect(events.find((event) => event.type === 'windows')).toMatchObject({
      windows: [{ score: 0.25, isUsable: true }],
    });
    expect(backend.patients()[0]).toMatchObject({ lastReadingMs: 5_000, name: 'Ada Example' });
  });

  it('shows on what relay sessions run, and moves them where they can go', async () => {
    const { world, backend, events } = await createWorld();
    const peerId = world.aggregation.self;
    const shown = () => backend.network().peers.find((peer) => peer.peerId === peerId);
    await world.clock.advance(3_000);
    expect(shown()).toMatchObject({ isFirewalled: true, relays: [{ ...session, rttMs: 12 }] });
    events.length = 0;
    const moved = await world.settle(backend.moveRelay(peerId, relayId, 'stream'));
    expect(moved).toMatchObject({ transport: 'stream', migrations: 1 });
    expect(shown()?.relays).toEqual([moved]);
    expect(events.map((event) => event.type)).toContain('network');
    await expect(world.settle(backend.moveRelay(peerId, relayId, 'grpc'))).rejects.toMatchObject({
      code: 'transport-blocked',
    });
    await expect(backend.moveRelay(peerId, peerId, 'grpc')).rejects.toMatchObject({ code: 'not-found' });
    await expect(backend.moveRelay('nobody', relayId, 'grpc')).rejects.toMatchObject({ code: 'not-found' });
    world.session = { ...world.session, transport: 'sse', migrations: 2 };
    await world.clock.advance(3_000);
    expect(shown()?.relays[0]?.transport).toBe('sse');
  });

  it('goes on after a push that is none', async () => {
    const { world, patient, backend } = await createWorld();
    world.push({ readings: [['nobody', 1]] });
    world.push({ readings: [[patient.subject, 7_000, 61, []]] });
    await world.clock.advance(500);
    expect(backend.patients()[0]?.lastReadingMs).toBe(7_000);
  });

  it('keeps an acknowledgement where every gateway finds it, once', async () => {
    const { world, backend, patient, records, directory } = await createWorld();
    const { keyTree } = directory.bySubject(patient.subject as SubjectId) ?? fail();
    await world.settle(records.put([alertRecord(keyTree, raised, startSeconds, world.random)]));
    world.push({
      alerts: [[patient.subject, ['raised', alertId, 'irregular-rhythm', startSeconds, startSeconds + 60]]],
    });
    await world.clock.advance(500);
    expect(backend.alerts()).toMatchObject([{ alertId, patientName: 'Ada Example', acknowledged: null }]);
    const first = await world.settle(backend.acknowledge(alertId, 'Dr. Berg'));
    const second = await world.settle(backend.acknowledge(alertId, 'Dr. Costa'));
    expect([first.acknowledged?.by, second.acknowledged?.by]).toEqual(['Dr. Berg', 'Dr. Berg']);

    backend[Symbol.dispose]();
    const again = await world.gateway();
    await world.clock.advance(3_000);
    expect(again.backend.alerts()).toMatchObject([{ alertId, acknowledged: { by: 'Dr. Berg' } }]);
    await expect(again.backend.acknowledge('cd'.repeat(16), 'x')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('learns from storage that mails went out', async () => {
    const { world, backend, patient, records, directory, events } = await createWorld();
    const { keyTree } = directory.bySubject(patient.subject as SubjectId) ?? fail();
    const notified: AlertEvent = { type: 'notified', alertId, recipientCount: 2, atMs: 5 };
    world.push({
      alerts: [[patient.subject, ['raised', alertId, 'irregular-rhythm', startSeconds, startSeconds + 60]]],
    });
    await world.clock.advance(500);
    const sealed = [raised, notified].map((event) => alertRecord(keyTree, event, startSeconds, world.random));
    await world.settle(records.put(sealed));
    await world.clock.advance(4_000);
    expect(backend.alerts()).toMatchObject([{ notifiedCount: 2 }]);
    expect(backend.overview().counts).toMatchObject({ alertsOpen: 1, notifications: 2 });
    expect(events.filter((event) => event.type === 'alert')).toHaveLength(2);
  });

  it('reads history from storage', async () => {
    const { world, backend, patient, records, directory } = await createWorld();
    const { keyTree } = directory.bySubject(patient.subject as SubjectId) ?? fail();
    const reading = {
      userId: 'QmAda' as UserId,
      tMs: startSeconds * 1000 + 3_000,
      heartRateBpm: 61,
      rrMs: [980],
      seq: null,
      confidence: null,
      isStamped: false,
    };
    const quality = { missingSeconds: 1, implausibleCount: 0, isUsable: true };
    const window = { startSeconds, readingCount: 1, idsXor: new Uint8Array(16), input: 'rr' as const, quality };
    const prediction = { startSeconds, score: 0.5, input: 'rr' as const, modelId: 'm', revision: 1, alertState: null };
    const { random } = world;
    await world.settle(
      records.put([
        readingRecord(keyTree, reading, random),
        windowRecord(keyTree, window, random),
        predictionRecord(keyTree, prediction, random),
      ]),
    );
    const span = [startSeconds * 1000, startSeconds * 1000 + 10_000] as const;
    expect(await world.settle(backend.readings(patient.subject, ...span))).toEqual([
      { subject: patient.subject, tMs: reading.tMs, heartRateBpm: 61, rrMs: [980] },
    ]);
    expect(await world.settle(backend.windows(patient.subject, ...span))).toMatchObject([
      { score: 0.5, missingSeconds: 1 },
    ]);
    expect(await world.settle(backend.readings(patient.subject, 0, 1))).toEqual([]);
    await world.clock.advance(4_000);
    expect(backend.overview().counts).toMatchObject({ readings: 1, windows: 1, predictions: 1 });
  });

  it('shows the peers, greys out one that died, and puts the metrics of all together', async () => {
    const { world, backend, events } = await createWorld();
    await world.clock.advance(3_000);
    const peerOf = () => backend.network().peers.find((peer) => peer.roles.includes('aggregation'));
    expect(peerOf()).toMatchObject({ pid: 77, isAlive: true, patientCount: 4, rssBytes: 50 * 2 ** 20 });
    expect(await world.settle(backend.metrics())).toContain(
      'windows_total{role="aggregation",instance="aggregation-1"} 3',
    );
    const before = events.length;
    world.network.kill(world.aggregation.self);
    await world.clock.advance(3_000);
    expect(peerOf()).toMatchObject({ isAlive: false, patientCount: null });
    expect(events.slice(before).some((event) => event.type === 'network')).toBe(true);
    await world.clock.advance(400_000);
    expect(peerOf()).toBeUndefined();
  });

  it('tells the page who was registered', async () => {
    const { backend, events } = await createWorld();
    expect(events).toContainEqual({ type: 'patients', patients: backend.patients() });
    await expect(backend.registerPatient(ada)).rejects.toMatchObject({ code: 'already-registered' });
    await expect(backend.registerPatient({ ...ada, userId: 'b', email: 'x\r\nBcc: y' })).rejects.toMatchObject({
      code: 'patient-invalid',
    });
    await expect(backend.updatePatient('00'.repeat(16), ada)).rejects.toMatchObject({ code: 'not-found' });
  });
});
