import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createKeyTree, type KeyTree } from '@pulsemesh/crypto';
import { createRpcClient, type RpcClient } from '@pulsemesh/network';
import { createMemoryNetwork, type MemoryNetwork, type MemoryPeer } from '@pulsemesh/network/testing';
import { createMemoryRecords, type RecordStore, type SealedRecord } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { Reading, UserId } from '../readings/reading.ts';
import { createRecordsClient, type RecordsClient } from '../records/client.ts';
import { readingRecord } from '../records/codec.ts';
import { type StorageRole, type StorageRoleOptions, startStorageRole } from './storage.ts';

export const userId = 'wearer-1' as UserId;
const startMs = 1_700_000_000_000;

export interface Peer {
  readonly port: MemoryPeer;
  readonly rpc: RpcClient;
}

export interface StoragePeer extends Peer {
  readonly store: RecordStore;
  readonly role: StorageRole;
}

/** Storage peers, clients and one patient in a network in memory, on a clock that stands still. */
export class World {
  readonly clock = new VirtualClock();
  readonly random = createSeededRandom(7);
  readonly network: MemoryNetwork = createMemoryNetwork({ clock: this.clock, random: this.random });
  readonly tree: KeyTree = createKeyTree(this.random.bytes(32));

  join(roles: Parameters<MemoryNetwork['join']>[0]['roles'], id?: string): Peer {
    const port = this.network.join({ roles, ...(id === undefined ? {} : { id: id as PeerId }) });
    return { port, rpc: createRpcClient({ port, clock: this.clock }) };
  }

  async storage(id: string, store = this.newStore(), options: StorageRoleOptions = {}): Promise<StoragePeer> {
    const peer = this.join(['storage'], id);
    const deps = { ...peer, records: store, clock: this.clock, random: this.random };
    const role = await startStorageRole(options, { ...deps, logger: silentLogger, meter: silentMeter });
    return { ...peer, store, role };
  }

  newStore(): RecordStore {
    return createMemoryRecords({ random: this.random });
  }

  client(options = {}): RecordsClient & { readonly peer: Peer } {
    const peer = this.join(['ingest']);
    const deps = { ...peer, clock: this.clock, random: this.random, logger: silentLogger, meter: silentMeter };
    return Object.assign(createRecordsClient(options, deps), { peer });
  }

  readings(count: number, fromIndex = 0): Reading[] {
    return Array.from({ length: count }, (_, index) => reading(fromIndex + index));
  }

  records(count: number, fromIndex = 0): SealedRecord[] {
    return this.readings(count, fromIndex).map((one) => readingRecord(this.tree, one, this.random));
  }

  /** Lets the clock run until `promise` settles. */
  async settle<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let isSettled = false;
    void promise.then(
      () => {
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    for (let ms = 0; ms < limitMs && !isSettled; ms += 50) await this.clock.advance(50);
    return await promise;
  }
}

export function reading(index: number): Reading {
  return {
    userId,
    tMs: startMs + index * 1000,
    heartRateBpm: 70,
    rrMs: [857],
    seq: index,
    confidence: null,
    isStamped: false,
  };
}
