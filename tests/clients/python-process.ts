import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { toHex } from '@pulsemesh/wire';

const python = '/usr/bin/python3';
export const pythonClientRoot = fileURLToPath(new URL('../../clients/python', import.meta.url));
const agentFile = fileURLToPath(new URL('./python-agent.py', import.meta.url));

/** Why the Python client cannot run here, or null. */
export function pythonAbsence(): string | null {
  if (!existsSync(python)) return 'no /usr/bin/python3';
  // Debian's packages are seen by Debian's Python only.
  return existsSync('/usr/lib/python3/dist-packages/cryptography') ? null : 'python3-cryptography is not installed';
}

export const pythonCommand = {
  path: python,
  env: { PATH: '/usr/bin:/bin', PYTHONPATH: pythonClientRoot, PYTHONDONTWRITEBYTECODE: '1' },
} as const;

/** What `python-agent.py` is started with, `Link`'s own words. */
export interface PythonLinkOptions {
  readonly url: string;
  readonly server?: string;
  readonly transports?: readonly string[];
  readonly ca_file?: string;
  readonly proxy?: string;
}

/** The Python client as a process. */
export interface PythonAgent extends AsyncDisposable {
  /** What one command gives. @throws Error with the client's code as message. */
  ask(command: { readonly do: string; readonly [key: string]: unknown }): Promise<unknown>;
}

export function startPythonAgent(seed: Uint8Array, options: PythonLinkOptions): PythonAgent {
  const child = spawn(python, [agentFile, JSON.stringify({ seed: toHex(seed), ...options })], {
    env: pythonCommand.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line) as { id: number; value: unknown; error?: string };
    const { resolve, reject } = waiting.get(id) ?? Promise.withResolvers();
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void exited.then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the Python agent exited'));
  });
  let count = 0;
  return {
    ask(command) {
      const answer = Promise.withResolvers<unknown>();
      count += 1;
      waiting.set(count, answer);
      child.stdin.write(`${JSON.stringify({ ...command, id: count })}\n`);
      return answer.promise;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}
