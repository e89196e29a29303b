import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, Condition, sleep } from '@pulsemesh/base';

/** A program that a test wants is not on this machine, or does not run here: the test skips and shows the text. */
export class ProgramAbsentError extends Condition {
  override readonly name = 'ProgramAbsentError';
  constructor(program: string, why: string) {
    super('program-absent', `${program} is not to be had here: ${why}`, { facts: { program } });
  }
}

/** Why none of the paths holds a program that can run here; null: there is one. */
export function absenceOf(paths: readonly string[], needsRoot = false): string | null {
  if (process.platform !== 'linux') return 'only tried on Linux';
  if (!paths.every((path) => existsSync(path))) return `${paths.find((path) => !existsSync(path))} is missing`;
  if (needsRoot && process.getuid?.() !== 0) return 'it needs root';
  return null;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return address.port;
}

/** A directory for one program's files, gone with it. */
export async function scratchDirectory(name: string): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), `pulsemesh-${name}-`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Where it listens once it is ready. */
  readonly host?: string;
  readonly port: number;
  /** How it is told to end. Default SIGTERM. */
  readonly endSignal?: NodeJS.Signals;
}

const readyMs = 30_000;
const endMs = 5_000;
const outputCharactersMax = 20_000;

/**
 * Starts a program and resolves once its port takes connections; ends it by its process id.
 * @throws {ProgramAbsentError} with what it printed, when it ended before that.
 */
export async function startProgram(
  options: ProgramOptions,
  { clock }: { readonly clock: Clock },
): Promise<AsyncDisposable> {
  const child = spawn(options.command, options.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let output = '';
  const gather = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-outputCharactersMax);
  };
  child.stdout.on('data', gather);
  child.stderr.on('data', gather);
  const exited = once(child, 'exit').catch(() => {});
  const deadlineMs = clock.monotonicMs() + readyMs;
  while (!(await takesConnections(options.host ?? '127.0.0.1', options.port))) {
    if (child.exitCode !== null || child.pid === undefined || clock.monotonicMs() > deadlineMs) {
      await end(child, exited, clock, 'SIGKILL');
      throw new ProgramAbsentError(options.command, `it did not start: ${output.trim()}`);
    }
    await sleep(clock, 20);
  }
  return { [Symbol.asyncDispose]: () => end(child, exited, clock, options.endSignal ?? 'SIGTERM') };
}

async function end(child: ChildProcess, exited: Promise<unknown>, clock: Clock, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill(signal);
  const timer = clock.setTimer(() => child.kill('SIGKILL'), endMs);
  await exited;
  timer.cancel();
}

function takesConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
