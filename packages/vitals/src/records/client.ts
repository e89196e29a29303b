import {
  type Clock,
  Condition,
  errorCode,
  type Logger,
  type Meter,
  type Random,
  type WaitOptions,
} from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import { createWorkerFinder, type NetworkPort, type RpcClient, type WorkerFinder } from '@pulsemesh/network';
import { type BucketDigest, type RecordKind, type RecordQuery, recordKinds, type SealedRecord } from '@pulsemesh/store';
import { compareBytes, equalBytes, toHex } from '@pulsemesh/wire';
import type { AlertEvent } from '../alerts/alert.ts';
import type { Reading, UserId } from '../readings/reading.ts';
import {
  openAlertEvent,
  openPrediction,
  openReading,
  openWindow,
  type StoredPrediction,
  type StoredWindow,
} from './codec.ts';
import { MalformedRecordError, parseBoolean, parseFields, parseInteger, RecordLimitError } from './parse.ts';
import { PeerAnswers, type PeerAnswersOptions } from './peer-answers.ts';
import {
  type AskedBucket,
  parseDigests,
  parseRows,
  splitForCalls,
  storageLimits,
  storageProtocol,
  toRow,
} from './storage-wire.ts';

export interface RecordsClientOptions extends Partial<PeerAnswersOptions> {
  /** How long a storage peer may take for one put, its copy included. Default 10,000. */
  readonly putTimeoutMs?: number;
  /** Records in one answer of this client, over all pages. Default 100,000. */
  readonly recordsMax?: number;
}

export interface RecordsClientDeps {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Finds storage peers for puts; default one of its own, disposed with the client. */
  readonly finder?: WorkerFinder;
}

/** A span of one patient's recording: `from` inclusive, `until` exclusive, whole seconds since 1970. */
export interface Span {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

/**
 * Records, wherever they lie. Reading asks every storage peer that may know, unites what they say by key (the
 * higher revision wins) and, where a patient's key tree is given, opens it: a copy that fails authentication is
 * counted and the next one taken. Reads throw {@link RecordsUnavailableError} (retryable) when nobody answers.
 */
export interface RecordsClient extends Disposable {
  /**
   * Resolves once all records are durable, on two peers (`copies` 2) or on the only one alive. A put that fails
   * goes to another peer, again and again until `signal` aborts; repeating it is harmless.
   * @throws {RecordLimitError}; `signal.reason`.
   */
  put(records: readonly SealedRecord[], options?: WaitOptions): Promise<{ readonly copies: number }>;
  query(query: RecordQuery, options?: WaitOptions): Promise<readonly SealedRecord[]>;
  /** The newest, newest first; `limit` ≤ 1,000. */
  latest(
    asked: { readonly subject: Uint8Array; readonly kind: RecordKind; readonly limit: number },
    options?: WaitOptions,
  ): Promise<readonly SealedRecord[]>;
  /** One per asked bucket: the digest on which all peers that answered agree, or null where they differ. */
  digests(asked: readonly AskedBucket[], options?: WaitOptions): Promise<readonly (BucketDigest | null)[]>;
  /** Opened, oldest first. `userId` is put into the readings: their records do not hold it. */
  readings(tree: KeyTree, userId: UserId, span: Span, options?: WaitOptions): Promise<readonly Reading[]>;
  windows(tree: KeyTree, span: Span, options?: WaitOptions): Promise<readonly StoredWindow[]>;
  predictions(tree: KeyTree, span: Span, options?: WaitOptions): Promise<readonly StoredPrediction[]>;
  /** The prediction of the newest window there is, or null. */
  latestPrediction(tree: KeyTree, options?: WaitOptions): Promise<StoredPrediction | null>;
  /** Events of the alerts whose episode started in the span, by episode start, in no order within one. */
  alertEvents(tree: KeyTree, span: Span, options?: WaitOptions): Promise<readonly AlertEvent[]>;
}

const defaults = {
  askedPeersMax: 8,
  askTimeoutMs: 3000,
  providersTtlMs: 60_000,
  providersMax: 10_000,
  putTimeoutMs: 10_000,
  recordsMax: 100_000,
} as const;

/** Newest predictions opened at most to find one that authenticates. */
const latestTriedMax = 8;

/** Makes a client. Dispose to stop: puts that wait reject. */
export function createRecordsClient(options: RecordsClientOptions, deps: RecordsClientDeps): RecordsClient {
  return new Client({ ...defaults, ...options }, deps);
}

type Settings = Required<RecordsClientOptions>;

class Client implements RecordsClient {
  readonly #settings: Settings;
  readonly #deps: RecordsClientDeps;
  readonly #finder: WorkerFinder;
  readonly #answers: PeerAnswers;
  readonly #putCount;
  readonly #brokenCount;

