import { type Clock, Condition, type Logger, type Random, sleep, type Timer, withTimeout } from '@pulsemesh/base';
import {
  type ProcessEnd,
  type ProcessMessage,
  type ProcessSpec,
  type RunningProcess,
  startProcess,
} from './supervised-process.ts';

/** A process that was to become ready ended, or said nothing, instead. */
export class ProcessFailedError extends Condition {
  override readonly name = 'ProcessFailedError';
  constructor(process: string, why: string) {
    super('process-failed', `${process} did not start: ${why}`, { facts: { process } });
  }
}

/** What the supervisor tells whoever started it. */
export type SupervisorEvent =
  | { readonly type: 'started'; readonly name: string; readonly pid: number; readonly isRestart: boolean }
  | { readonly type: 'ready'; readonly name: string; readonly message: ProcessMessage; readonly isRestart: boolean }
  | { readonly type: 'message'; readonly name: string; readonly message: ProcessMessage }
  | { readonly type: 'ended'; readonly name: string; readonly end: ProcessEnd; readonly restartsInMs: number | null };

/** One process as it stands. */
export interface ProcessState {
  readonly name: string;
  readonly pid: number | null;
  readonly isReady: boolean;
  readonly restarts: number;
}

export interface SupervisorOptions {
  /** Wait before the first restart, doubled at each further one up to `restartMsMax`; defaults 100 and 10,000. */
  readonly restartMsMin?: number;
  readonly restartMsMax?: number;
  /** A process that lived this long starts over with the short wait; default 30,000. */
  readonly steadyMs?: number;
  /** How long a process may take to stop before it is ended by force; default 8,000. */
  readonly stopMs?: number;
  /** How long a process may take to become ready; default 60,000. */
  readonly readyMs?: number;
}

export interface SupervisorDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onEvent: (event: SupervisorEvent) => void;
}

interface Supervised {
  readonly spec: ProcessSpec;
  running: RunningProcess | null;
  isReady: boolean;
  isWanted: boolean;
  isRestarted: boolean;
  restarts: number;
  failures: number;
  startedMs: number;
  restartTimer: Timer | null;
  ready: PromiseWithResolvers<ProcessMessage>;
}

/**
 * Keeps processes running: what dies is started again after a wait that grows, until it is told otherwise.
 * The caller must `stopAll`.
 */
export class Supervisor {
  readonly #options: Required<SupervisorOptions>;
  readonly #deps: SupervisorDependencies;
  readonly #processes = new Map<string, Supervised>();

