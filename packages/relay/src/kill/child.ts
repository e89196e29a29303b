import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openLmdbTables } from '@pulsemesh/store';

export const relayProgram: string = fileURLToPath(new URL('./relay-process.ts', import.meta.url));
export const agentProgram: string = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

/** A process of the kill tests, and the lines it printed. */
export class Child {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly #waits = new Set<() => void>();

  constructor(program: string, args: readonly string[]) {
    this.process = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.process.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(line);
      for (const wait of this.#waits) wait();
    });
  }

  async until(isSo: (lines: readonly string[]) => boolean): Promise<void> {
    if (isSo(this.lines)) return;
    await new Promise<void>((resolve) => {
      const wait = () => {
        if (!isSo(this.lines)) return;
        this.#waits.delete(wait);
        resolve();
      };
      this.#waits.add(wait);
    });
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}

/** Resolves once the receiver's log has `last`. */
export async function waitForLast(receiver: Child, directory: string, last: number): Promise<void> {
  for (;;) {
    const count = receiver.lines.length;
    if ((await logOf(directory)).includes(last)) return;
    await receiver.until((lines) => lines.length > count);
  }
}

/** The numbers that an agent received, in order. */
export async function logOf(directory: string): Promise<number[]> {
  await using store = await openLmdbTables({ directory });
  return [...store.range('log')].map(({ value }) => Number(new TextDecoder().decode(value)));
}
