import {
  AssertionError,
  type Clock,
  Condition,
  type Counter,
  type Logger,
  type Meter,
  type Random,
  raceSignal,
  silentLogger,
  silentMeter,
  type WaitOptions,
} from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { BusyError, NetworkStoppedError } from './errors.ts';
import type { NetworkPort, ProtocolName, RoleName } from './port.ts';
import { noAnswer, type RpcClient, serveRpc } from './rpc.ts';
import { defaultWorkerSearch, WorkerSearch, type WorkerSearchOptions } from './worker-search.ts';

/** The protocol on which a role's peers are asked whether they are free. */
export function freeProtocol(role: RoleName): ProtocolName {
  return `/pulsemesh/free-${role}/1`;
}

/** The DHT key under which a role's peers say that they are there. */
export function roleKey(role: RoleName): string {
  return `role:${role}`;
}

/**
 * Answers "who is free?" for `role`: true while `isFree()`, silence while not, so that the asker takes
 * somebody else without an exchange more. Dispose to stop.
 */
export function offerWork(port: NetworkPort, role: RoleName, isFree: () => boolean): Disposable {
  return serveRpc(port, freeProtocol(role), { ask: async () => (isFree() ? true : noAnswer) });
}

export interface WorkerFinderOptions extends Partial<WorkerSearchOptions> {
  readonly role: RoleName;
  /** Jobs running or waiting at once; more are refused with `busy`. Default 1,024. */
  readonly jobsMax?: number;
  /**
   * True where a failure would be the same at every worker: it is then thrown to the caller of `run`.
   * Default: `bad-request`, `untrusted`, `frame-too-large` and bugs.
   */
  readonly isFinal?: (error: unknown) => boolean;
}

export interface WorkerFinderDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

export interface RunOptions extends WaitOptions {
  /** Peers that must not get this job. */
  readonly exclude?: readonly PeerId[];
}

export interface WorkerFinder extends Disposable {
  /**
   * Runs `job` with a worker and gives its result. A job that fails is given to another worker, again and
   * again with growing pauses, until it succeeds or `signal` aborts: nothing is dropped. So a job must be
   * harmless to repeat.
   * @throws `signal.reason`; what `isFinal` says; {@link BusyError} past `jobsMax`; {@link NetworkStoppedError}.
   */
  run<T>(job: (peer: PeerId) => Promise<T>, options?: RunOptions): Promise<T>;
}

/** Makes a finder for one role. Dispose to stop: running jobs reject. */
export function createWorkerFinder(options: WorkerFinderOptions, dependencies: WorkerFinderDependencies): WorkerFinder {
  return new Finder(options, dependencies);
}

const finalCodes: ReadonlySet<string> = new Set(['bad-request', 'untrusted', 'frame-too-large', 'no-such-method']);

function isFinalByDefault(error: unknown): boolean {
  return error instanceof AssertionError || (error instanceof Condition && finalCodes.has(error.code));
}

class Finder implements WorkerFinder {
  readonly #role: RoleName;
  readonly #jobsMax: number;
  readonly #isFinal: (error: unknown) => boolean;
  readonly #questionMs: number;
  readonly #search: WorkerSearch;
  readonly #port: NetworkPort;
  readonly #rpc: RpcClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rounds: Counter;
  readonly #repeated: Counter;
  readonly #stopped = new AbortController();
  readonly #watch: Disposable;
  #jobs = 0;
  readonly #asking = new Map<string, Promise<void>>();
  readonly #wakers = new Set<() => void>();