  constructor(settings: Settings, deps: RecordsClientDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#finder = deps.finder ?? createWorkerFinder({ role: 'storage', isFinal }, deps);
    this.#answers = new PeerAnswers(settings, deps);
    this.#putCount = deps.meter.counter('records_put_total', 'Records handed to storage peers');
    this.#brokenCount = deps.meter.counter('records_broken_total', 'Copies of records that failed authentication');
  }

  async put(records: readonly SealedRecord[], options: WaitOptions = {}): Promise<{ readonly copies: number }> {
    const { port, rpc } = this.#deps;
    const timeoutMs = this.#settings.putTimeoutMs;
    const bytesMax = Math.min(storageLimits.bytesMax, Math.floor(port.frameBytesMax * 0.9));
    let copies = 2;
    for (const part of splitForCalls(records, bytesMax)) {
      const body = { records: part.map(toRow) };
      const answer = await this.#finder.run(
        (peer) => rpc.call(peer, storageProtocol, 'put', body, { ...options, timeoutMs }),
        options,
      );
      copies = Math.min(copies, parseInteger(parseFields(answer, 'put answer')['copies'], 'copies', 1, 2));
      this.#putCount.add(part.length);
    }
    return { copies };
  }

  async query(query: RecordQuery, options: WaitOptions = {}): Promise<readonly SealedRecord[]> {
    const candidates = await this.#candidates(query, options);
    return candidates.map((copies) => copies[0] as SealedRecord); // never empty
  }

  async latest(
    asked: { readonly subject: Uint8Array; readonly kind: RecordKind; readonly limit: number },
    options: WaitOptions = {},
  ): Promise<readonly SealedRecord[]> {
    const candidates = await this.#latestCandidates(asked.subject, asked.kind, asked.limit, options);
    return candidates.map((copies) => copies[0] as SealedRecord); // never empty
  }

  async digests(asked: readonly AskedBucket[], options: WaitOptions = {}): Promise<readonly (BucketDigest | null)[]> {
    const digests: (BucketDigest | null)[] = [];
    for (let start = 0; start < asked.length; start += storageLimits.bucketsMax) {
      const part = asked.slice(start, start + storageLimits.bucketsMax);
      const body = { asked: part.map((bucket) => [bucket.subject, bucket.kind, bucket.bucketSeconds]) };
      const answers = await this.#answers.ask(
        null,
        async (ask) => parseDigests(parseFields(await ask('digests', body), 'digests')['digests'], part.length),
        options,
      );
      part.forEach((_, index) => {
        digests.push(agreed(answers.map((answer) => answer[index] as BucketDigest))); // as long as `part`
      });
    }
    return digests;
  }

  async readings(tree: KeyTree, userId: UserId, span: Span, options: WaitOptions = {}): Promise<readonly Reading[]> {
    const open = (record: SealedRecord) => openReading(tree, record, userId);
    const readings = await this.#open(tree, recordKinds.reading, span, open, options);
    // Within a bucket records lie in the order of their ids, which says nothing.
    return readings.sort((one, other) => one.tMs - other.tMs || (one.seq ?? -1) - (other.seq ?? -1));
  }

  async windows(tree: KeyTree, span: Span, options: WaitOptions = {}): Promise<readonly StoredWindow[]> {
    return await this.#open(tree, recordKinds.window, span, (record) => openWindow(tree, record), options);
  }

  async predictions(tree: KeyTree, span: Span, options: WaitOptions = {}): Promise<readonly StoredPrediction[]> {
    return await this.#open(tree, recordKinds.prediction, span, (record) => openPrediction(tree, record), options);
  }

  async latestPrediction(tree: KeyTree, options: WaitOptions = {}): Promise<StoredPrediction | null> {
    const { subject } = tree;
    for (const copies of await this.#latestCandidates(subject, recordKinds.prediction, latestTriedMax, options)) {
      const prediction = this.#openFirst(copies, (record) => openPrediction(tree, record));
      if (prediction !== null) return prediction;
    }
    return null;
  }

  async alertEvents(tree: KeyTree, span: Span, options: WaitOptions = {}): Promise<readonly AlertEvent[]> {
    return await this.#open(tree, recordKinds.alert, span, (record) => openAlertEvent(tree, record), options);
  }

  [Symbol.dispose](): void {
    if (this.#deps.finder === undefined) this.#finder[Symbol.dispose]();
  }

  async #open<T>(
    tree: KeyTree,
    kind: RecordKind,
    span: Span,
    open: (record: SealedRecord) => T,
    options: WaitOptions,
  ): Promise<T[]> {
    const query = { subject: tree.subject, kind, ...span, limit: this.#settings.recordsMax };
    const opened: T[] = [];
    for (const copies of await this.#candidates(query, options)) {
      const value = this.#openFirst(copies, open);
      if (value !== null) opened.push(value);
    }
    return opened;
  }

  /** The first copy that is what its patient wrote, or null when none is. */
  #openFirst<T>(copies: readonly SealedRecord[], open: (record: SealedRecord) => T): T | null {
    for (const copy of copies) {
      try {
        return open(copy);
      } catch (error) {
        if (!(error instanceof Condition)) throw error;
        this.#brokenCount.add();
        const fields = { subject: toHex(copy.subject), kind: copy.kind, code: errorCode(error) };
        this.#deps.logger.warn('a record does not open', fields);
      }
    }
    return null;
  }

  async #candidates(query: RecordQuery, options: WaitOptions): Promise<readonly (readonly SealedRecord[])[]> {
    if (query.limit > this.#settings.recordsMax) throw new RecordLimitError('limit', this.#settings.recordsMax);
    const answers = await this.#answers.ask(query.subject, (ask) => queryPages(query, ask), options);
    return unite(answers, query);
  }

  async #latestCandidates(subject: Uint8Array, kind: RecordKind, limit: number, options: WaitOptions) {
    const answers = await this.#answers.ask(
      subject,
      async (ask) => parsePage(await ask('latest', { subject, kind, limit })).records,
      options,
    );
    return unite(answers, { subject, kind, limit, isReverse: true });
  }
}

