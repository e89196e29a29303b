import { EngineUnavailableError, EngineUnsafeError } from '../../errors.ts';

/** What one server's monitoring port says of its JetStream. */
export interface NatsServerFacts {
  readonly serverId: string;
  readonly version: string;
  /** Null: it does not say (before 2.10 there is no such setting). */
  readonly syncAlways: boolean | null;
  /** Servers in the cluster that JetStream runs on; 1 where there is none. */
  readonly clusterSize: number;
}

const wantedMinor = 10;
const monitorTimeoutMs = 5_000;
const answerBytesMax = 1024 * 1024;

/** Asks a server's monitoring port. @throws {EngineUnavailableError} where it does not answer as one. */
export async function askMonitor(url: string): Promise<NatsServerFacts> {
  try {
    const varz = asRecord(await getJson(`${url}/varz`));
    const jsz = asRecord(await getJson(`${url}/jsz`));
    const config = asRecord(jsz['config']);
    const meta = asRecord(jsz['meta_cluster']);
    const { sync_always: always, sync_interval: interval } = config;
    return {
      serverId: String(varz['server_id'] ?? ''),
      version: String(varz['version'] ?? ''),
      // Servers that know the setting name its interval always, and `sync_always` only where it is on.
      syncAlways: always === true ? true : interval === undefined ? null : false,
      clusterSize: Number(meta['cluster_size'] ?? 1),
    };
  } catch (error) {
    throw new EngineUnavailableError('a monitoring port does not answer', { cause: error });
  }
}

async function getJson(url: string): Promise<unknown> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(monitorTimeoutMs), redirect: 'error' });
  const text = await answer.text();
  if (!answer.ok || text.length > answerBytesMax) throw new Error(`status ${answer.status}`);
  return JSON.parse(text);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}; // fields are checked one by one
}

/** @throws {EngineUnsafeError} for a server before 2.10: it flushes every two minutes and cannot be told otherwise. */
export function assertNewEnough(version: string): void {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  if (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= wantedMinor)) return;
  throw new EngineUnsafeError('the nats-server', `version ${version}`, '2.10 or newer');
}

/**
 * Refuses servers that acknowledge before they flush, and those of which that is not known.
 * @throws {EngineUnsafeError}.
 */
export function assertServersDurable(found: readonly NatsServerFacts[]): void {
  if (found.length === 0) {
    throw new EngineUnsafeError('sync_interval', 'unknown (the URL names no monitor=host:port)', 'always');
  }
  for (const { version, syncAlways } of found) {
    assertNewEnough(version);
    if (syncAlways !== true) throw new EngineUnsafeError('sync_interval', 'not always on a server', 'always');
  }
  const known = new Set(found.map(({ serverId }) => serverId)).size;
  const size = Math.max(...found.map(({ clusterSize }) => clusterSize));
  if (known < size) {
    throw new EngineUnsafeError(
      'sync_interval',
      `known of ${known} of ${size} servers`,
      'always on each: name all in monitor=',
    );
  }
}
