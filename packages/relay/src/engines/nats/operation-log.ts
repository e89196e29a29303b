import {
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type Clock, type Logger, sleep, startTicker, type Ticker } from '@pulsemesh/base';
import { errorCode } from '@pulsemesh/base/errors';
import type { EngineLimits } from '../../engine.ts';
import { EngineFailedError, EngineUnavailableError } from '../../errors.ts';
import { askMonitor, assertNewEnough, assertServersDurable } from './durability.ts';
import type { NatsSettings } from './settings.ts';

/** A message of the stream. */
export interface LogMessage {
  readonly sequence: number;
  readonly isSnapshot: boolean;
  readonly data: Uint8Array;
}

/** How long a publication is repeated under the same id before it is given up; well within the stream's memory for ids. */
const publishForMs = 15_000;
/** A cluster that has just been started takes its time. */
const openForMs = 60_000;
const publishTimeoutMs = 3_000;
const retryMs = 200;
const askTimeoutMs = 5_000;
const lookEveryMs = 1_500;
const followTimeoutMs = 2_000;
/** How often the stream is looked at by hand before a consumer is tried again. */
const pullRounds = 20;
const duplicateWindowNs = 120_000_000_000;
/** How fast a consumer whose server died is noticed. */
const consumer = { expires: 5_000, idle_heartbeat: 1_000, max_messages: 256 } as const;
/** JetStream: "insufficient resources", "maximum bytes exceeded", "maximum messages exceeded". */
const fullCodes = new Set([10023, 10047, 10077]);
const streamNotFoundCode = 10059;

/** The stream has no room. */
export class LogFullError extends EngineUnavailableError {
  constructor(cause: unknown) {
    super('the stream has no room', { cause });
  }
}

/** A stream that all relays of one engine append to and follow. */
export class OperationLog implements AsyncDisposable {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #follower: JetStreamClient;
  readonly #settings: NatsSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isClosed = false;