const finalCodes: ReadonlySet<string> = new Set([
  'malformed-record',
  'record-limit',
  'bad-request',
  'frame-too-large',
  'no-such-method',
]);

// The same records are refused by every storage peer for these. Not `untrusted`: peers learn whom to trust one by one.
function isFinal(error: unknown): boolean {
  return !(error instanceof Condition) || finalCodes.has(error.code);
}

function parsePage(value: unknown): { records: readonly SealedRecord[]; isMore: boolean } {
  const fields = parseFields(value, 'records answer');
  return { records: parseRows(fields['records']), isMore: parseBoolean(fields['isMore'], 'isMore') };
}

/** One peer's whole answer, page after page. A page ends inside a bucket, which the next page gives again in full. */
async function queryPages(
  query: RecordQuery,
  ask: (method: string, body: unknown) => Promise<unknown>,
): Promise<readonly SealedRecord[]> {
  const { subject, kind, limit, isReverse = false } = query;
  const found = new Map<string, SealedRecord>();
  let { fromSeconds, untilSeconds } = query;
  for (;;) {
    const body = {
      subject,
      kind,
      fromSeconds,
      untilSeconds,
      limit: Math.min(limit, storageLimits.recordsMax),
      isReverse,
    };
    const page = parsePage(await ask('query', body));
    const sizeBefore = found.size;
    for (const record of page.records) {
      if (!isWithin(record, query)) throw new MalformedRecordError('records answer');
      found.set(recordKey(record), record);
    }
    const last = page.records.at(-1);
    if (!page.isMore || last === undefined || found.size >= limit) break;
    // A single bucket longer than a page cannot be asked for by time alone.
    if (found.size === sizeBefore) throw new RecordLimitError('records of one bucket', storageLimits.recordsMax);
    if (isReverse) untilSeconds = last.bucketSeconds + 1;
    else fromSeconds = last.bucketSeconds;
  }
  return [...found.values()];
}

function isWithin(record: SealedRecord, query: RecordQuery): boolean {
  return (
    record.kind === query.kind &&
    record.bucketSeconds >= query.fromSeconds &&
    record.bucketSeconds < query.untilSeconds &&
    equalBytes(record.subject, query.subject)
  );
}

/** All copies of each key, best first, the keys in the order and number asked for. */
function unite(
  answers: readonly (readonly SealedRecord[])[],
  asked: Pick<RecordQuery, 'subject' | 'kind' | 'limit' | 'isReverse'>,
): readonly (readonly SealedRecord[])[] {
  const byKey = new Map<string, SealedRecord[]>();
  for (const record of answers.flat()) {
    if (record.kind !== asked.kind || !equalBytes(record.subject, asked.subject)) continue;
    const key = recordKey(record);
    const copies = byKey.get(key);
    if (copies === undefined) byKey.set(key, [record]);
    else copies.push(record);
  }
  const direction = asked.isReverse ? -1 : 1;
  const united = [...byKey.values()];
  for (const copies of united) copies.sort((one, other) => other.revision - one.revision);
  united.sort((one, other) => direction * compareKeys(one[0] as SealedRecord, other[0] as SealedRecord)); // never empty
  return united.slice(0, asked.limit);
}

/** The key of a record within one subject and kind. */
function recordKey(record: SealedRecord): string {
  return `${record.bucketSeconds}:${toHex(record.id)}`;
}

function compareKeys(one: SealedRecord, other: SealedRecord): number {
  return one.bucketSeconds - other.bucketSeconds || compareBytes(one.id, other.id);
}

function agreed(digests: readonly BucketDigest[]): BucketDigest | null {
  const [first, ...others] = digests;
  if (first === undefined) return null;
  const isEqual = others.every((other) => other.count === first.count && equalBytes(other.idsXor, first.idsXor));
  return isEqual ? first : null;
}
