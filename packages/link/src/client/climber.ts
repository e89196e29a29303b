import { type Clock, Condition, errorCode, errorMessage, type Random, type Timer, unreachable } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import { CarrierClosedError } from '../errors.ts';
import type { ClientSession } from '../session-ends.ts';
import { packetBytesMaxDefault } from './carriers/base-carrier.ts';
import { type CarrierConnectors, drawCarrierId } from './carriers/connect.ts';
import { PollCarrier } from './carriers/poll-carrier.ts';
import { pollWaitMsStart } from './carriers/poll-wait.ts';
import { CarrierError, type TransportFailure } from './errors.ts';
import { HeardCarrier } from './heard-carrier.ts';
import { Ladder } from './ladder.ts';
import type { LadderCommand } from './ladder-types.ts';
import type { NetworkRecord } from './network-memory.ts';
import type { AttemptFailure } from './transport-record.ts';

/** How often the session is asked whether something waits for an acknowledgement, milliseconds. */
const lookMs = 1_000;

/** What a climber tells its owner. */
export interface ClimberEvents {
  /** The carrier in use changed, or what is asked for. */
  onMoved(transport: TransportName): void;
  /** An attempt came to nothing, or a carrier broke. */
  onFailed(transport: TransportName, failure: AttemptFailure): void;
  /** A whole round came to nothing; the next one begins by itself. */
  onExhausted(failures: readonly TransportFailure[]): void;
}

export interface ClimberOptions {
  readonly url: URL;
  readonly transports: readonly TransportName[];
  readonly connectors: CarrierConnectors;
  readonly record: NetworkRecord | null;
}

export interface ClimberDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly session: ClientSession;
  readonly events: ClimberEvents;
}

interface Entry {
  readonly attempt: number;
  readonly transport: TransportName;
  readonly abort: AbortController;
  carrier: HeardCarrier | null;
  isProven: boolean;
}

/** Does for one session what a {@link Ladder} decides: opens carriers, attaches, probes, uses and closes them. */
export class Climber {
  readonly #options: ClimberOptions;
  readonly #deps: ClimberDependencies;
  readonly #ladder: Ladder;
  readonly #entries = new Map<number, Entry>();
  readonly #packetBytesMax: Partial<Record<TransportName, number>>;
  #pollWaitMs: number | null;
  #timer: Timer | null = null;
  #isStopped = false;
  #waits: { readonly transport: TransportName; readonly settle: (error: Condition | null) => void }[] = [];

  constructor(options: ClimberOptions, deps: ClimberDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#packetBytesMax = { ...options.record?.packetBytesMax };
    this.#pollWaitMs = options.record?.pollWaitMs ?? null;
    this.#ladder = new Ladder({ transports: options.transports, memo: options.record }, deps);
  }