  constructor(options: WorkerFinderOptions, dependencies: WorkerFinderDependencies) {
    const search = { ...defaultWorkerSearch, ...withoutUndefined(options) };
    this.#role = options.role;
    this.#jobsMax = options.jobsMax ?? 1024;
    this.#isFinal = options.isFinal ?? isFinalByDefault;
    this.#questionMs = search.questionMs;
    this.#search = new WorkerSearch(search, dependencies.random);
    this.#port = dependencies.port;
    this.#rpc = dependencies.rpc;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger ?? silentLogger;
    const meter = dependencies.meter ?? silentMeter;
    this.#rounds = meter.counter('worker_questions_total', 'Rounds of "who is free?"', ['role', 'end']);
    this.#repeated = meter.counter('worker_jobs_repeated_total', 'Jobs given to another worker', ['role']);
    this.#watch = this.#port.onRosterChange(() => {
      this.#search.changed();
      this.#wake();
    });
  }

  async run<T>(job: (peer: PeerId) => Promise<T>, options: RunOptions = {}): Promise<T> {
    if (this.#stopped.signal.aborted) throw new NetworkStoppedError();
    if (this.#jobs >= this.#jobsMax) throw new BusyError('jobs of a worker finder', this.#jobsMax);
    const signal =
      options.signal === undefined ? this.#stopped.signal : AbortSignal.any([options.signal, this.#stopped.signal]);
    this.#jobs += 1;
    try {
      for (;;) {
        const peer = await this.#acquire(options.exclude ?? [], signal);
        try {
          const result = await raceSignal(job(peer), signal);
          this.#search.succeeded(peer);
          return result;
        } catch (error) {
          signal.throwIfAborted();
          if (this.#isFinal(error)) throw error;
          this.#search.failed(peer, this.#clock.monotonicMs());
          this.#repeated.add(1, { role: this.#role });
          const code = error instanceof Condition ? error.code : 'internal';
          this.#logger.debug('job goes to another worker', { role: this.#role, peer, code });
        }
      }
    } finally {
      this.#jobs -= 1;
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#stopped.abort(new NetworkStoppedError());
    this.#wake();
  }

  async #acquire(exclude: readonly PeerId[], signal: AbortSignal): Promise<PeerId> {
    for (;;) {
      signal.throwIfAborted();
      const live = this.#port.livePeers(this.#role);
      const worker = this.#search.worker(this.#clock.monotonicMs());
      if (worker !== undefined && !exclude.includes(worker)) {
        if (live.length === 0 || live.some((peer) => peer.id === worker)) return worker;
        this.#search.failed(worker, this.#clock.monotonicMs());
      }
      await raceSignal(this.#askOnce(exclude), signal);
    }
  }

  // Jobs that wait for the same answer share one question; there are at most as many as there are jobs.
  #askOnce(exclude: readonly PeerId[]): Promise<void> {
    const key = exclude.join(' ');
    const known = this.#asking.get(key);
    if (known !== undefined) return known;
    const asking = this.#ask(exclude, this.#stopped.signal).finally(() => this.#asking.delete(key));
    asking.catch(() => {}); // every job that waits for it sees its end
    this.#asking.set(key, asking);
    return asking;
  }

  /** One round: ask, or wait. Afterwards there may be a worker. */
  async #ask(exclude: readonly PeerId[], signal: AbortSignal): Promise<void> {
    const candidates = (await this.#candidates(signal)).filter((peer) => !exclude.includes(peer));
    if (candidates.length === 0) return this.#pause(this.#search.silent(), signal);
    const step = this.#search.next(candidates, this.#clock.monotonicMs());
    if (step.do === 'wait') return this.#pause(step.delayMs, signal);
    const first = await this.#firstFree(step.peers, signal);
    signal.throwIfAborted();
    if (first !== undefined) {
      this.#rounds.add(1, { role: this.#role, end: 'found' });
      return this.#search.answered(first, this.#clock.monotonicMs());
    }
    this.#rounds.add(1, { role: this.#role, end: 'silent' });
    await this.#pause(this.#search.silent(), signal);
  }

  async #candidates(signal: AbortSignal): Promise<readonly PeerId[]> {
    const live = this.#port.livePeers(this.#role);
    if (live.length > 0) return live.map((peer) => peer.id);
    try {
      const found = await this.#port.lookUp(roleKey(this.#role), { signal });
      return found.filter((peer) => this.#port.isTrusted(peer));
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.debug('looking up a role failed', {
        role: this.#role,
        code: error instanceof Condition ? error.code : 'internal',
      });
      return [];
    }
  }

  async #firstFree(peers: readonly PeerId[], signal: AbortSignal): Promise<PeerId | undefined> {
    const settled = new AbortController();
    const ask = async (peer: PeerId): Promise<PeerId> => {
      const answer = await this.#rpc.call(peer, freeProtocol(this.#role), 'ask', null, {
        timeoutMs: this.#questionMs,
        signal: AbortSignal.any([settled.signal, signal]),
      });
      if (answer !== true) throw new Condition('not-free', 'the peer is not free');
      return peer;
    };
    try {
      return await Promise.any(peers.map(ask));
    } catch {
      return undefined; // all silent, gone or refusing: the round is silent
    } finally {
      settled.abort(new Condition('answered', 'another peer was first'));
    }
  }

  /** Waits on the clock, shortened by any change of the roster. */
  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        timer.cancel();
        this.#wakers.delete(onWake);
        signal.removeEventListener('abort', onAbort);
        action();
      };
      const onWake = () => settle(resolve);
      const onAbort = () => settle(() => reject(signal.reason));
      const timer = this.#clock.setTimer(onWake, delayMs);
      this.#wakers.add(onWake);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Partial<T>; // same keys
}
