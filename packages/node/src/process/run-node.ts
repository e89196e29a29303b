import {
  type Clock,
  createPrometheusMeter,
  createSystemClock,
  createSystemRandom,
  startTicker,
  type Ticker,
} from '@pulsemesh/base';
import type { NodeConfig, NodeSecrets } from '../config/node-config.ts';
import { aborted, watchForStop } from './lifetime.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from './process-log.ts';
import { type RunningNode, startNode } from './start-node.ts';

/** How long a node may take to stop before the process ends all the same. */
const stopMsMax = 7_000;
const pendingPeriodMs = 250;

/**
 * Runs one node in this process until it is told to stop: SIGTERM, SIGINT or, when supervised, the end of standard
 * input. Writes one line of JSON to standard output when it is up: `{type: 'ready', peerId, addresses, ports,
 * roles, pid}`. Logs go to the configured file or to standard error. Resolves with the exit code.
 */
export async function runNode(config: NodeConfig, secrets: NodeSecrets, isSupervised: boolean): Promise<number> {
  const logger = createNodeLogger(config);
  const stop = watchForStop(isSupervised);
  stopOnBugs(logger);
  const clock = createSystemClock();
  const labels = { role: config.roles.join('+'), instance: config.name };
  const deps = { clock, random: createSystemRandom(), logger, meter: createPrometheusMeter(labels) };
  const node = await startNode(config, secrets, deps);
  const { peerId, addresses, ports, roles } = node;
  writeMessage({ type: 'ready', name: config.name, peerId, addresses, ports, roles, pid: process.pid });
  logger.info('node is up', { peerId, pid: process.pid });
  const telling = isSupervised ? tellPending(node, clock) : null;
  await aborted(stop);
  telling?.stop();
  logger.info('node stops', { reason: String(stop.reason) });
  clock.setTimer(() => {
    logger.error('the node did not stop in time');
    process.exit(1);
  }, stopMsMax);
  await node[Symbol.asyncDispose]();
  logger.info('node has stopped');
  return 0;
}

/** Tells the supervisor, whenever it changed, how much the node still has to do: `{type: 'pending', count}`. */
function tellPending(node: RunningNode, clock: Clock): Ticker {
  let told = -1;
  return startTicker(
    clock,
    pendingPeriodMs,
    () => {
      const count = node.pending();
      if (count !== told) writeMessage({ type: 'pending', count });
      told = count;
    },
    () => {},
  );
}