  start(): void {
    this.#deps.session.onCarrierClosed((carrier, reason) => {
      const entry = [...this.#entries.values()].find((one) => one.carrier === carrier);
      if (entry?.isProven) this.#closed(entry, reason);
    });
    this.#run(this.#ladder.start(this.#nowMs()));
  }

  /** What to remember of this network. */
  get record(): NetworkRecord {
    this.#learn();
    return { ...this.#ladder.memo, packetBytesMax: { ...this.#packetBytesMax }, pollWaitMs: this.#pollWaitMs };
  }

  get pinned(): TransportName | null {
    return this.#ladder.pinned;
  }

  get failures(): readonly TransportFailure[] {
    return this.#ladder.failures;
  }

  /**
   * Moves to this transport and stays there until it breaks; null: lets the ladder choose again. Resolves once it is in use.
   * @throws {CarrierError} with the reason when it does not come up or breaks before.
   */
  pin(transport: TransportName | null): Promise<void> {
    if (transport === null || this.#activeTransport === transport) {
      this.#run(this.#ladder.pin(transport, this.#nowMs()));
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A newer wish replaces the older: the ladder follows the last.
    this.#settleWaits(transport, new CarrierError('replaced', 'another transport was asked for'), false);
    this.#waits.push({ transport, settle: (error) => (error === null ? resolve() : reject(error)) });
    this.#run(this.#ladder.pin(transport, this.#nowMs()));
    return promise;
  }

  /** Ends every attempt and carrier; nothing is called back any more. */
  stop(reason: Condition | null): void {
    if (this.#isStopped) return;
    this.#learn();
    this.#isStopped = true;
    this.#timer?.cancel();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) {
      entry.abort.abort(reason ?? new CarrierError('closed', 'the link was closed here'));
      entry.carrier?.close(reason);
    }
    for (const wait of this.#waits.splice(0))
      wait.settle(reason ?? new CarrierError('closed', 'the link was closed here'));
  }

  get #activeTransport(): TransportName | null {
    const { active } = this.#ladder;
    return active === null ? null : (this.#entries.get(active)?.transport ?? null);
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }

  #run(commands: readonly LadderCommand[]): void {
    for (const command of commands) if (!this.#isStopped) this.#do(command);
    if (!this.#isStopped) this.#setTimer();
  }

  #do(command: LadderCommand): void {
    switch (command.kind) {
      case 'open':
        void this.#open(command.attempt, command.transport);
        return;
      case 'close':
        this.#close(command.attempt, command.why);
        return;
      case 'probe':
        void this.#probe(command.attempt);
        return;
      case 'use':
        this.#use(command.attempt);
        return;
      case 'exhausted':
        this.#deps.events.onExhausted(command.failures);
        return;
      default:
        unreachable(command);
    }
  }

  async #open(attempt: number, transport: TransportName): Promise<void> {
    const entry: Entry = { attempt, transport, abort: new AbortController(), carrier: null, isProven: false };
    this.#entries.set(attempt, entry);
    try {
      const rttMs = await this.#bringUp(entry);
      if (!this.#entries.has(attempt)) return;
      entry.isProven = true;
      this.#run(this.#ladder.proven(attempt, rttMs, this.#nowMs()));
    } catch (error) {
      if (!this.#entries.delete(attempt)) return;
      const failure = failureOf(error);
      entry.carrier?.close(null);
      this.#deps.events.onFailed(transport, failure);
      this.#run(this.#ladder.failed(attempt, failure, this.#nowMs()));
      this.#settleIfUnpinned(transport, failure);
    }
  }

  async #bringUp(entry: Entry): Promise<number> {
    const { transport, abort } = entry;
    const connect = this.#options.connectors[transport];
    if (connect === undefined) throw new CarrierError('connect-failed', `${transport} does not exist here`);
    const packetBytesMax = this.#packetBytesMax[transport];
    const inner = await connect({
      url: this.#options.url,
      id: drawCarrierId(this.#deps.random),
      signal: abort.signal,
      ...(packetBytesMax === undefined ? {} : { packetBytesMax }),
      ...(this.#pollWaitMs === null ? {} : { pollWaitMs: this.#pollWaitMs }),
    });
    if (abort.signal.aborted) {
      inner.close(null);
      abort.signal.throwIfAborted();
    }
    entry.carrier = new HeardCarrier(inner, this.#deps.clock);
    return this.#deps.session.attach(entry.carrier);
  }

  #close(attempt: number, why: 'replaced' | 'timeout' | 'worse'): void {
    const entry = this.#entries.get(attempt);
    if (entry === undefined) return;
    this.#learn();
    this.#entries.delete(attempt);
    const reason = why === 'timeout' ? new CarrierError('timeout', 'nothing came back in time') : null;
    entry.abort.abort(reason ?? new CarrierError('replaced', 'another transport took over'));
    entry.carrier?.close(reason);
    if (reason !== null) this.#deps.events.onFailed(entry.transport, { code: reason.code, reason: reason.message });
    this.#settleIfUnpinned(entry.transport, { code: why, reason: 'it was given up' });
  }

  async #probe(attempt: number): Promise<void> {
    const entry = this.#entries.get(attempt);
    if (!entry?.carrier) return;
    try {
      const rttMs = await this.#deps.session.probe(entry.carrier, { signal: entry.abort.signal });
      if (this.#entries.has(attempt)) this.#run(this.#ladder.probed(attempt, rttMs, this.#nowMs()));
    } catch {
      // Its carrier is over, which is told by itself, or the ladder has stopped waiting.
    }
  }

  #use(attempt: number): void {
    const entry = this.#entries.get(attempt);
    if (!entry?.carrier) return;
    this.#deps.session.use(entry.carrier);
    this.#deps.events.onMoved(entry.transport);
    this.#settleWaits(entry.transport, null, true);
  }

  #closed(entry: Entry, reason: Condition | null): void {
    if (entry.carrier !== null) this.#learnOf(entry.transport, entry.carrier);
    this.#entries.delete(entry.attempt);
    const failure = failureOf(reason ?? new CarrierError('cut', 'the other end closed it'));
    const idleMs = this.#nowMs() - (entry.carrier?.heardMs ?? 0);
    this.#deps.events.onFailed(entry.transport, failure);
    this.#run(this.#ladder.closed(entry.attempt, { ...failure, idleMs }, this.#nowMs()));
  }

  #setTimer(): void {
    this.#timer?.cancel();
    const nowMs = this.#nowMs();
    const isUp = this.#ladder.active !== null;
    const atMs = Math.min(this.#ladder.nextAtMs, isUp ? nowMs + lookMs : Number.POSITIVE_INFINITY);
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#deps.clock.setTimer(() => this.#tick(), Math.max(0, atMs - nowMs));
  }

  #tick(): void {
    for (const entry of this.#entries.values()) {
      if (entry.carrier !== null) this.#ladder.heard(entry.attempt, entry.carrier.heardMs);
    }
    this.#ladder.setBusy(this.#deps.session.status.unackedBytes > 0);
    this.#run(this.#ladder.tick(this.#nowMs()));
  }

  #learn(): void {
    for (const entry of this.#entries.values()) {
      if (entry.carrier !== null && entry.isProven) this.#learnOf(entry.transport, entry.carrier);
    }
  }

  #learnOf(transport: TransportName, { inner }: HeardCarrier): void {
    if (inner.packetBytesMax < packetBytesMaxDefault) this.#packetBytesMax[transport] = inner.packetBytesMax;
    if (!(inner instanceof PollCarrier) || transport !== 'long-poll') return;
    if (inner.pollWaitMs < pollWaitMsStart) this.#pollWaitMs = inner.pollWaitMs;
  }

  // Settles the waits for this transport, or with `isOf` false those for all others.
  #settleWaits(transport: TransportName, error: Condition | null, isOf: boolean): void {
    const settled = this.#waits.filter((wait) => (wait.transport === transport) === isOf);
    this.#waits = this.#waits.filter((wait) => !settled.includes(wait));
    for (const wait of settled) wait.settle(error);
  }

  #settleIfUnpinned(transport: TransportName, failure: AttemptFailure): void {
    if (this.#ladder.pinned === transport) return;
    this.#settleWaits(transport, new CarrierError('connect-failed', `${transport}: ${failure.reason}`), true);
  }
}

/** What is told of a thrown value: the sentence of the condition that began it. */
function failureOf(error: unknown): AttemptFailure {
  const cause = error instanceof CarrierClosedError && error.cause instanceof Condition ? error.cause : error;
  const retryAfterMs = cause instanceof Condition ? cause.facts['retryAfterMs'] : undefined;
  return {
    code: errorCode(cause),
    reason: cause instanceof Condition ? cause.message : `it failed (${errorMessage(cause)})`,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  };
}