  constructor(options: SupervisorOptions, deps: SupervisorDependencies) {
    this.#options = {
      restartMsMin: options.restartMsMin ?? 100,
      restartMsMax: options.restartMsMax ?? 10_000,
      steadyMs: options.steadyMs ?? 30_000,
      stopMs: options.stopMs ?? 8_000,
      readyMs: options.readyMs ?? 60_000,
    };
    this.#deps = deps;
  }

  /**
   * Starts a process and resolves with its ready message (the first whose type is `ready`).
   * @throws {ProcessFailedError} when it ends before that; {TimeoutError} when it takes longer than `readyMs`.
   * In both cases it goes on being restarted until stopped.
   */
  start(spec: ProcessSpec): Promise<ProcessMessage> {
    if (this.#processes.has(spec.name)) throw new ProcessFailedError(spec.name, 'the name is taken');
    const supervised: Supervised = {
      spec,
      running: null,
      isReady: false,
      isWanted: true,
      isRestarted: spec.isRestarted ?? true,
      restarts: 0,
      failures: 0,
      startedMs: 0,
      restartTimer: null,
      ready: Promise.withResolvers(),
    };
    supervised.ready.promise.catch(() => {});
    this.#processes.set(spec.name, supervised);
    this.#run(supervised, false);
    return withTimeout(
      this.#deps.clock,
      `the start of ${spec.name}`,
      this.#options.readyMs,
      () => supervised.ready.promise,
    );
  }

  /** From now on, what is named here stays dead when it dies. */
  forbidRestart(name: string): void {
    const supervised = this.#processes.get(name);
    if (supervised !== undefined) supervised.isRestarted = false;
  }

  /** Every process that was started, in that order. */
  states(): readonly ProcessState[] {
    return [...this.#processes.values()].map(({ spec, running, isReady, restarts }) => ({
      name: spec.name,
      pid: running?.pid ?? null,
      isReady,
      restarts,
    }));
  }

  /** Stops one process: asks it, waits at most `stopMs`, then ends it by force. Unknown names are ignored. */
  async stop(name: string): Promise<void> {
    const supervised = this.#processes.get(name);
    if (supervised === undefined) return;
    supervised.isWanted = false;
    supervised.restartTimer?.cancel();
    const running = supervised.running;
    if (running === null) return;
    running.askToStop();
    const patience = new AbortController();
    const force = sleep(this.#deps.clock, supervised.spec.stopMs ?? this.#options.stopMs, {
      signal: patience.signal,
    }).then(
      () => {
        this.#deps.logger.warn('process ended by force', { process: name });
        running.kill();
      },
      () => {},
    );
    await running.ended;
    patience.abort();
    await force;
  }

  /**
   * Stops everything, group after group in the order given (names within a group at the same time), then
   * whatever was not named.
   */
  async stopAll(groups: readonly (readonly string[])[] = []): Promise<void> {
    // Nothing may come back while others are being stopped.
    for (const supervised of this.#processes.values()) {
      supervised.isWanted = false;
      supervised.restartTimer?.cancel();
    }
    for (const group of [...groups, [...this.#processes.keys()]]) {
      await Promise.all(group.map((name) => this.stop(name)));
    }
  }

  #run(supervised: Supervised, isRestart: boolean): void {
    const { spec } = supervised;
    const running = startProcess(spec, (message) => this.#receive(supervised, message, isRestart));
    supervised.running = running;
    supervised.startedMs = this.#deps.clock.monotonicMs();
    this.#deps.onEvent({ type: 'started', name: spec.name, pid: running.pid, isRestart });
    void running.ended.then((end) => this.#ended(supervised, end));
  }

  #receive(supervised: Supervised, message: ProcessMessage, isRestart: boolean): void {
    if (message.type !== 'ready') {
      this.#deps.onEvent({ type: 'message', name: supervised.spec.name, message });
      return;
    }
    supervised.isReady = true;
    supervised.ready.resolve(message);
    this.#deps.onEvent({ type: 'ready', name: supervised.spec.name, message, isRestart });
  }

  #ended(supervised: Supervised, end: ProcessEnd): void {
    const { spec } = supervised;
    supervised.running = null;
    supervised.isReady = false;
    const livedMs = this.#deps.clock.monotonicMs() - supervised.startedMs;
    supervised.failures = livedMs >= this.#options.steadyMs ? 1 : supervised.failures + 1;
    supervised.ready.reject(
      new ProcessFailedError(spec.name, end.lastWords.trim() || `exit ${end.exitCode ?? end.signal}`),
    );
    const isComingBack = supervised.isWanted && supervised.isRestarted;
    const waitMs = isComingBack ? this.#restartWaitMs(supervised.failures) : null;
    this.#deps.onEvent({ type: 'ended', name: spec.name, end, restartsInMs: waitMs });
    if (waitMs === null) return;
    supervised.restartTimer = this.#deps.clock.setTimer(() => {
      supervised.restarts += 1;
      this.#run(supervised, true);
    }, waitMs);
  }

  #restartWaitMs(failures: number): number {
    const { restartMsMin, restartMsMax } = this.#options;
    const waitMs = Math.min(restartMsMax, restartMsMin * 2 ** Math.min(failures - 1, 20));
    // A little chance keeps processes that died together from coming back in step.
    return Math.round(waitMs * (0.75 + 0.25 * this.#deps.random.float()));
  }
}
