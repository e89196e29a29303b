import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox, createKeyTree, type KeyTree } from '@pulsemesh/crypto';
import { createRpcClient, type RoleName, rankPeers, type SubjectId, serveRpc } from '@pulsemesh/network';
import { createMemoryNetwork, type MemoryPeer } from '@pulsemesh/network/testing';
import { createMemoryRecords, createMemoryTables, type RecordStore, type TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { encodeReadings } from '../readings/codec.ts';
import type { Reading, UserId } from '../readings/reading.ts';
import { createRecordsClient, type RecordsClient } from '../records/client.ts';
import { readingRecord } from '../records/codec.ts';
import {
  type AggregationOptions,
  type AggregationRole,
  aggregationProtocol,
  startAggregationRole,
} from './aggregation.ts';
import { startPredictionRole } from './prediction.ts';
import { startStorageRole } from './storage.ts';

/** A patient whose heart is told by a function of the second. */
export interface TestPatient {
  readonly userId: UserId;
  readonly subjectId: SubjectId;
  readonly tree: KeyTree;
  readonly isRegistered: boolean;
}

export interface TestAggregation {
  readonly port: MemoryPeer;
  readonly role: AggregationRole;
  readonly tables: TableStore;
}

export const startSeconds = 1_767_225_600;

/** Storage, prediction and notification peers and patients in a network in memory, around aggregation peers under test. */
export class AggregationWorld {
  readonly clock = new VirtualClock();
  readonly random = createSeededRandom(11);
  readonly network = createMemoryNetwork({ clock: this.clock, random: this.random, noticeMs: 1_000 });
  readonly store: RecordStore = createMemoryRecords({ random: this.random });
  readonly patients: TestPatient[] = [];
  readonly notified: {
    readonly subjectId: string;
    readonly events: readonly { readonly type: string; readonly alertId: string }[];
  }[] = [];
  readonly ingest = this.join(['ingest']);
  readonly records: RecordsClient = createRecordsClient({}, this.ingest);
  #boxKey = this.random.bytes(32);

  join(roles: readonly RoleName[], id?: string, isTrusted: (peer: PeerId) => boolean = () => true) {
    const port = this.network.join({ roles, isTrusted, ...(id === undefined ? {} : { id: id as PeerId }) });
    const rpc = createRpcClient({ port, clock: this.clock });
    return { port, rpc, clock: this.clock, random: this.random, logger: silentLogger, meter: silentMeter };
  }

  async startOthers(): Promise<void> {
    await startStorageRole({}, { ...this.join(['storage'], 'storage'), records: this.store });
    await this.startPrediction('prediction');
    const { port } = this.join(['notification'], 'notification');
    serveRpc(port, '/pulsemesh/notification/1', {
      notify: async (body) => {
        this.notified.push(body as (typeof this.notified)[number]); // this test's own roles send it
        return { accepted: 1 };
      },
    });
  }

  /** Irregular above 100 beats a minute. */
  startPrediction(id: string) {
    const predictor = {
      modelId: () => '0123456789abcdef',
      predict: async (windows: Parameters<Parameters<typeof startPredictionRole>[1]['predictor']['predict']>[0]) =>
        windows.map(({ startSeconds: start, input, readings, quality }) => {
          const isFast = (readings[0]?.heartRateBpm ?? 0) > 100;
          const score = quality.isUsable ? (isFast ? 0.95 : 0.05) : null;
          return { startSeconds: start, input, modelId: '0123456789abcdef', score };
        }),
    };
    return startPredictionRole({}, { ...this.join(['prediction'], id), predictor });
  }

  addPatient(isRegistered = true): TestPatient {
    const tree = createKeyTree(this.random.bytes(32));
    const userId = `wearable-${this.patients.length}` as UserId;
    const patient = { userId, tree, subjectId: tree.subjectId as SubjectId, isRegistered };
    this.patients.push(patient);
    return patient;
  }

  async startAggregation(
    id: string,
    options: Partial<AggregationOptions> = {},
    tables: TableStore = createMemoryTables(),
    isTrusted: (peer: PeerId) => boolean = () => true,
  ): Promise<TestAggregation> {
    const environment = this.join(['aggregation'], id, isTrusted);
    const patients = this.patients;
    const people = {
      async resolve(userIds: readonly UserId[]) {
        const known = patients.filter((patient) => userIds.includes(patient.userId));
        return new Map(
          known.map(({ userId, subjectId, tree, isRegistered }) => [
            userId,
            { userId, subjectId, subject: tree.subject, keyTree: tree, isRegistered, deviceKind: 'live' as const },
          ]),
        );
      },
    };
    const box = createBox(this.#boxKey, environment);
    const records = createRecordsClient({}, environment);
    const role = await startAggregationRole(options, { ...environment, people, tables, box, records });
    return { port: environment.port, role, tables };
  }

  readings(patient: TestPatient, from: number, until: number, heartRateBpm = 60.5): Reading[] {
    return Array.from({ length: until - from }, (_, index) => ({
      userId: patient.userId,
      tMs: (startSeconds + from + index) * 1000,
      heartRateBpm,
      rrMs: [1000],
      seq: from + index,
      confidence: null,
      isStamped: false,
    }));
  }

  /** As ingest does: into storage, then to `peer`, default the owner. */
  async send(patient: TestPatient, readings: readonly Reading[], peer = this.owner(patient)): Promise<void> {
    await this.act(this.records.put(readings.map((reading) => readingRecord(patient.tree, reading, this.random))));
    await this.take(patient, readings, peer);
  }

  async take(patient: TestPatient, readings: readonly Reading[], peer = this.owner(patient)): Promise<void> {
    const { subjectId, userId, isRegistered } = patient;
    const body = {
      batchId: `b${this.random.integer(2 ** 32)}`,
      subjects: [[subjectId, userId, 'live', isRegistered, encodeReadings(readings)]],
    };
    await this.act(this.ingest.rpc.call(peer, aggregationProtocol, 'take', body));
  }

  owner(patient: TestPatient): PeerId {
    const peers = this.ingest.port.livePeers('aggregation').map((peer) => peer.id);
    return rankPeers(patient.subjectId, peers)[0] as PeerId; // tests start one first
  }

  /** Lets the clock run until the promise settles. */
  async act<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => {});
    while (!isSettled) await this.clock.advance(10);
    return await settled;
  }

  windows(patient: TestPatient) {
    return this.act(this.records.windows(patient.tree, { fromSeconds: 0, untilSeconds: 2 ** 33 }));
  }

  alerts(patient: TestPatient) {
    return this.act(this.records.alertEvents(patient.tree, { fromSeconds: 0, untilSeconds: 2 ** 33 }));
  }
}
