import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '@pulsemesh/node';
import type { NetworkView } from '@pulsemesh/node/api';

/** The whole network as `npm start` runs it, without wearables; disposing it stops and removes everything. */
export interface OurNetwork extends AsyncDisposable {
  readonly api: ApiClient;
  readonly mqttUrl: string;
  /** Memory of all its processes, pages shared in proportion, bytes (Linux). */
  memoryBytes(): Promise<number>;
}

/** Two of bootstrap, storage, aggregation and prediction; one of ingest, notification and gateway. */
const peersOfTheDemo = 11;

const main = fileURLToPath(new URL('../../../apps/cli/src/main.ts', import.meta.url));

/**
 * Starts it on free ports with a data directory of its own.
 * @throws when it ends before it is up; what it printed is in the message.
 */
export async function startOurNetwork(): Promise<OurNetwork> {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-bench-'));
  const args = [main, 'start', '--no-devices', '--port', '0', '--data', directory];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const { page, token, mqttUrl } = await readAddresses(child);
  const api = new ApiClient({ url: page, token, timeoutMs: 60_000 });
  return {
    api,
    mqttUrl,
    async memoryBytes() {
      const { peers } = await untilComplete(api);
      // One process may be several peers.
      const pids = new Set([child.pid ?? 0, ...peers.map((peer) => peer.pid)]);
      return [...pids].reduce((sum, pid) => sum + pssBytes(pid), 0);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function readAddresses(child: ChildProcess): Promise<{ page: string; token: string; mqttUrl: string }> {
  const said: string[] = [];
  let page: [string, string] | undefined;
  let mqttUrl: string | undefined;
  for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
    said.push(line);
    const [, origin, token] = /(http:\/\/[^\s/]+)\/#token=(\S+)/.exec(line) ?? [];
    if (origin !== undefined && token !== undefined) page = [origin.replace('localhost', '127.0.0.1'), token];
    mqttUrl ??= /mqtt:\/\/[\d.]+:\d+/.exec(line)?.[0];
    if (page !== undefined && mqttUrl !== undefined) {
      child.stdout?.resume();
      return { page: page[0], token: page[1], mqttUrl };
    }
  }
  throw new Error(`the network did not come up:\n${said.join('\n')}`);
}

/** The network as the gateway sees it, once it sees every peer: memory counted before would be too little. */
async function untilComplete(api: ApiClient): Promise<NetworkView> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const network = await api.network();
    if (network.peers.filter((peer) => peer.isAlive).length >= peersOfTheDemo) return network;
    await wait(100);
  }
  throw new Error(`the gateway does not see ${peersOfTheDemo} peers`);
}

function pssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
