import type { Clock, Logger, Random } from '@pulsemesh/base';
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
import { EngineBusyError, EngineClosedError } from '../../errors.ts';
import type { InboxId } from '../../inbox-id.ts';
import { CallBatcher } from '../call-batcher.ts';
import { type EngineDependencies, type EngineOptions, resolveEngineLimits } from '../engine-options.ts';
import { Watchers } from '../watchers.ts';
import { removeAcked } from './acks.ts';
import { appendBatch } from './append.ts';
import { claimAll, releaseMailbox } from './claims.ts';
import { Connections } from './connections.ts';
import { claimIn, positionOf, readMessages, statsOf } from './reads.ts';
import { migrate } from './schema.ts';
import type { Session } from './session.ts';
import { parsePostgresUrl } from './settings.ts';
import { isFull } from './sql-errors.ts';
import { Sweeper } from './sweeper.ts';
import { Wakeups } from './wakeups.ts';

export interface PostgresEngineOptions extends EngineOptions {
  /** `postgres://user:password@host:port[,host:port…]/database[?schema=…]`; the schema is made where it is missing. */
  readonly url: string;
  /** Connections of this process at most, besides one that listens; default 8. */
  readonly connectionsMax?: number;
  /** Runs on a server that may lose in a power cut what it acknowledged; default false. */
  readonly unsafeDurability?: boolean;
}

export interface PostgresEngineDependencies extends EngineDependencies {
  readonly logger: Logger;
}

const defaultConnectionsMax = 8;
/** What one transaction stores or removes at most. */
const batchItemsMax = 2_000;
const batchBytesMax = 8 * 1024 * 1024;
/** What waits to be stored, besides that; then `busy`. */
const waitingBytesMax = 64 * 1024 * 1024;
/** What a message costs besides its envelope while it waits. */
const itemCostBytes = 256;

/**
 * Mailboxes in a PostgreSQL database that several relays share. An acknowledgement means: flushed to the primary's disk, and to
 * the standbys' where `synchronous_standby_names` names some. When the primary dies its calls reject as retryable until a server of the URL is
 * primary. Disposing ends its connections.
 * @throws {EngineUrlError}; {EngineUnsafeError} naming the setting at fault; {EngineUnavailableError}; {EngineFailedError}.
 */
export async function openPostgresEngine(
  options: PostgresEngineOptions,
  dependencies: PostgresEngineDependencies,
): Promise<MailboxEngine> {
  const settings = parsePostgresUrl(options.url);
  const { connectionsMax = defaultConnectionsMax, unsafeDurability = false } = options;
  const connections = new Connections({ ...settings, connectionsMax, unsafeDurability }, dependencies);
  try {
    await migrate(connections, settings.schema);
    const engine = new PostgresEngine(options, settings.schema, connections, dependencies);
    await engine.start();
    return engine;
  } catch (error) {
    await connections[Symbol.asyncDispose]();
    throw error;
  }
}

class PostgresEngine implements MailboxEngine {
  readonly name = 'postgres';
  readonly limits: EngineLimits;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #watchers = new Watchers();
  readonly #wakeups: Wakeups;
  readonly #sweeper: Sweeper;
  readonly #appends: CallBatcher<MessageToStore, StoreOutcome>;
  readonly #acks: CallBatcher<MailboxAck, number>;
  #isClosed = false;

  constructor(
    options: PostgresEngineOptions,
    schema: string,
    connections: Connections,
    { clock, random, logger }: PostgresEngineDependencies,
  ) {
    this.limits = resolveEngineLimits(options.limits);
    this.#connections = connections;
    this.#clock = clock;
    this.#random = random;
    this.#sweeper = new Sweeper(connections, this.limits, clock);
    const names = { channel: `${schema}_stored`, tag: toHex(random.bytes(8)) };
    this.#wakeups = new Wakeups(names, { connections, watchers: this.#watchers, clock, logger });
    const batches = { itemsMax: batchItemsMax, bytesMax: batchBytesMax };
    this.#appends = new CallBatcher({
      ...batches,
      run: (batch) => this.#append(batch),
      sizeOf: ({ envelope }) => envelope.length + itemCostBytes,
    });
    this.#acks = new CallBatcher({
      ...batches,
      run: (acks) => this.#connections.transaction((session) => removeAcked(session, acks)),
      sizeOf: ({ messages }) => messages.length * itemCostBytes,
    });
  }

  async start(): Promise<void> {
    await this.#wakeups.start();
  }

  async append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    this.#assertOpen();
    if (this.#appends.waitingBytes > waitingBytesMax) return batch.map(() => ({ kind: 'refused', code: 'busy' }));
    return this.#appends.call(batch);
  }

  async #append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    try {
      const context = { limits: this.limits, nowMs: this.#clock.now() };
      const outcomes = await this.#connections.transaction((session, sendLast) =>
        appendBatch(session, batch, { ...context, sendLast }),
      );
      const filled = new Set<InboxId>();
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.kind === 'stored' && outcome.isNew) filled.add((batch[index] as MessageToStore).inbox);
      }
      for (const inbox of filled) this.#watchers.wake(inbox);
      this.#wakeups.notify(filled);
      return outcomes;
    } catch (error) {
      if (isFull(error)) return batch.map(() => ({ kind: 'refused', code: 'relay-full' }));
      throw error;
    }
  }

  read(request: ReadRequest): Promise<ReadResult> {
    return this.#run((session) => readMessages(session, request, this.#clock.now()));
  }

  async ack(acks: readonly MailboxAck[]): Promise<number> {
    this.#assertOpen();
    if (this.#acks.waitingBytes > waitingBytesMax) throw new EngineBusyError('acks');
    const counts = await this.#acks.call(acks);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  position(inbox: InboxId): Promise<MailboxPosition | null> {
    return this.#run((session) => positionOf(session, inbox));
  }

  async claim(claims: readonly InboxClaim[]): Promise<readonly ClaimOutcome[]> {
    this.#assertOpen();
    const context = { limits: this.limits, nowMs: this.#clock.now(), random: this.#random };
    try {
      return await this.#connections.transaction((session) => claimAll(session, claims, context));
    } catch (error) {
      if (isFull(error)) return claims.map(() => 'relay-full');
      throw error;
    }
  }

  async release(inbox: InboxId, owner: InboxId): Promise<boolean> {
    this.#assertOpen();
    return this.#connections.transaction((session) => releaseMailbox(session, inbox, owner));
  }

  claimOf(inbox: InboxId): Promise<InboxClaim | null> {
    return this.#run((session) => claimIn(session, inbox, this.#clock.now()));
  }

  watch(inbox: InboxId, handler: () => void): Disposable {
    return this.#watchers.add(inbox, handler);
  }

  async stats(): Promise<EngineStats> {
    this.#assertOpen();
    return this.#connections.transaction(statsOf);
  }

  async sweep(): Promise<number> {
    this.#assertOpen();
    return this.#sweeper.sweep();
  }

  async #run<T>(action: (session: Session) => Promise<T>): Promise<T> {
    this.#assertOpen();
    return this.#connections.run(action);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new EngineClosedError();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#appends.close();
    this.#acks.close();
    await this.#wakeups[Symbol.asyncDispose]();
    await this.#connections[Symbol.asyncDispose]();
  }
}
