import { createConnection } from 'node:net';
import { type Clock, Condition, errorCode, type Logger, type Random, raceSignal, sleep } from '@pulsemesh/base';
import { MqttClient } from 'mqtt';
import { refusalTopic } from '../mqtt/refusal-topic.ts';
import type { Reading, UserId } from '../readings/reading.ts';

export interface DeviceOptions {
  /** `mqtt://host:port`, or what finds it out anew for each connection (a restarted ingest may be elsewhere). */
  readonly mqttUrl: string | (() => string | Promise<string>);
  readonly userId: UserId;
  /** What it measures, in the order of time; read as it is played, never all at once. */
  readonly series: Iterable<Reading> | AsyncIterable<Reading>;
  /** Seconds of the series in one second; 1 is real time, Infinity as fast as it is taken. */
  readonly speed: number;
  /** Default: the user id. Of all connections with one client id the broker keeps the newest. */
  readonly clientId?: string;
  /** `v1` (default) or the original message, which carries neither time nor intervals. */
  readonly form?: 'v1' | 'original';
  /** Default 1. With 0 "acknowledged" means no more than written to the connection. */
  readonly qos?: 0 | 1 | 2;
  readonly username?: string;
  readonly password?: string;
  /** Readings measured and not yet acknowledged at most; past it the series waits. Default 3,600. */
  readonly queueReadingsMax?: number;
  /** Of these under way to the broker at once; default 32. */
  readonly inFlightMax?: number;
  /** Between attempts to connect, milliseconds, give or take half; default 500. */
  readonly reconnectMs?: number;
}

/** When a reading went to the broker for the first time and when it was acknowledged, wall time. */
export interface AckTimes {
  readonly sentMs: number;
  readonly ackedMs: number;
}

export interface DeviceDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once for each reading that was acknowledged. */
  readonly onAcked?: (reading: Reading, times: AckTimes) => void;
  /** Called with the code of each refusal that the broker explains (a refused reading is acknowledged too). */
  readonly onRefused?: (code: string) => void;
}

export interface DeviceStatus {
  readonly sent: number;
  readonly acked: number;
  readonly refused: number;
  /** Measured, not acknowledged. */
  readonly waiting: number;
  readonly isConnected: boolean;
}

/** A running device. Dispose to switch it off: what is not acknowledged is gone. */
export interface Device extends AsyncDisposable {
  readonly userId: UserId;
  status(): DeviceStatus;
  /** Resolves when the series has ended and all of it was acknowledged; rejects when the device was switched off before. */
  readonly finished: Promise<void>;
  /** Measures nothing more; resolves when all it measured was acknowledged. */
  finish(): Promise<void>;
}

/** The device was switched off. */
export class DeviceOffError extends Condition {
  override readonly name = 'DeviceOffError';
  constructor() {
    super('device-off', 'the device was switched off');
  }
}

/**
 * Starts a wearable that plays a series of readings to an ingest: paced by the readings' times, connected again and
 * again, each reading sent until it is acknowledged. Costs a connection and a timer, so many run in one process.
 */
export function startDevice(options: DeviceOptions, dependencies: DeviceDependencies): Device {
  return new WearableDevice(options, dependencies);
}

interface Outgoing {
  readonly reading: Reading;
  sentMs: number | null;
}

class WearableDevice implements Device {
  readonly userId: UserId;
  readonly finished: Promise<void>;
  readonly #options: DeviceOptions;
  readonly #deps: DeviceDependencies;
  readonly #queueMax: number;
  readonly #inFlightMax: number;
  readonly #off = new AbortController();
  readonly #seriesOver = new AbortController();
  readonly #changed = new Set<() => void>();
  #queue: Outgoing[] = [];
  #client: MqttClient | undefined;
  #isReady = false;
  #inFlight = 0;
  #sent = 0;
  #acked = 0;
  #refused = 0;

  constructor(options: DeviceOptions, dependencies: DeviceDependencies) {
    this.userId = options.userId;
    this.#options = options;
    this.#deps = dependencies;
    this.#queueMax = options.queueReadingsMax ?? 3_600;
    this.#inFlightMax = options.inFlightMax ?? 32;
    this.finished = this.#run();
    // Whoever does not look at it must not be stopped by it.
    this.finished.catch(() => {});
  }

  status(): DeviceStatus {
    return {
      sent: this.#sent,
      acked: this.#acked,
      refused: this.#refused,
      waiting: this.#queue.length + this.#inFlight,
      isConnected: this.#isReady,
    };
  }

  async finish(): Promise<void> {
    this.#seriesOver.abort(new DeviceOffError());
    await this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#off.abort(new DeviceOffError());
    this.#notify();
    await this.finished.catch(() => {});
    this.#isReady = false;
    await this.#client?.endAsync(true);
  }

