import { Worker } from 'node:worker_threads';
import { type Clock, errorForLog, type Logger, unreachable } from '@pulsemesh/base';
import type { Instruments } from '../chain/instruments.ts';
import { ChainClosedError, overLimit } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import type { RpcOutcome } from '../rpc/dispatch.ts';
import type { ChainFacts, RunSettings } from '../running-chain.ts';
import { conditionOf } from './faults.ts';
import type { ThreadReport, ThreadRequest } from './messages.ts';

/** How long a thread may take to close before it is ended, milliseconds. What is sealed is safe either way. */
const closeMsMax = 10_000;

export interface ThreadDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instruments: Instruments;
}

/** The chain's thread seen from outside: calls in, answers out, every call settled even when the thread dies. */
export class ChainThread implements AsyncDisposable {
  /** Resolves when the thread has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #dependencies: ThreadDependencies;
  readonly #calls = new Map<number, PromiseWithResolvers<RpcOutcome>>();
  readonly #started = Promise.withResolvers<ChainFacts>();
  #callCount = 0;
  #isEnded = false;
  #isClosing = false;

  private constructor(worker: Worker, dependencies: ThreadDependencies) {
    this.#worker = worker;
    this.#dependencies = dependencies;
    worker.on('message', (said: ThreadReport) => this.#hear(said));
    worker.on('error', (error) => dependencies.logger.error("the ledger's thread broke", errorForLog(error)));
    this.ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#end();
        resolve();
      });
    });
  }

  /** Starts the thread and the chain in it. @throws what `startEmbeddedChain` throws. */
  static async start(settings: RunSettings, dependencies: ThreadDependencies): Promise<[ChainThread, ChainFacts]> {
    const worker = new Worker(new URL('./chain-worker.ts', import.meta.url), { workerData: settings });
    const thread = new ChainThread(worker, dependencies);
    return [thread, await thread.#started.promise];
  }

  /** @throws {ChainClosedError}, {RpcRefusal} over the limit. */
  call(method: string, params: unknown): Promise<RpcOutcome> {
    if (this.#isEnded || this.#isClosing) throw new ChainClosedError();
    if (this.#calls.size >= embeddedLimits.callsMax) throw overLimit('callsMax');
    const answer = Promise.withResolvers<RpcOutcome>();
    this.#callCount += 1;
    this.#calls.set(this.#callCount, answer);
    this.#post({ kind: 'call', id: this.#callCount, method, params });
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosing && !this.#isEnded) {
      this.#isClosing = true;
      this.#post({ kind: 'close' });
    }
    const deadline = this.#dependencies.clock.setTimer(() => void this.#worker.terminate(), closeMsMax);
    await this.ended;
    deadline.cancel();
  }

  #post(request: ThreadRequest): void {
    this.#worker.postMessage(request);
  }

  #hear(said: ThreadReport): void {
    const { logger, instruments } = this.#dependencies;
    switch (said.kind) {
      case 'started':
        this.#started.resolve(said.facts);
        break;
      case 'not-started':
        this.#isClosing = true; // it ends by itself, and who started it is told why
        this.#started.reject(conditionOf(said.fault));
        break;
      case 'answer':
        this.#calls.get(said.id)?.resolve(said.outcome);
        this.#calls.delete(said.id);
        break;
      case 'log':
        logger[said.level](said.message, said.fields);
        break;
      case 'measured':
        for (const { name, value } of said.measured) measure(instruments[name], value);
        break;
      case 'closed':
        break;
      default:
        unreachable(said);
    }
  }

  #end(): void {
    this.#isEnded = true;
    const closed = new ChainClosedError();
    this.#started.reject(closed);
    for (const { reject } of this.#calls.values()) reject(closed);
    this.#calls.clear();
    if (!this.#isClosing) this.#dependencies.logger.error("the ledger's thread ended by itself");
  }
}

function measure(instrument: Instruments[keyof Instruments], value: number): void {
  if ('add' in instrument) instrument.add(value);
  else instrument.observe(value);
}
