import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TlsPair } from './contender.ts';
import type { ServerQuestion, ServerUsage } from './server-main.ts';

/** A contender's server in a process of its own. */
export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(name: string, tls: TlsPair | null): Promise<ServerProcess> {
    const main = fileURLToPath(new URL('./server-main.ts', import.meta.url));
    // One processor for the server, the other for the load: neither slows the other down.
    const child = fork(main, [name], {
      execArgv: [
        '--expose-gc',
        ...(process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? []),
        '--disable-warning=ExperimentalWarning',
      ],
    });
    child.send(tls as unknown as object);
    const port = (await answerOf(child)) as number;
    return new ServerProcess(child, port);
  }

  /** CPU and memory of the server; collects garbage first when asked. */
  async usage(isCollected = false): Promise<ServerUsage> {
    this.#child.send((isCollected ? 'collect' : 'usage') satisfies ServerQuestion);
    return (await answerOf(this.#child)) as ServerUsage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.send('stop' satisfies ServerQuestion);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 3_000);
    await exited;
    clearTimeout(late);
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const died = once(child, 'exit').then(() => Promise.reject(new Error('the server process ended')));
  const [message] = (await Promise.race([once(child, 'message'), died])) as [{ answer: unknown }];
  return message.answer;
}
