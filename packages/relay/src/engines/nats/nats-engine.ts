import { type Clock, type Logger, type Random, withTimeout } from '@pulsemesh/base';
import { Condition, errorCode } from '@pulsemesh/base/errors';
import { toHex } from '@pulsemesh/wire';
import type {
  ClaimOutcome,
  EngineLimits,
  EngineStats,
  InboxClaim,
  MailboxAck,
  MailboxEngine,
  MailboxPosition,
  MessageToStore,
  ReadRequest,
  ReadResult,
  StoreOutcome,
} from '../../engine.ts';
import { EngineBusyError, EngineClosedError, EngineFailedError, EngineUnavailableError } from '../../errors.ts';
import type { InboxId } from '../../inbox-id.ts';
import { CallBatcher } from '../call-batcher.ts';
import { type EngineDependencies, type EngineOptions, resolveEngineLimits } from '../engine-options.ts';
import { Watchers } from '../watchers.ts';
import { LogFullError, OperationLog } from './operation-log.ts';
import { decodeEntry, encodeEntry, type Operation } from './operations.ts';
import { filledBy, type OperationResult, Replica } from './replica.ts';
import { parseNatsUrl } from './settings.ts';
import { readSnapshot, writeSnapshot } from './snapshots.ts';

export interface NatsEngineOptions extends EngineOptions {
  /** `nats://user:password@host:port[,host:port…]?monitor=host:port[,…]&stream=…&replicas=3`; the stream is made where it is missing. */
  readonly url: string;
  /** Runs on servers that may lose in a power cut what they acknowledged; default false. */
  readonly unsafeDurability?: boolean;
  /** Bytes of log after which a snapshot is written; default 64 MiB. */
  readonly snapshotEveryBytes?: number;
}

export interface NatsEngineDependencies extends EngineDependencies {
  readonly logger: Logger;
}

const defaultSnapshotEveryBytes = 64 * 1024 * 1024;
/** Of a message of the log, besides the operations. */
const entryHeadBytes = 4_096;
/** What an operation, or a message or an ack in one, costs besides an envelope. */
const itemCostBytes = 160;
const batchItemsMax = 2_000;
const waitingBytesMax = 64 * 1024 * 1024;
const appliedWithinMs = 20_000;
const loadAttemptsMax = 5;

/**
 * Mailboxes as a replicated log: every change is an entry of one JetStream stream, flushed by a majority of its servers, and every relay
 * applies the entries in their order to tables in its memory. So all of them come to the same, whoever asked. What the log holds is
 * bounded by snapshots in the same stream. The tables of all mailboxes have to fit in a relay's memory.
 * @throws {EngineUrlError}; {EngineUnsafeError}; {EngineUnavailableError}; {EngineFailedError}.
 */
