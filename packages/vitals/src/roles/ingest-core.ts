import { type Clock, errorCode, type Logger, type Meter, type Random, startTicker } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import { createWorkerFinder, type NetworkPort, type RpcClient } from '@pulsemesh/network';
import type { TableStore } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import type { OnPublish } from '../mqtt/broker.ts';
import type { IncomingIds } from '../mqtt/session-persistence.ts';
import type { PeopleClient } from '../people/people-client.ts';
import { defaultSkewLimits, type SkewLimits } from '../readings/skew.ts';
import { type CommitLimits, Committer, defaultCommitLimits } from './ingest-commit.ts';
import { createIngestEvents } from './ingest-events.ts';
import { defaultForwardLimits, Forwarder, type ForwardLimits, isHopeless } from './ingest-forward.ts';
import { QosIds } from './ingest-ids.ts';
import { defaultRateLimits, IngestIntake, type RateLimits } from './ingest-intake.ts';
import { HandOffLog } from './ingest-log.ts';
import { SeenReadings } from './ingest-seen.ts';

/** How long repetitions are known. */
export interface SeenLimits {
  /** Readings not repeated for so long may be taken anew; default 7 days. */
  readonly horizonSeconds: number;
  /** Rows kept (up to 65,536 readings each); past it the horizon is halved until they fit. Default 2,000,000. */
  readonly rowsMax: number;
}

export const defaultSeenLimits: SeenLimits = { horizonSeconds: 7 * 24 * 3600, rowsMax: 2_000_000 };

export interface IngestCoreOptions {
  readonly rate?: Partial<RateLimits>;
  readonly skew?: Partial<SkewLimits>;
  readonly commit?: Partial<CommitLimits>;
  readonly forward?: Partial<ForwardLimits>;
  readonly seen?: Partial<SeenLimits>;
}

export interface IngestCoreDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly people: PeopleClient;
  /** Holds the hand-off log and what was seen; nobody else writes its tables `ingest.…`. */
  readonly tables: TableStore;
  /** Seals the log under this node's own key. */
  readonly box: Box;
  readonly clock: Clock;
  /** Nonces: the operating system's outside tests. */
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** The disk failed, or a bug: nothing more is taken. Default: thrown, which stops the process. */
  readonly onFailed?: (error: unknown) => void;
}

/** What the core says of itself. */
export interface IngestCoreStatus {
  readonly batchesWaiting: number;
  readonly logBytes: number;
  readonly batchesParked: number;
}

/** An ingest without its broker, for whatever brings messages. Dispose to stop. */
export interface IngestCore extends AsyncDisposable {
  /** The door for messages; see {@link OnPublish}. */
  readonly onPublish: OnPublish;
  readonly ids: IncomingIds;
  status(): IngestCoreStatus;
  /** Resolves when everything acknowledged has been handed on; nothing more should come in meanwhile. */
  drain(): Promise<void>;
}

const metaTable = 'ingest.meta';
const secretKey = new TextEncoder().encode('secret');
const prunePeriodMs = 10_000;
const pruneRowsMax = 2_000;

/**
 * Starts what lies behind the broker (docs/decisions/0001, steps 1 to 3): parse, de-duplicate, append to the log in one
 * transaction, settle; hand on to storage, then to aggregation, and forget when both have answered.
 * @throws {SealBrokenError} when the box is another than the log was sealed with.
 */
