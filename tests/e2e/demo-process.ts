import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '@pulsemesh/node';
import type { PeerView } from '@pulsemesh/node/api';
import type { RunReport } from '@pulsemesh/node/demo';

const main = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
const ownNode = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.exe' : 'node');
/** The Node that the project brings, which need not be the one that runs the tests. */
export const node = existsSync(ownNode) ? ownNode : process.execPath;

/** Whom to run a process as; only root may choose another. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Where `user` can run this checkout from: it may lie below a folder that only root opens (as `mktemp -d` makes them), and
 * is then shown to the user a second time, to be read only, until disposed.
 */
export function checkoutFor(user: User): Disposable & { readonly path: string } {
  const canRun = spawnSync(node, [main, '--help'], { ...user, stdio: 'ignore' }).status === 0;
  if (canRun) return { path: root, [Symbol.dispose]: () => {} };
  // Not inside the test's own directory: that one is removed with all that is in it.
  const path = mkdtempSync(join(tmpdir(), 'pulsemesh-checkout-'));
  chmodSync(path, 0o755);
  execFileSync('mount', ['--bind', '--options', 'ro', root, path]);
  return {
    path: `${path}/`,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['--lazy', path]);
      rmdirSync(path);
    },
  };
}

/** A directory of a test's own, removed when disposed. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'pulsemesh-e2e-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** A `pulsemesh` command running as a process of its own. Dispose to end it. */
export class CommandProcess implements AsyncDisposable {
  readonly #child;
  readonly #waiting = new Set<() => void>();
  #text = '';
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  #hasExited = false;

  /** `checkout`: where to run it from, see {@link checkoutFor}. */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    { checkout = root, ...user }: User & { readonly checkout?: string } = {},
  ) {
    const options = { env: { ...process.env, ...env }, ...user };
    const [ownNode, ownMain] = [node, main].map((file) => file.replace(root, checkout)) as [string, string]; // two for two
    this.#child = spawn(ownNode, [ownMain, ...args], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.once('error', (error) => {
      this.#text += `not started: ${error.message}\n`;
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#text += chunk;
        for (const wake of this.#waiting) wake();
      });
    }
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#hasExited = true;
        for (const wake of this.#waiting) wake();
        resolve(code);
      });
    });
  }

  get text(): string {
    return this.#text;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first match in what it wrote so far or will write. Throws with all it wrote when it ends before. */
  async seen(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#text.slice(from));
      if (match !== null) return match;
      if (this.#hasExited) throw new Error(`ended before ${pattern}:\n${this.#text}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasExited) this.#child.kill('SIGTERM');
    await this.exited;
  }
}

/** The demo on a data directory of its own, and its API once it is up. */
export class DemoProcess extends CommandProcess {
  readonly data: string;

  constructor(data: string, args: readonly string[]) {
    super(['start', '--data', data, '--port', '0', ...args], { PULSEMESH_WEB: '', PULSEMESH_RECORDINGS: '' });
    this.data = data;
  }

  async client(): Promise<ApiClient> {
    const [, url = '', token = ''] = await this.seen(/Page +(http:\S+)\/#token=(\S+)/);
    return new ApiClient({ url: url.replace('localhost', '127.0.0.1'), token });
  }

  /** The configuration of one of its nodes. */
  config(name: string): { readonly listen: readonly string[]; readonly bootstrap: readonly string[] } {
    return JSON.parse(readFileSync(join(this.data, 'nodes', `${name}.json`), 'utf8'));
  }
}

/** Asks again until the answer is there: for facts that only an API tells. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | null | undefined>,
  limitMs = 60_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const answer = await ask().catch(() => null);
    if (answer !== null && answer !== undefined) return answer;
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The live peer of a role, the first by id. */
export async function livePeer(client: ApiClient, role: string): Promise<PeerView> {
  return eventually(`a live ${role}`, async () => {
    const { peers } = await client.network();
    return peers.find((peer) => peer.isAlive && peer.roles.includes(role));
  });
}

export function readReport(file: string): RunReport {
  return JSON.parse(readFileSync(file, 'utf8')) as RunReport;
}