export async function openNatsEngine(
  options: NatsEngineOptions,
  dependencies: NatsEngineDependencies,
): Promise<MailboxEngine> {
  const settings = parseNatsUrl(options.url);
  const limits = resolveEngineLimits(options.limits);
  const { unsafeDurability = false } = options;
  const log = await OperationLog.open(settings, { limits, unsafeDurability }, dependencies);
  try {
    const { replica, applied } = await load(log, limits, dependencies.clock);
    return new NatsEngine(options, limits, { ...dependencies, log, replica }, applied);
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

async function load(log: OperationLog, limits: EngineLimits, clock: Clock) {
  for (let attempt = 0; attempt < loadAttemptsMax; attempt += 1) {
    const { first, last } = await log.bounds();
    const snapshot = await readSnapshot(log, first, last);
    const applied = snapshot?.mark ?? 0;
    // Between the two a newer snapshot may have taken the place of this one.
    if ((await log.bounds()).first > applied + 1) continue;
    return { replica: await Replica.create(limits, clock, snapshot ?? { rows: [], numbers: [] }), applied };
  }
  throw new EngineUnavailableError('the log is shortened faster than it is read');
}

interface Asked {
  readonly promise: PromiseWithResolvers<readonly OperationResult[]>;
}

class NatsEngine implements MailboxEngine {
  readonly name = 'nats';
  readonly limits: EngineLimits;
  readonly #log: OperationLog;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #watchers = new Watchers();
  readonly #operations: CallBatcher<Operation, OperationResult>;
  readonly #snapshotEveryBytes: number;
  /** This relay's name in the log, and its last entry. */
  readonly #relay: string;
  #number = 0;
  readonly #asked = new Map<number, Asked>();
  #applied: number;
  #waiters: { readonly sequence: number; readonly promise: PromiseWithResolvers<void> }[] = [];
  #catchingUp: Promise<void> | null = null;
  #catchingUpNext: Promise<void> | null = null;
  #bytesSinceMark = 0;
  #previousMark = 0;
  #isMarking = false;
  #failure: Condition | null = null;
  #isClosed = false;

  constructor(
    options: NatsEngineOptions,
    limits: EngineLimits,
    dependencies: NatsEngineDependencies & { readonly log: OperationLog; readonly replica: Replica },
    applied: number,
  ) {
    const { log, replica, clock, random, logger } = dependencies;
    const bytesMax = log.messageBytesMax - entryHeadBytes;
    // An envelope has to fit in one message of the log.
    this.limits = { ...limits, envelopeBytesMax: Math.min(limits.envelopeBytesMax, bytesMax - itemCostBytes) };
    this.#log = log;
    this.#replica = replica;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#applied = applied;
    this.#relay = toHex(random.bytes(8));
    this.#snapshotEveryBytes = options.snapshotEveryBytes ?? defaultSnapshotEveryBytes;
    this.#operations = new CallBatcher({
      run: (operations) => this.#write(operations),
      itemsMax: batchItemsMax,
      bytesMax,
      sizeOf: sizeOfOperation,
    });
    void this.#follow();
  }

  async #write(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    this.#number += 1;
    const number = this.#number;
    const asked = { promise: Promise.withResolvers<readonly OperationResult[]>() };
    asked.promise.promise.catch(() => {}); // told below, where it is still waited for
    this.#asked.set(number, asked);
    try {
      const entry = encodeEntry({ relay: this.#relay, number, operations });
      await this.#log.append(entry, `${this.#relay}-${number}`);
      return await withTimeout(this.#clock, 'the log', appliedWithinMs, () => asked.promise.promise);
    } finally {
      this.#asked.delete(number);
    }
  }

  async #follow(): Promise<void> {
    try {
      for await (const { sequence, isSnapshot, data } of this.#log.follow(this.#applied + 1)) {
        if (sequence !== this.#applied + 1 && this.#applied > 0)
          throw new EngineFailedError('entries of the log are missing');
        if (!isSnapshot) await this.#apply(sequence, data);
        this.#applied = sequence;
        this.#wakeWaiters();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #apply(sequence: number, data: Uint8Array): Promise<void> {
    const entry = decodeEntry(data);
    const results = await this.#replica.apply(entry);
    this.#bytesSinceMark += data.length;
    if (results === null) return;
    const isOurs = entry.relay === this.#relay;
    for (const [index, operation] of entry.operations.entries()) {
      const result = results[index] as OperationResult; // one for each
      if (operation.kind === 'mark') this.#marked(sequence, isOurs);
      for (const inbox of filledBy(operation, result)) this.#watchers.wake(inbox);
    }
    if (isOurs) this.#asked.get(entry.number)?.promise.resolve(results);
    if (isOurs && this.#bytesSinceMark > this.#snapshotEveryBytes && !this.#isMarking) this.#mark();
  }

  #mark(): void {
    this.#isMarking = true;
    this.#operations.call([{ kind: 'mark' }]).catch(() => {
      this.#isMarking = false;
    });
  }

  #marked(sequence: number, isOurs: boolean): void {
    this.#bytesSinceMark = 0;
    const before = this.#previousMark;
    this.#previousMark = sequence;
    if (!isOurs) return;
    // The state is taken at once; what of the log is older than the snapshot before this one is not needed by anybody.
    writeSnapshot(this.#log, this.#replica, sequence, this.#relay)
      .then(() => (before > 0 ? this.#log.purgeBefore(before + 1) : undefined))
      .catch((error) => this.#logger.warn('a snapshot was not written', { code: errorCode(error) }))
      .finally(() => {
        this.#isMarking = false;
      });
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#failure = error instanceof Condition ? error : new EngineFailedError('an entry of the log', { cause: error });
    for (const { promise } of this.#asked.values()) promise.reject(this.#failure);
    for (const { promise } of this.#waiters.splice(0)) promise.reject(this.#failure);
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter(({ sequence }) => sequence <= this.#applied);
    this.#waiters = this.#waiters.filter(({ sequence }) => sequence > this.#applied);
    for (const { promise } of ready) promise.resolve();
  }

  /** Resolves once everything is applied that was acknowledged to anybody before the call. Calls share the question. */
  #caughtUp(): Promise<void> {
    this.#assertOpen();
    if (this.#catchingUp === null) {
      this.#catchingUp = this.#catchUp().finally(() => {
        this.#catchingUp = null;
      });
      return this.#catchingUp;
    }
    // One that began before this call may have been answered before what matters to it.
    this.#catchingUpNext ??= this.#catchingUp
      .catch(() => {})
      .then(() => {
        this.#catchingUpNext = null;
        return this.#caughtUp();
      });
    return this.#catchingUpNext;
  }

  async #catchUp(): Promise<void> {
    const { last } = await this.#log.bounds();
    if (last <= this.#applied) return;
    const promise = Promise.withResolvers<void>();
    promise.promise.catch(() => {});
    this.#waiters.push({ sequence: last, promise });
    await withTimeout(this.#clock, 'the log', appliedWithinMs, () => promise.promise);
  }

  async append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    this.#assertOpen();
    if (this.#operations.waitingBytes > waitingBytesMax) return batch.map(() => ({ kind: 'refused', code: 'busy' }));
    const parts = splitBySize(batch, this.#log.messageBytesMax - entryHeadBytes, this.limits.envelopeBytesMax);
    const outcomes = await Promise.all(parts.map((part) => this.#appendPart(part)));
    return outcomes.flat();
  }

  async #appendPart(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    const { envelopeBytesMax } = this.limits;
    // What is too long stays out of the log, so that it fits.
    const sent = batch.filter(({ envelope }) => envelope.length <= envelopeBytesMax);
    try {
      const result = await this.#ask({ kind: 'append', nowMs: this.#clock.now(), batch: sent });
      const outcomes = result.kind === 'append' ? [...result.outcomes] : [];
      const all: StoreOutcome[] = [];
      for (const { envelope, inbox } of batch) {
        if (envelope.length <= envelopeBytesMax)
          all.push(outcomes.shift() as StoreOutcome); // one for each that was sent
        else {
          const isThere = (await this.#replica.engine.claimOf(inbox)) !== null;
          all.push({ kind: 'refused', code: isThere ? 'too-large' : 'no-such-inbox' });
        }
      }
      return all;
    } catch (error) {
      if (error instanceof LogFullError) return batch.map(() => ({ kind: 'refused', code: 'relay-full' }));
      throw error;
    }
  }

  async read(request: ReadRequest): Promise<ReadResult> {
    await this.#caughtUp();
    return this.#replica.engine.read(request);
  }

  async ack(acks: readonly MailboxAck[]): Promise<number> {
    const result = await this.#ask({ kind: 'ack', acks });
    return result.kind === 'ack' ? result.removed : 0;
  }

  async position(inbox: InboxId): Promise<MailboxPosition | null> {
    await this.#caughtUp();
    return this.#replica.engine.position(inbox);
  }

  async claim(claims: readonly InboxClaim[]): Promise<readonly ClaimOutcome[]> {
    const epochs = this.#random.bytes(8 * claims.length);
    try {
      const result = await this.#ask({ kind: 'claim', nowMs: this.#clock.now(), epochs, claims });
      return result.kind === 'claim' ? result.outcomes : [];
    } catch (error) {
      if (error instanceof LogFullError) return claims.map(() => 'relay-full');
      throw error;
    }
  }

  async release(inbox: InboxId, owner: InboxId): Promise<boolean> {
    const result = await this.#ask({ kind: 'release', inbox, owner });
    return result.kind === 'release' && result.isReleased;
  }

  async claimOf(inbox: InboxId): Promise<InboxClaim | null> {
    await this.#caughtUp();
    return this.#replica.engine.claimOf(inbox);
  }

  watch(inbox: InboxId, handler: () => void): Disposable {
    return this.#watchers.add(inbox, handler);
  }

  async stats(): Promise<EngineStats> {
    await this.#caughtUp();
    return this.#replica.engine.stats();
  }

  async sweep(): Promise<number> {
    // Nothing to look through: no entry in the log for it.
    if ((await this.stats()).mailboxes === 0) return 0;
    const result = await this.#ask({ kind: 'sweep', nowMs: this.#clock.now() });
    return result.kind === 'sweep' ? result.removed : 0;
  }

  async #ask(operation: Operation): Promise<OperationResult> {
    this.#assertOpen();
    if (this.#operations.waitingBytes > waitingBytesMax) throw new EngineBusyError('operations');
    const [result] = await this.#operations.call([operation]);
    return result as OperationResult; // one for each
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new EngineClosedError();
    if (this.#failure !== null) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#operations.close();
    await this.#log[Symbol.asyncDispose]();
    const closed = new EngineClosedError();
    for (const { promise } of this.#asked.values()) promise.reject(closed);
    for (const { promise } of this.#waiters.splice(0)) promise.reject(closed);
  }
}

function sizeOfOperation(operation: Operation): number {
  switch (operation.kind) {
    case 'append':
      return operation.batch.reduce((sum, { envelope }) => sum + envelope.length + itemCostBytes, itemCostBytes);
    case 'ack':
      return operation.acks.reduce((sum, { messages }) => sum + itemCostBytes + messages.length * 16, itemCostBytes);
    case 'claim':
      return operation.claims.length * itemCostBytes + itemCostBytes;
    default:
      return itemCostBytes;
  }
}

/** Parts that fit in a message of the log each, in order. */
function splitBySize(
  batch: readonly MessageToStore[],
  bytesMax: number,
  envelopeBytesMax: number,
): readonly (readonly MessageToStore[])[] {
  const parts: MessageToStore[][] = [[]];
  let bytes = 0;
  for (const message of batch) {
    const { length } = message.envelope;
    const cost = itemCostBytes + (length > envelopeBytesMax ? 0 : length);
    if (bytes + cost > bytesMax - itemCostBytes && bytes > 0) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(message);
    bytes += cost;
  }
  return parts;
}