export async function startIngestCore(
  options: IngestCoreOptions,
  dependencies: IngestCoreDependencies,
): Promise<IngestCore> {
  const parts = await createParts(options, dependencies);
  const { committer, forwarder, intake, ids, log } = parts;
  const stack = new AsyncDisposableStack();
  stack.defer(() => parts.finder[Symbol.dispose]());
  stack.defer(() => forwarder.stop());
  stack.defer(() => committer.stop());
  stack.defer(() => intake.stop());
  startHousekeeping(stack, options, dependencies, parts);
  const released = (clientId: string, messageId: number | null) =>
    new Promise<void>((settle) => committer.add({ kind: 'release', clientId, messageId, settle }));
  return {
    onPublish: intake.take,
    ids: {
      has: (clientId, messageId) => ids.has(clientId, messageId),
      hasAny: (clientId) => ids.hasAny(clientId),
      release: released,
      releaseAll: async (clientId) => {
        if (ids.hasAny(clientId)) await released(clientId, null);
      },
    },
    status: () => ({ batchesWaiting: log.count, logBytes: log.bytes, batchesParked: log.parkedCount }),
    async drain() {
      await committer.drain();
      await forwarder.drain();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function createParts(options: IngestCoreOptions, dependencies: IngestCoreDependencies) {
  const { port, rpc, people, tables, box, clock, random, logger, meter } = dependencies;
  const onFailed =
    dependencies.onFailed ??
    ((error: unknown) => {
      logger.error('the ingest cannot go on', { code: errorCode(error) });
      queueMicrotask(() => {
        throw error;
      });
    });
  const secret = await loadSecret(tables, box, random);
  const events = createIngestEvents({ clock, logger, meter });
  const log = new HandOffLog(tables, box);
  const seen = new SeenReadings(tables);
  const ids = new QosIds(tables);
  const finder = createWorkerFinder(
    { role: 'storage', isFinal: isHopeless },
    { port, rpc, clock, random, logger, meter },
  );
  let committer: Committer | undefined;
  const forwarder = new Forwarder(
    { ...defaultForwardLimits, ...options.forward },
    {
      logId: toHex(secret.subarray(32)),
      log,
      port,
      rpc,
      people,
      storage: finder,
      clock,
      random,
      logger,
      events,
      onFailed,
      onRemoved: () => committer?.logShrank(),
    },
  );
  committer = new Committer(
    { ...defaultCommitLimits, ...options.commit },
    {
      tables,
      log,
      seen,
      ids,
      wearerKey: secret.subarray(0, 32),
      clock,
      logger,
      events,
      onBatch: (batch) => forwarder.add(batch),
      onFailed,
    },
  );
  const intake = new IngestIntake(
    { ...defaultRateLimits, ...options.rate },
    { ...defaultSkewLimits, ...options.skew },
    { people, committer, clock, events, onFailed },
  );
  return { committer, forwarder, intake, ids, seen, log, finder };
}

/** 32 bytes that key wearers' hashes, and 8 that name the log; made once, sealed. */
async function loadSecret(tables: TableStore, box: Box, random: Random): Promise<Uint8Array> {
  const known = tables.get(metaTable, secretKey);
  if (known !== undefined) return box.open(known, secretKey);
  const secret = random.bytes(40);
  await tables.commit([{ kind: 'put', table: metaTable, key: secretKey, value: box.seal(secret, secretKey) }]);
  return secret;
}

function startHousekeeping(
  stack: AsyncDisposableStack,
  options: IngestCoreOptions,
  { tables, clock, logger }: IngestCoreDependencies,
  { seen, ids, forwarder }: { readonly seen: SeenReadings; readonly ids: QosIds; readonly forwarder: Forwarder },
): void {
  const { horizonSeconds, rowsMax } = { ...defaultSeenLimits, ...options.seen };
  const onError = (error: unknown) => logger.warn('ingest housekeeping failed', { code: errorCode(error) });
  let shortenedSeconds = horizonSeconds;
  const pruning = startTicker(
    clock,
    prunePeriodMs,
    async () => {
      const nowSeconds = Math.floor(clock.now() / 1000);
      shortenedSeconds = seen.rowCount > rowsMax ? shortenedSeconds / 2 : horizonSeconds;
      const removed = [
        ...seen.prune(nowSeconds, shortenedSeconds, pruneRowsMax),
        ...ids.prune(nowSeconds, horizonSeconds, pruneRowsMax),
      ];
      if (removed.length > 0) await tables.commit(removed);
    },
    onError,
  );
  stack.defer(() => pruning.stop());
  const unparkMs = options.forward?.unparkMs ?? defaultForwardLimits.unparkMs;
  const unparking = startTicker(clock, unparkMs, () => forwarder.retryParked(), onError);
  stack.defer(() => unparking.stop());
}
