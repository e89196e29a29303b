import { createPrometheusMeter, createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { makeDirectory } from '@pulsemesh/store';
import type { NodeConfigInput } from '../config/node-config.ts';
import { parseNodeConfig, readNodeSecrets } from '../config/node-config.ts';
import { startRelayService } from '../relay/relay-service.ts';
import { refreshDaily } from './fresh-identity.ts';
import { aborted, watchForStop } from './lifetime.ts';
import { loadNodeIdentity } from './node-identity.ts';
import { createNodeLogger, stopOnBugs } from './process-log.ts';

export interface RunRelayOptions {
  /** As in a node's configuration; the role is `relay`. */
  readonly config: Omit<NodeConfigInput, 'roles'>;
  /** How long agents are given to go elsewhere, milliseconds. */
  readonly drainMs: number;
  /** Told where it listens and its peer id, once it does. */
  readonly onListening: (listening: { readonly url: string; readonly peerId: string }) => void;
}

/**
 * Runs a messaging server alone, without a network of peers, until SIGTERM or SIGINT; then lets its agents go in good order.
 * Resolves with the exit code: 0, or 1 where the engine failed.
 * @throws {ConfigError}; what `startRelayService` throws.
 */
export async function runRelay({ config: input, drainMs, onListening }: RunRelayOptions): Promise<number> {
  const config = parseNodeConfig({ ...input, roles: ['relay'] });
  const { relay, allow, dataDirectory } = config;
  if (relay === undefined) throw new TypeError('a relay without its settings'); // parseNodeConfig refuses it
  const logger = createNodeLogger(config);
  const stop = watchForStop(false);
  stopOnBugs(logger);
  makeDirectory(dataDirectory);
  const meter = createPrometheusMeter({ role: 'relay', instance: config.name });
  const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
  const secrets = readNodeSecrets(config);
  const identity = await loadNodeIdentity(config, secrets, deps);
  using _refreshing = refreshDaily(() => loadNodeIdentity(config, secrets, deps), deps);
  const options = { ...relay, dataDirectory, ...(allow === undefined ? {} : { allow }) };
  await using service = await startRelayService(options, identity, deps);
  onListening({ url: service.url, peerId: identity.peerId });
  logger.info('relay is up', { peerId: identity.peerId, pid: process.pid });
  const failure = await Promise.race([service.failed, aborted(stop).then(() => null)]);
  if (failure !== null) {
    logger.error('the relay failed', { code: failure.code });
    return 1;
  }
  logger.info('relay drains', { reason: String(stop.reason) });
  await service.drain(drainMs);
  logger.info('relay has stopped');
  return 0;
}
