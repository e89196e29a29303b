import { createPrometheusMeter, createSystemClock, createSystemRandom } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import { makeDirectory } from '@pulsemesh/store';
import {
  type NodeConfig,
  type NodeConfigInput,
  type NodeSecrets,
  parseNodeConfig,
  readNodeSecrets,
} from '../config/node-config.ts';
import { aborted, watchForStop } from '../process/lifetime.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { loadNodeIdentity } from '../process/node-identity.ts';
import { createNodeLogger, stopOnBugs } from '../process/process-log.ts';
import type { AgentNetwork } from '../relay/agent.ts';
import { startBoardService } from './board-service.ts';
import { startWitnessService, type WitnessService } from './witness-service.ts';

/** As in a node's configuration, without roles. */
export type AloneConfig = Omit<NodeConfigInput, 'roles'>;

export interface RunBoardOptions {
  readonly config: AloneConfig;
  /** Told once it listens. */
  readonly onListening: (listening: { readonly url: string; readonly key: string; readonly peerId: string }) => void;
}

/**
 * Runs a board alone, without a network of peers, until SIGTERM or SIGINT. Resolves with the exit code: 0, or 1 where the disk failed.
 * @throws {ConfigError}; what `startBoardService` throws.
 */
export async function runBoard({ config: input, onListening }: RunBoardOptions): Promise<number> {
  const config = parseNodeConfig({ ...input, roles: ['board'] });
  const { board, dataDirectory } = config;
  if (board === undefined) throw new TypeError('a board without its settings'); // parseNodeConfig refuses it
  const { identity, deps, stop } = await begin(config, readNodeSecrets(config), 'board');
  await using service = await startBoardService({ ...board, dataDirectory }, identity, deps);
  onListening({ url: service.url, key: service.key, peerId: identity.peerId });
  deps.logger.info('board is up', { pid: process.pid, entries: service.log.checkpoint.size });
  const failure = await Promise.race([service.failed, aborted(stop).then(() => null)]);
  if (failure === null) return 0;
  deps.logger.error('the board failed', { code: failure.code });
  return 1;
}

export interface RunWitnessOptions {
  readonly config: AloneConfig;
  readonly network: AgentNetwork;
  /** Told once it runs. */
  readonly onRunning: (running: { readonly key: string; readonly url: string | null }, service: WitnessService) => void;
}

/** Runs a witness alone until SIGTERM or SIGINT. Resolves with the exit code. @throws {ConfigError}; what the stores throw. */
export async function runWitness({ config: input, network, onRunning }: RunWitnessOptions): Promise<number> {
  // No role of a network runs; the schema wants one.
  const config = parseNodeConfig({ ...input, roles: ['bootstrap'] });
  const { witness, dataDirectory } = config;
  if (witness === undefined) throw new TypeError('a witness without its settings');
  const { identity, deps, stop } = await begin(config, readNodeSecrets(config), 'witness');
  await using service = await startWitnessService({ ...witness, dataDirectory, network }, identity, deps);
  onRunning({ key: service.key, url: service.url }, service);
  await aborted(stop);
  return 0;
}

interface Begun {
  readonly identity: Identity;
  readonly deps: NodeDependencies;
  readonly stop: AbortSignal;
}

async function begin(config: NodeConfig, secrets: NodeSecrets, role: string): Promise<Begun> {
  const logger = createNodeLogger(config);
  const stop = watchForStop(false);
  stopOnBugs(logger);
  makeDirectory(config.dataDirectory);
  const meter = createPrometheusMeter({ role, instance: config.name });
  const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
  return { identity: await loadNodeIdentity(config, secrets, deps), deps, stop };
}
