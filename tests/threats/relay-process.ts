import {
  createLogger,
  createPrometheusMeter,
  createSystemClock,
  createSystemRandom,
  type LogLevel,
} from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { type EngineLimits, openLmdbEngine, type RelayLimits, startRelayServer } from '@pulsemesh/relay';

// A relay as a process of its own, for tests that look at it from outside: its memory, its disk, its log, its death. Its one argument
// is a RelayTask as JSON. Prints its URL once it listens, its log on standard error, and answers `stats` by a message.

export interface RelayTask {
  readonly directory: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly logLevel: LogLevel;
  /** A folder for the transport of files; null: none. */
  readonly drop: string | null;
  readonly limits: Partial<RelayLimits>;
  readonly engineLimits: Partial<EngineLimits>;
  readonly reserveBytes: number;
}

export interface RelayStats {
  readonly messages: number;
  readonly bytes: number;
  readonly residentBytes: number;
  readonly metrics: string;
}

const task = JSON.parse(process.argv[2] ?? '{}') as RelayTask;
const meter = createPrometheusMeter();
const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: createLogger({ level: task.logLevel }, { write: (line) => process.stderr.write(line) }),
  meter,
};
const { directory, limits, engineLimits, reserveBytes } = task;
const engine = await openLmdbEngine({ directory, reserveBytes, limits: engineLimits }, dependencies);
const server = await startRelayServer(
  {
    identity: identityOfSeed(new Uint8Array(32).fill(9)),
    engine,
    listen: {
      host: '127.0.0.1',
      port: task.port,
      tls: task.tls,
      ...(task.drop === null ? {} : { drop: task.drop, dropLimits: { scanMs: 50 } }),
    },
    limits,
  },
  dependencies,
);
process.on('message', () => void answer());
process.on('disconnect', () => process.exit());
process.stdout.write(`${server.url}\n`);

async function answer(): Promise<void> {
  const { messages, bytes } = await engine.stats();
  const stats: RelayStats = {
    messages,
    bytes,
    residentBytes: process.memoryUsage.rss(),
    metrics: await meter.text(),
  };
  process.send?.(stats);
}
