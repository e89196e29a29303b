import { sleep, startTicker } from '@pulsemesh/base';
import { createWorkerFinder, rankPeers } from '@pulsemesh/network';
import type { TableChange } from '@pulsemesh/store';
import { createPeopleClient } from '@pulsemesh/vitals/people';
import { decodeReadings, encodeReadings, type Reading, readingKey, type UserId } from '@pulsemesh/vitals/readings';
import { createRecordsClient, readingRecord } from '@pulsemesh/vitals/records';
import { aggregationProtocol } from '@pulsemesh/vitals/roles/aggregation';
import type { Environment } from './machine.ts';

/** Where simulated devices hand in readings; resolves once they are durable. */
export interface HandOff {
  accept(userId: UserId, readings: readonly Reading[]): Promise<void>;
  /** Batches not yet handed on. */
  readonly pending: number;
}

const logTable = 'handoff-log';
const seenTable = 'handoff-seen';
const inFlightMax = 8;
const text = new TextEncoder();

/**
 * The ingest's part of the way without its broker (decision 0001, steps 1–3): durable with de-duplication in one
 * transaction, then storage, then the owner's aggregation peer, and only then out of the log.
 */
export async function startHandOff(environment: Environment): Promise<HandOff> {
  const { port, rpc, tables, clock, random, box } = environment;
  const people = createPeopleClient(environment);
  const finder = createWorkerFinder({ role: 'storage' }, environment);
  const records = createRecordsClient({}, { ...environment, finder });
  const batches = new Map<number, { readonly userId: UserId; readonly readings: readonly Reading[] }>();
  const underWay = new Set<number>();
  let last = 0;

  for (const { key, value } of tables.range(logTable)) {
    last = Number(Buffer.from(key).readBigUInt64BE());
    const [userId, encoded] = JSON.parse(Buffer.from(box.open(value, key)).toString()) as [UserId, string];
    batches.set(last, { userId, readings: decodeReadings(Buffer.from(encoded, 'base64'), userId) });
  }

  const forward = async (batchKey: number, userId: UserId, readings: readonly Reading[]): Promise<void> => {
    const patient = (await people.resolve([userId])).get(userId);
    if (patient === undefined) throw new Error('the directory is full');
    await records.put(readings.map((reading) => readingRecord(patient.keyTree, reading, random)));
    const { subjectId, deviceKind, isRegistered } = patient;
    const body = {
      batchId: `${port.self}:${batchKey}`,
      subjects: [[subjectId, userId, deviceKind, isRegistered, encodeReadings(readings)]],
    };
    for (;;) {
      const [owner] = rankPeers(subjectId, port.livePeers('aggregation').map((peer) => peer.id));
      try {
        if (owner === undefined) throw new Error('no aggregation peer is alive');
        await rpc.call(owner, aggregationProtocol, 'take', body, { timeoutMs: 5_000 });
        break;
      } catch {
        await sleep(clock, 200 + random.float() * 300);
      }
    }
    await tables.commit([{ kind: 'remove', table: logTable, key: keyOf(batchKey) }]);
    batches.delete(batchKey);
  };

  const pump = () => {
    for (const [batchKey, { userId, readings }] of batches) {
      if (underWay.size >= inFlightMax) return;
      if (underWay.has(batchKey)) continue;
      underWay.add(batchKey);
      forward(batchKey, userId, readings)
        .catch(() => {})
        .finally(() => underWay.delete(batchKey));
    }
  };
  startTicker(clock, 50, pump, () => {});

  return {
    get pending() {
      return batches.size;
    },
    async accept(userId, readings) {
      const fresh = readings.filter((reading) => tables.get(seenTable, seenKey(userId, reading)) === undefined);
      if (fresh.length === 0) return;
      last += 1;
      const batchKey = last;
      const key = keyOf(batchKey);
      const encoded = Buffer.from(encodeReadings(fresh)).toString('base64');
      const changes: TableChange[] = fresh.map((reading) => ({
        kind: 'put',
        table: seenTable,
        key: seenKey(userId, reading),
        value: new Uint8Array(1),
      }));
      const value = box.seal(text.encode(JSON.stringify([userId, encoded])), key);
      await tables.commit([...changes, { kind: 'put', table: logTable, key, value }]);
      batches.set(batchKey, { userId, readings: fresh });
    },
  };
}

function keyOf(batchKey: number): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(batchKey));
  return new Uint8Array(key);
}

function seenKey(userId: UserId, reading: Reading): Uint8Array {
  return text.encode(`${userId}:${readingKey(reading)}`);
}
