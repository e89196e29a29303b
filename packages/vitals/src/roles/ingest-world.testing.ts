import {
  type Condition,
  createPrometheusMeter,
  createSeededRandom,
  type PrometheusMeter,
  silentLogger,
  silentMeter,
} from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox } from '@pulsemesh/crypto';
import { createRpcClient, offerWork, serveRpc } from '@pulsemesh/network';
import { createMemoryNetwork, type MemoryPeer } from '@pulsemesh/network/testing';
import { createMemoryTables, type SealedRecord, type TableStore } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { openPeopleDirectory, type PeopleDirectory } from '../people/directory.ts';
import { createLocalPeopleClient } from '../people/local-people.ts';
import type { PeopleClient } from '../people/people-client.ts';
import { decodeReading } from '../readings/codec.ts';
import { type Reading, readingKey, type UserId } from '../readings/reading.ts';
import { parseRows, storageProtocol } from '../records/storage-wire.ts';
import { aggregationProtocol, parseBatch } from './aggregation/wire.ts';
import { type IngestDependencies, type IngestOptions, type IngestRole, startIngestRole } from './ingest.ts';

/** A storage peer that only remembers. */
export interface FakeStorage {
  readonly port: MemoryPeer;
  readonly records: Map<string, SealedRecord>;
  readonly puts: SealedRecord[];
  /** Thrown instead of an answer, after writing when `isWritten`. */
  failure: { readonly error: Condition; readonly isWritten: boolean } | undefined;
}

/** An aggregation peer that only remembers, by subject id. */
export interface FakeAggregation {
  readonly port: MemoryPeer;
  readonly taken: { readonly subjectId: string; readonly reading: Reading }[];
  failure: Condition | undefined;
}

/** One ingest among fakes, on a virtual clock; its tables survive it. */
export class IngestWorld {
  readonly clock = new VirtualClock();
  readonly random = createSeededRandom(7);
  readonly network = createMemoryNetwork({ clock: this.clock, random: this.random });
  readonly box = createBox(this.random.bytes(32), { random: this.random });
  meter: PrometheusMeter = createPrometheusMeter();
  failed: unknown;
  directory: PeopleDirectory | undefined;

  async openDirectory(limits: object = {}): Promise<PeopleDirectory> {
    const tables = createMemoryTables();
    this.directory = await openPeopleDirectory(limits, { tables, box: this.box, random: this.random });
    return this.directory;
  }

  storage(): FakeStorage {
    const port = this.network.join({ roles: ['storage'] });
    const storage: FakeStorage = { port, records: new Map(), puts: [], failure: undefined };
    offerWork(port, 'storage', () => true);
    serveRpc(port, storageProtocol, {
      put: async (body) => {
        const rows = parseRows((body as { records: unknown }).records);
        if (storage.failure?.isWritten === false) throw storage.failure.error;
        for (const row of rows) {
          storage.puts.push(row);
          storage.records.set(`${toHex(row.subject)}/${row.bucketSeconds}/${toHex(row.id)}`, row);
        }
        if (storage.failure !== undefined) throw storage.failure.error;
        return { copies: 1 };
      },
    });
    return storage;
  }

  aggregation(): FakeAggregation {
    const port = this.network.join({ roles: ['aggregation'] });
    const aggregation: FakeAggregation = { port, taken: [], failure: undefined };
    serveRpc(port, aggregationProtocol, {
      take: async (body) => {
        if (aggregation.failure !== undefined) throw aggregation.failure;
        for (const { subjectId, readings } of parseBatch(body).subjects) {
          for (const reading of readings) aggregation.taken.push({ subjectId, reading });
        }
        return { taken: true };
      },
    });
    return aggregation;
  }

  async ingest(
    options: IngestOptions = {},
    tables: TableStore = createMemoryTables(),
    changes: Partial<IngestDependencies> & { readonly people?: PeopleClient } = {},
  ): Promise<IngestRole> {
    const port = this.network.join({ roles: ['ingest'] });
    const directory = this.directory ?? (await this.openDirectory());
    return startIngestRole(options, {
      port,
      rpc: createRpcClient({ port, clock: this.clock }),
      people: createLocalPeopleClient(directory),
      tables,
      box: this.box,
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      meter: this.meter,
      onFailed: (error) => {
        this.failed = error;
      },
      ...changes,
    });
  }

  /** Lets the virtual clock and the sockets run until `condition` holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let step = 0; step < 5_000; step += 1) {
      if (condition()) return;
      await this.clock.advance(10);
    }
    throw new Error('the condition never held');
  }

  /** As {@link until}, for a promise. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const mark = () => {
      isDone = true;
    };
    promise.then(mark, mark);
    await this.until(() => isDone);
    return promise;
  }

  /** Keys of a wearer's readings in a storage peer, opened with the wearer's own keys. */
  stored(storage: FakeStorage, userId: string): string[] {
    const patient = this.directory?.peek(userId as UserId);
    if (patient === undefined) return [];
    const own = [...storage.records.values()].filter((record) => toHex(record.subject) === patient.subjectId);
    return own.map((record) => readingKey(decodeReading(patient.keyTree.open(record, record.sealed), patient.userId)));
  }

  async counted(name: string): Promise<number> {
    const lines = (await this.meter.text()).split('\n').filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
}

/** A reading as a device sends it. */
export function messageOf(userId: string, t: number, extra: object = {}): string {
  return JSON.stringify({ userId, t, heartrate: 60, ...extra });
}

export const fakes = { meter: silentMeter, logger: silentLogger } as const;
