import { type Clock, type Logger, type Meter, type Random, sleep, withTimeout } from '@pulsemesh/base';
import { BusyError, type NetworkPort, offerWork, type RpcCall, type RpcClient, serveRpc } from '@pulsemesh/network';
import type { RecordStore, SealedRecord } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { MalformedRecordError, parseFields } from '../records/parse.ts';
import { parseHolder, parseRows, recordBytes, storageProtocol } from '../records/storage-wire.ts';
import { callBytesMax, type StorageCopiesOptions, startStorageCopies } from './storage-copies.ts';
import { storageReadMethods } from './storage-read.ts';

export interface StorageRoleOptions extends Partial<StorageCopiesOptions> {
  /** Bytes being written above which this peer says busy and does not offer itself. Default 32 MiB. */
  readonly queuedBytesMax?: number;
  /** Subjects announced in the directory; further ones are found by asking storage peers. Default 10,000. */
  readonly providedSubjectsMax?: number;
  /** How long stopping waits for writes under way. Default 5,000. */
  readonly drainMs?: number;
}

export interface StorageRoleDeps {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  /** Stays the caller's: close it after the role has stopped. */
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

export interface StorageRole extends AsyncDisposable {
  /** Bytes being written now. */
  readonly queuedBytes: number;
}

const defaults = {
  copyTimeoutMs: 3000,
  copyPeriodMs: 2000,
  copyLostAfterMs: 600_000,
  holderPauseMs: 1000,
  copyPageRecords: 1000,
  queuedBytesMax: 32 * 1024 * 1024,
  providedSubjectsMax: 10_000,
  drainMs: 5000,
} as const;

/**
 * A storage peer: keeps sealed records for trusted peers, on two peers wherever there are two (decision 0001,
 * step 2). `put` answers after both have them on disk, or, with nobody else alive, after this one has, and then
 * the copy is made as soon as somebody is. Everything is keyed, so any call may be repeated.
 * @throws what {@link serveRpc} throws; dispose to stop (waits for writes under way).
 */
export async function startStorageRole(options: StorageRoleOptions, deps: StorageRoleDeps): Promise<StorageRole> {
  const settings = { ...defaults, ...options };
  const { port, records: store } = deps;
  const stack = new AsyncDisposableStack();
  const copies = stack.use(startStorageCopies(settings, deps));
  const provider = new SubjectProvider(port, settings.providedSubjectsMax);
  for (const subject of await store.subjects()) provider.add(subject);
  const writes = new StorageWrites(settings.queuedBytesMax, deps);
  const methods = {
    async put(body: unknown, call: RpcCall) {
      const records = parseRows(parseFields(body, 'put')['records']);
      return await writes.run(records, async () => {
        const holder = await copies.copyElsewhere(records, call.signal);
        await store.put(records, holder);
        provider.addAll(records);
        if (holder === null) copies.wake();
        return { copies: holder === null ? 1 : 2 };
      });
    },
    async copy(body: unknown, call: RpcCall) {
      const fields = parseFields(body, 'copy');
      const holder = parseHolder(fields['holder']);
      if (holder.peer !== call.from) throw new MalformedRecordError('holder peer');
      const records = parseRows(fields['records']);
      return await writes.run(records, async () => {
        await store.put(records, holder);
        provider.addAll(records);
        return { epoch: store.epoch };
      });
    },
    ...storageReadMethods(store, callBytesMax(port)),
  };
  stack.use(serveRpc(port, storageProtocol, methods, { requireTrusted: true, logger: deps.logger, meter: deps.meter }));
  stack.use(offerWork(port, 'storage', () => writes.isFree));
  return {
    get queuedBytes() {
      return writes.queuedBytes;
    },
    async [Symbol.asyncDispose]() {
      await stack.disposeAsync();
      await writes.drain(settings.drainMs);
      provider.withdrawAll();
    },
  };
}

/** Counts and bounds the writes under way. */
class StorageWrites {
  readonly #bytesMax: number;
  readonly #deps: StorageRoleDeps;
  readonly #written;
  readonly #queued;
  readonly #refused;
  #queuedBytes = 0;

  constructor(bytesMax: number, deps: StorageRoleDeps) {
    this.#bytesMax = bytesMax;
    this.#deps = deps;
    this.#written = deps.meter.counter('storage_records_written_total', 'Records written, repetitions included');
    this.#queued = deps.meter.gauge('storage_queued_bytes', 'Bytes of records being written');
    this.#refused = deps.meter.counter('storage_refused_busy_total', 'Writes refused because the queue was full');
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Half of the room left: a peer that only just has room is not the one to be asked first. */
  get isFree(): boolean {
    return this.#queuedBytes * 2 <= this.#bytesMax;
  }

  async run<T>(records: readonly SealedRecord[], write: () => Promise<T>): Promise<T> {
    let bytes = 0;
    for (const record of records) bytes += recordBytes(record);
    if (this.#queuedBytes + bytes > this.#bytesMax) {
      this.#refused.add();
      throw new BusyError('queued bytes', this.#bytesMax);
    }
    this.#add(bytes);
    try {
      const result = await write();
      this.#written.add(records.length);
      return result;
    } finally {
      this.#add(-bytes);
    }
  }

  async drain(drainMs: number): Promise<void> {
    const { clock, logger } = this.#deps;
    const untilEmpty = async (signal: AbortSignal) => {
      while (this.#queuedBytes > 0) await sleep(clock, 10, { signal });
    };
    try {
      await withTimeout(clock, 'draining writes', drainMs, untilEmpty);
    } catch {
      logger.warn('stopped with writes under way', { bytes: this.#queuedBytes });
    }
  }

  #add(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#queued.set(this.#queuedBytes);
  }
}

/** Announces once which subjects this peer has records of. */
class SubjectProvider {
  readonly #port: NetworkPort;
  readonly #max: number;
  readonly #provided = new Set<string>();

  constructor(port: NetworkPort, max: number) {
    this.#port = port;
    this.#max = max;
  }

  addAll(records: readonly SealedRecord[]): void {
    let previous: Uint8Array | undefined;
    for (const { subject } of records) {
      if (subject !== previous) this.add(subject);
      previous = subject;
    }
  }

  add(subject: Uint8Array): void {
    if (this.#provided.size >= this.#max) return;
    const key = `records:${toHex(subject)}`;
    if (this.#provided.has(key)) return;
    this.#provided.add(key);
    this.#port.provide(key);
  }

  withdrawAll(): void {
    for (const key of this.#provided) this.#port.withdraw(key);
    this.#provided.clear();
  }
}