  private constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    settings: NatsSettings,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = jetstream(connection, { timeout: askTimeoutMs });
    this.#follower = jetstream(connection, { timeout: followTimeoutMs });
    this.#settings = settings;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Connects, refuses what is not durable, and makes the stream where it is missing.
   * @throws {EngineUnsafeError}; {EngineUnavailableError}; {EngineFailedError} where the relays' limits differ.
   */
  static async open(
    settings: NatsSettings,
    options: { readonly limits: EngineLimits; readonly unsafeDurability: boolean },
    dependencies: { readonly clock: Clock; readonly logger: Logger },
  ): Promise<OperationLog> {
    const { servers, user, password, isTls } = settings;
    const connection = await connect({
      servers: [...servers],
      name: 'pulsemesh-relay',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      ...(user === null ? {} : { user, pass: password ?? '' }),
      ...(isTls ? { tls: {} } : {}),
    }).catch((error) => {
      throw new EngineUnavailableError('no server answers', { cause: error });
    });
    try {
      assertNewEnough(connection.info?.version ?? '');
      if (!options.unsafeDurability) assertServersDurable(await Promise.all(settings.monitors.map(askMonitor)));
      const manager = await jetstreamManager(connection, { timeout: askTimeoutMs, checkAPI: false });
      const log = new OperationLog(connection, manager, settings, dependencies);
      await log.#makeStream(options.limits);
      return log;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** What a message may have at most, bytes. */
  get messageBytesMax(): number {
    return this.#connection.info?.max_payload ?? 1024 * 1024;
  }

  async #makeStream(limits: EngineLimits): Promise<void> {
    const { stream, replicas } = this.#settings;
    const limitText = JSON.stringify(limits);
    const info = await this.#eventually(openForMs, async () => {
      try {
        return await this.#manager.streams.info(stream);
      } catch (error) {
        if (!(error instanceof JetStreamApiError) || error.code !== streamNotFoundCode) throw error;
        return this.#manager.streams.add({
          name: stream,
          subjects: [this.#subject('log'), this.#subject('snapshot')],
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          discard: DiscardPolicy.New,
          num_replicas: replicas,
          duplicate_window: duplicateWindowNs,
          metadata: { limits: limitText },
        });
      }
    });
    if (info.config.num_replicas < replicas)
      throw new EngineFailedError(`the stream has fewer than ${replicas} replicas`);
    // Each relay computes what becomes of an operation; with other limits it would come to something else.
    if (info.config.metadata?.['limits'] !== limitText) {
      throw new EngineFailedError('the limits are others than those of the relays that made the stream');
    }
  }

  /** A cluster that just started, or lost its leader, answers a little later. */
  async #eventually<T>(forMs: number, action: () => Promise<T>): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + forMs;
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (error instanceof JetStreamApiError && fullCodes.has(error.code)) throw new LogFullError(error);
        if (this.#isClosed || this.#clock.monotonicMs() >= untilMs) {
          throw new EngineUnavailableError('the cluster does not answer', { cause: error });
        }
      }
      await sleep(this.#clock, retryMs);
    }
  }

  /**
   * Appends a message; resolves with its sequence once it is flushed by a majority. Given up after a while: then it may come yet.
   * @throws {EngineUnavailableError}; {LogFullError}.
   */
  async append(data: Uint8Array, id: string, where: 'log' | 'snapshot' = 'log'): Promise<number> {
    const options = { msgID: id, timeout: publishTimeoutMs };
    const { seq } = await this.#eventually(publishForMs, () =>
      this.#client.publish(this.#subject(where), data, options),
    );
    return seq;
  }

  /** Sequences of the first and the last message; what was acknowledged before is there. */
  async bounds(): Promise<{ readonly first: number; readonly last: number }> {
    try {
      const { state }: StreamInfo = await this.#manager.streams.info(this.#settings.stream);
      return { first: state.first_seq, last: state.last_seq };
    } catch (error) {
      throw new EngineUnavailableError('the cluster does not answer', { cause: error });
    }
  }

  /** All messages from `sequence` on, in order, without end until the log is disposed; only snapshots where asked. */
  async *follow(sequence: number, only?: 'snapshot'): AsyncGenerator<LogMessage> {
    let next = sequence;
    while (!this.#isClosed) {
      try {
        const ordered = await this.#follower.consumers.get(this.#settings.stream, {
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: next,
          ...(only === undefined ? {} : { filter_subjects: this.#subject(only) }),
        });
        const messages = await ordered.consume(consumer);
        const watch = this.#watchFor(
          () => next,
          () => void messages.close(),
        );
        try {
          for await (const message of messages) {
            if (message.seq < next) continue;
            next = message.seq + 1;
            const isSnapshot = message.subject === this.#subject('snapshot');
            yield { sequence: message.seq, isSnapshot, data: message.data };
          }
        } finally {
          watch.stop();
        }
      } catch (error) {
        if (!this.#isClosed) this.#logger.warn('the stream cannot be followed now', { code: errorCode(error) });
      }
      try {
        for await (const message of this.#pull(next)) {
          next = message.sequence + 1;
          if (only === undefined || message.isSnapshot) yield message;
        }
      } catch {
        // Neither way now: both are tried again.
        if (!this.#isClosed) await sleep(this.#clock, retryMs);
      }
    }
  }

  /** A consumer whose server died may come back late, or never: `stuck` is called once there is more than it gives. */
  #watchFor(next: () => number, stuck: () => void): Ticker {
    let missing = -1;
    const look = async () => {
      const expected = next();
      if (missing === expected) stuck();
      missing = (await this.bounds()).last >= expected ? expected : -1;
    };
    return startTicker(this.#clock, lookEveryMs, look, () => {});
  }

  /**
   * For a while, one message after the other: slower, but it needs the stream's leader only, while a consumer may be given to a server that
   * has just died.
   */
  async *#pull(sequence: number): AsyncGenerator<LogMessage> {
    let next = sequence;
    for (let round = 0; round < pullRounds && !this.#isClosed; round += 1) {
      const { first, last } = await this.bounds();
      for (next = Math.max(next, first); next <= last; next += 1) {
        const message = await this.#manager.streams.getMessage(this.#settings.stream, { seq: next });
        if (message === null) continue;
        const isSnapshot = message.subject === this.#subject('snapshot');
        yield { sequence: message.seq, isSnapshot, data: message.data };
      }
      await sleep(this.#clock, retryMs);
    }
  }

  /** Removes messages before `sequence`. */
  async purgeBefore(sequence: number): Promise<void> {
    await this.#manager.streams.purge(this.#settings.stream, { seq: sequence });
  }

  #subject(what: 'log' | 'snapshot'): string {
    return `pulsemesh.${this.#settings.stream}.${what}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#connection.close();
  }
}
