import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
/** What the demo says before its page is there is kept for an error's text, no more than this. */
const outputCharsMax = 20_000;

/** A demo network on this machine: `npm start` without the set-up. */
export interface RunningDemo extends AsyncDisposable {
  /** Address of the page, with the key in its fragment. */
  readonly entry: string;
}

export interface DemoOptions {
  /** The built page. */
  readonly webDirectory: string;
  /** Recordings to replay; generated hearts without. */
  readonly recordings?: string;
}

/**
 * Starts the demo on free ports and an empty data directory; resolves when it has printed the address of its page.
 * Disposing stops it as Ctrl-C would and removes its data.
 * @throws Error with what it printed, when it ends instead; `signal.reason`.
 */
export async function startDemo(options: DemoOptions, wait: { readonly signal: AbortSignal }): Promise<RunningDemo> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-demo-'));
  const args = ['start', '--port', '0', '--data', directory];
  if (options.recordings !== undefined) args.push('--recordings', options.recordings);
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...process.env, PULSEMESH_WEB: options.webDirectory, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async () => {
    await endChild(child);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return { entry: await readEntry(child, wait.signal), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function readEntry(child: ChildProcess, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  const listen = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-outputCharsMax);
    const address = /https?:\/\/\S+#token=[\w-]+/.exec(said)?.[0];
    if (address !== undefined) resolve(address);
  };
  const onAbort = () => reject(new Error(`the demo did not print its page's address; it said:\n${said}`));
  // Read on after the address: a full pipe would hold the demo up.
  child.stdout?.on('data', listen);
  child.stderr?.on('data', listen);
  child.once('error', reject);
  child.once('exit', (code) => reject(new Error(`the demo ended with code ${code}; it said:\n${said}`)));
  signal.addEventListener('abort', onAbort, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
