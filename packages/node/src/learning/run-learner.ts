import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, errorCode } from '@pulsemesh/base';
import { parsePolicyFile } from '@pulsemesh/board/client';
import { identityFileNames, loadOrCreateIdentity } from '@pulsemesh/identity';
import type { AggregatorEnd } from '@pulsemesh/learning';
import { createFileMemory, startLink } from '@pulsemesh/link';
import { makeDirectory } from '@pulsemesh/store';
import { parsePeerId } from '@pulsemesh/wire';
import { aborted, watchForStop } from '../process/lifetime.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from '../process/process-log.ts';
import { networkMemoryFile } from '../relay/agent.ts';
import { linkOptions } from '../relay/connect-relays.ts';
import { codeHash } from './code-hash.ts';
import { type Learner, startLearner } from './learner.ts';
import type { LearnerSettings } from './learner-settings.ts';
import { openSite } from './open-site.ts';
import { rhythmTask } from './rhythm-task.ts';
import { runTasks, type TaskHappening } from './run-tasks.ts';

/** How long an aggregator waits for more sites than it needs. */
const joinMs = 10_000;

/**
 * Runs a party of learning in this process until it is told to stop. Standard output has a line of JSON when it is up (`{type: 'ready'}`)
 * and one for each thing that happens to a task (`{type: 'task', …}`). Resolves with the exit code.
 */
export async function runLearner(settings: LearnerSettings, isSupervised: boolean): Promise<number> {
  const { name, logFile } = settings;
  const logger = createNodeLogger({
    name,
    log: { level: 'info', ...(logFile === undefined ? {} : { file: logFile }) },
  });
  const stop = watchForStop(isSupervised);
  stopOnBugs(logger);
  const meter = createPrometheusMeter({ role: 'learning', instance: name });
  const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
  await using stack = new AsyncDisposableStack();
  const learner = stack.use(await openLearner(settings, deps, stack));
  const site = settings.site === undefined ? null : await openSite(settings.site, learner, deps);
  writeMessage({ type: 'ready', name, peerId: learner.self, pid: process.pid });
  const onHappening = (happening: TaskHappening) => {
    const facts = factsOf(happening);
    logger.info('learning task', facts);
    writeMessage({ type: 'task', ...facts });
  };
  const { joins, aggregates } = settings;
  stack.use(
    runTasks(learner, { site, joins, aggregates, joinMs, codeHash: await codeHash() }, { ...deps, onHappening }),
  );
  void publishOnce(learner, settings, deps);
  await aborted(stop);
  return 0;
}

/** A party as its settings describe it, its link to the relay included, which ends with `stack`. */
async function openLearner(
  settings: LearnerSettings,
  deps: NodeDependencies,
  stack: AsyncDisposableStack,
): Promise<Learner> {
  const { dataDirectory, keyFile, organisation, relay, boardFile } = settings;
  makeDirectory(dataDirectory);
  const identity = await loadOrCreateIdentity({ file: join(dataDirectory, identityFileNames.identity), keyFile }, deps);
  const memory = createFileMemory(join(dataDirectory, networkMemoryFile), deps);
  const link = stack.use(startLink({ ...linkOptions(0, relay, deps), identity, memory }, deps));
  return startLearner(
    {
      dataDirectory,
      organisation,
      identity,
      relay: { url: relay.url, peerId: parsePeerId(relay.peerId) },
      link,
      board: parsePolicyFile(readFileSync(boardFile, 'utf8')),
      network: networkOf(settings),
    },
    deps,
  );
}

function networkOf({ relay, boardCaFile }: LearnerSettings) {
  const caFiles = [relay.caFile, boardCaFile].filter((file) => file !== undefined);
  return {
    ...(relay.proxy === undefined ? {} : { proxy: { kind: 'fixed', url: relay.proxy } as const }),
    ...(relay.proxyCredentialsFile === undefined ? {} : { proxyCredentialsFile: relay.proxyCredentialsFile }),
    ...(caFiles.length === 0 ? {} : { trust: { caFiles } }),
  };
}

/** Publishes the task of the settings, unless this party has published one. */
async function publishOnce(
  { board, identity, self, enrolment }: Learner,
  { publishes }: LearnerSettings,
  { clock, logger }: NodeDependencies,
): Promise<void> {
  if (publishes === undefined) return;
  try {
    await enrolment();
    await board.refresh();
    if (board.entries('task').some(({ author }) => author === self)) return;
    const { title, invited, rounds, localEpochs, stepMs, withinMs, seed } = publishes;
    const task = rhythmTask({
      ...{ title, rounds, localEpochs, stepMs, seed },
      aggregator: self,
      invited: invited.map(parsePeerId),
      sitesMin: invited.length,
      sitesMax: invited.length,
      deadlineMs: clock.now() + withinMs,
      codeHash: await codeHash(),
    });
    const { id } = await board.publish('task', task, identity);
    logger.info('a learning task is on the board', { task: id });
  } catch (error) {
    logger.warn('the learning task could not be published; the next start tries again', { code: errorCode(error) });
  }
}

function failureOf({ reason, round, sites = [] }: Extract<AggregatorEnd, { readonly kind: 'failed' }>) {
  return { reason, round, ...(sites.length > 0 ? { falseShares: sites.join(' ') } : {}) };
}

/** What a happening says to a log and to who watches the process. */
export function factsOf(happening: TaskHappening): Readonly<Record<string, string | number | boolean | null>> {
  const { kind, task } = happening;
  const common = { happening: kind, task: task.id, title: task.body.title };
  switch (happening.kind) {
    case 'joined':
    case 'summing':
      return common;
    case 'failed':
    case 'waiting':
      return { ...common, code: happening.code };
    case 'sum-ended': {
      const { end } = happening;
      return { ...common, end: end.kind, ...(end.kind === 'failed' ? failureOf(end) : {}) };
    }
    case 'site-ended': {
      const { end, comparison, isInService, drift } = happening.run;
      const figures = comparison === null ? {} : { auc: comparison.auc, runningAuc: comparison.runningAuc };
      const [most] = drift;
      const drifts = most === undefined ? {} : { driftIndex: most.index, driftLevel: most.level };
      return { ...common, end: end.kind, ...figures, ...drifts, isInService };
    }
  }
}
