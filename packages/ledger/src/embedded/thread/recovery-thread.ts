import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RecoverKey } from '../execution/recover-key.ts';
import { embeddedLimits } from '../limits.ts';

export interface RecoveryQuestion {
  readonly id: number;
  readonly input: Parameters<RecoverKey>;
}

export interface RecoveryAnswer {
  readonly id: number;
  /** Null: there is none. */
  readonly key: Uint8Array | null;
}

/**
 * A second thread that recovers senders' keys while the chain's thread executes: a fifth of a purchase's work. It only ever saves time:
 * without it, or when it is behind or gone, null comes back and the chain does the work itself.
 */
export class RecoveryThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (key: Uint8Array | null) => void>();
  #asked: RecoveryQuestion[] = [];
  #count = 0;
  #isGone = false;

  /** Undefined on a machine with one core, where it would only be in the way. */
  static start(): RecoveryThread | undefined {
    return availableParallelism() > 1 ? new RecoveryThread() : undefined;
  }

  constructor() {
    this.#worker = new Worker(new URL('./recovery-worker.ts', import.meta.url));
    this.#worker.unref();
    this.#worker.on('message', (answers: readonly RecoveryAnswer[]) => {
      for (const { id, key } of answers) this.#settle(id, key);
    });
    this.#worker.on('error', () => this.#giveUp());
    this.#worker.on('exit', () => this.#giveUp());
  }

  /** The key behind a signature; null where it is to be looked for here. Never throws. */
  recover(...input: Parameters<RecoverKey>): Promise<Uint8Array | null> {
    if (this.#isGone || this.#waiting.size >= embeddedLimits.recoveriesWaitingMax) return Promise.resolve(null);
    const answer = Promise.withResolvers<Uint8Array | null>();
    this.#count += 1;
    this.#waiting.set(this.#count, answer.resolve);
    // One message for all that a turn of the event loop brings: waking the other thread costs more than what is asked.
    if (this.#asked.length === 0) setImmediate(() => this.#ask());
    this.#asked.push({ id: this.#count, input });
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp();
    await this.#worker.terminate();
  }

  #ask(): void {
    if (!this.#isGone) this.#worker.postMessage(this.#asked);
    this.#asked = [];
  }

  #settle(id: number, key: Uint8Array | null): void {
    this.#waiting.get(id)?.(key);
    this.#waiting.delete(id);
  }

  #giveUp(): void {
    this.#isGone = true;
    for (const resolve of this.#waiting.values()) resolve(null);
    this.#waiting.clear();
  }
}
