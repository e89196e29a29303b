import { type ChildProcess, spawn } from 'node:child_process';
import { createLineReader } from '../process/line-reader.ts';

/** How to start a process that obeys the supervisor's customs. */
export interface ProcessSpec {
  /** Unique among the processes of a supervisor, e.g. `storage-1`. */
  readonly name: string;
  /** The module that Node runs, and its arguments. */
  readonly module: string;
  readonly args: readonly string[];
  /** Flags of Node itself, e.g. a heap limit. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** False: what dies stays dead. Default true. */
  readonly isRestarted?: boolean;
  /** How long it may take to stop before it is ended by force; default the supervisor's. */
  readonly stopMs?: number;
}

/** A line of JSON that a process wrote to its standard output. */
export type ProcessMessage = Readonly<Record<string, unknown>> & { readonly type: string };

export interface RunningProcess {
  readonly pid: number;
  /** How it ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Closes its standard input, which asks it to stop; a second call changes nothing. */
  askToStop(): void;
  /** Ends it at once. */
  kill(): void;
}

export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last of what it wrote to standard error: why it died, if it said so. */
  readonly lastWords: string;
}

const lastWordsCharactersMax = 4_096;

/**
 * Starts a process whose standard input stays open as long as it is wanted and whose standard output carries
 * one JSON object a line. The caller must `askToStop` or `kill` it.
 */
export function startProcess(spec: ProcessSpec, onMessage: (message: ProcessMessage) => void): RunningProcess {
  const child = spawn(process.execPath, [...(spec.nodeFlags ?? []), spec.module, ...spec.args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...spec.env },
    windowsHide: true,
  });
  // A child that is gone breaks the pipe; its end is told by `ended`.
  child.stdin.on('error', () => {});
  child.stdout.setEncoding('utf8');
  child.stdout.on(
    'data',
    createLineReader((line) => {
      const message = parseMessage(line);
      if (message !== null) onMessage(message);
    }),
  );
  let lastWords = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (chunk: string) => {
    lastWords = (lastWords + chunk).slice(-lastWordsCharactersMax);
  });
  return {
    pid: child.pid ?? 0,
    ended: endOf(child, () => lastWords),
    askToStop: () => child.stdin.end(),
    kill: () => void child.kill('SIGKILL'),
  };
}

function endOf(child: ChildProcess, lastWords: () => string): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, lastWords: error.message }));
    // `close`, not `exit`: after it nothing more comes from the pipes.
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, lastWords: lastWords() }));
  });
}

function parseMessage(line: string): ProcessMessage | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return null;
    return 'type' in value && typeof value.type === 'string' ? (value as ProcessMessage) : null;
  } catch {
    return null; // a library's chatter
  }
}