  async #run(): Promise<void> {
    const url = { current: await raceSignal(this.#resolveUrl(), this.#off.signal) };
    this.#connect(url);
    await this.#play();
    await this.#until(() => this.#queue.length + this.#inFlight === 0);
  }

  async #play(): Promise<void> {
    const { clock } = this.#deps;
    const stopped = AbortSignal.any([this.#off.signal, this.#seriesOver.signal]);
    const startedMs = clock.monotonicMs();
    let firstMs: number | undefined;
    for await (const reading of untilAborted(this.#options.series, stopped)) {
      firstMs ??= reading.tMs;
      const dueMs = startedMs + (reading.tMs - firstMs) / this.#options.speed;
      const delayMs = dueMs - clock.monotonicMs();
      if (delayMs > 0) await sleep(clock, delayMs, { signal: stopped }).catch(() => {});
      await this.#until(() => this.#queue.length + this.#inFlight < this.#queueMax || stopped.aborted);
      if (stopped.aborted) return;
      this.#queue.push({ reading, sentMs: null });
      this.#pump();
    }
  }

  #connect(url: { current: string }): void {
    const { clientId, username, password, reconnectMs = 500 } = this.#options;
    const { random, logger } = this.#deps;
    const client = new MqttClient(
      () => {
        const { hostname, port } = new URL(url.current);
        return createConnection({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 1883), noDelay: true });
      },
      {
        clientId: clientId ?? this.userId,
        // A session that is kept: after a reconnection QoS 2 goes on where it was.
        clean: false,
        protocolVersion: 4,
        reconnectPeriod: Math.max(1, Math.round(reconnectMs * (0.5 + random.float()))),
        resubscribe: false,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: Buffer.from(password) }),
      },
    );
    this.#client = client;
    client.on('error', (error) => logger.debug('a device lost its connection', { code: errorCode(error) }));
    client.on('connect', () => this.#connected(client));
    client.on('close', () => {
      this.#isReady = false;
      this.#resolveUrl().then(
        (found) => {
          url.current = found;
        },
        (error: unknown) => logger.debug('a device does not know where to connect', { code: errorCode(error) }),
      );
    });
    client.on('message', (_topic, payload) => this.#takeRefusal(payload));
  }

  #connected(client: MqttClient): void {
    if (this.#off.signal.aborted) return;
    this.#isReady = true;
    client.subscribe(refusalTopic(this.#options.clientId ?? this.userId), () => {
      // An id that no topic can hold gets no explanations.
    });
    this.#pump();
  }

  #pump(): void {
    const { clock } = this.#deps;
    const client = this.#client;
    while (client !== undefined && this.#isReady && this.#inFlight < this.#inFlightMax) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.sentMs === null) {
        next.sentMs = clock.now();
        this.#sent += 1;
      }
      this.#inFlight += 1;
      const payload = encodeMessage(next.reading, this.#options.form ?? 'v1');
      client.publish('pulsemesh/vitals', payload, { qos: this.#options.qos ?? 1 }, (error) => {
        this.#inFlight -= 1;
        if (error === undefined || error === null) this.#acknowledged(next);
        else this.#queue.unshift(next); // not sent, or the client is ending
        this.#notify();
        this.#pump();
      });
    }
  }

  #acknowledged({ reading, sentMs }: Outgoing): void {
    const ackedMs = this.#deps.clock.now();
    this.#acked += 1;
    this.#deps.onAcked?.(reading, { sentMs: sentMs ?? ackedMs, ackedMs });
  }

  #takeRefusal(payload: Uint8Array): void {
    this.#refused += 1;
    try {
      const { code } = JSON.parse(new TextDecoder().decode(payload)) as { readonly code?: unknown };
      this.#deps.onRefused?.(typeof code === 'string' ? code.slice(0, 64) : 'unknown');
    } catch {
      this.#deps.onRefused?.('unknown');
    }
  }

  async #resolveUrl(): Promise<string> {
    const { mqttUrl } = this.#options;
    return typeof mqttUrl === 'string' ? mqttUrl : mqttUrl();
  }

  /** Waits for a change that makes `condition` true; rejects when switched off. */
  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      this.#off.signal.throwIfAborted();
      if (condition()) return;
      await new Promise<void>((resolve) => {
        this.#changed.add(resolve);
      });
    }
  }

  #notify(): void {
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const wake of waiting) wake();
  }
}

/** The series, ended early by `signal` even while it has nothing to say. */
async function* untilAborted<T>(series: Iterable<T> | AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const iterator = Symbol.asyncIterator in series ? series[Symbol.asyncIterator]() : series[Symbol.iterator]();
  while (!signal.aborted) {
    const step = Promise.resolve(iterator.next());
    const result = await raceSignal(step, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
    if (result === undefined || result.done === true) return;
    yield result.value;
  }
}

/** What a device puts on the wire for a reading. */
export function encodeMessage(reading: Reading, form: 'v1' | 'original'): string {
  const { userId, tMs, heartRateBpm, rrMs, seq, confidence } = reading;
  if (form === 'original') return JSON.stringify({ userId, heartrate: String(heartRateBpm) });
  return JSON.stringify({
    userId,
    t: tMs,
    heartrate: heartRateBpm,
    ...(rrMs.length === 0 ? {} : { rr: rrMs }),
    ...(seq === null ? {} : { seq }),
    ...(confidence === null ? {} : { confidence }),
  });
}
