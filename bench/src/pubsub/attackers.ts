import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Setting } from './setting.ts';

/** What the attackers' process is told: the setting, and of whom it may dial the addresses. */
export interface AttackOrder {
  readonly setting: Setting;
  readonly targets: readonly (readonly string[])[];
}

/** All attackers of a network, in a process of their own: what they cost is theirs, as on machines of their own. */
export class Attackers {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all of them take part. @throws where their process ends before. */
  static async begin(order: AttackOrder): Promise<Attackers> {
    const child = fork(fileURLToPath(new URL('./attackers-main.ts', import.meta.url)), [], {
      execArgv: process.execArgv,
    });
    child.send(order);
    const ended = once(child, 'exit').then(() => {
      throw new Error('the attackers did not come up');
    });
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => {});
    return new Attackers(child);
  }

  /** Those who carried everything until now carry nothing any more. */
  turn(): void {
    this.#child.send('turn');
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}
