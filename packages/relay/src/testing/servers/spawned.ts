import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** A loopback port that was free a moment ago, for servers that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.close();
  await once(server, 'close');
  return port;
}

/** Where programs are. */
export function programFolders(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter);
}

/** Folders below `base` whose names sort last first, each with `inner`. */
export function versionFolders(base: string, inner: string): string[] {
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .sort((one, other) => Number(other) - Number(one))
    .map((name) => join(base, name, inner));
}

export interface SpawnedOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
}

/** A server that a test started: ended by its own process id. */
export class Spawned {
  readonly process: ChildProcess;
  /** The end of what it said on either stream. */
  output = '';
  readonly exited: Promise<unknown>;

  constructor({ program, args, uid, gid, cwd }: SpawnedOptions) {
    this.process = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.exited = new Promise((resolve) => {
      this.process.once('exit', resolve);
      this.process.once('error', resolve);
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (part: Buffer) => {
        this.output = (this.output + part.toString()).slice(-20_000);
      });
    }
  }

  /** Resolves once `pattern` is in what it said. @throws when it ends before, with what it said. */
  async said(pattern: RegExp): Promise<void> {
    const found = new Promise<void>((resolve) => {
      const look = () => pattern.test(this.output) && resolve();
      for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', look);
      look();
    });
    const ended = this.exited.then(() => {
      throw new Error(`${this.process.spawnfile} ended: ${this.output}`);
    });
    await Promise.race([found, ended]);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
    await this.exited;
  }
}

/** Runs a program to its end. @throws when it does not end well, with what it said. */
export async function runProgram(options: SpawnedOptions): Promise<string> {
  const spawned = new Spawned(options);
  const code = await spawned.exited;
  if (code !== 0) throw new Error(`${options.program} ended with ${String(code)}: ${spawned.output}`);
  return spawned.output;
}
