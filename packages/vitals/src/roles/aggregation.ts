import { errorCode, startTicker } from '@pulsemesh/base';
import { createWorkerFinder, type SubjectId, serveRpc } from '@pulsemesh/network';
import { OpenWindows, openWindowsDefaults } from '../windows/open-windows.ts';
import { Closing } from './aggregation/closing.ts';
import { Feed } from './aggregation/feed.ts';
import { Folds } from './aggregation/folds.ts';
import { Intake } from './aggregation/intake.ts';
import { AggregationLog } from './aggregation/log.ts';
import {
  type AggregationDependencies,
  type AggregationOptions,
  type AggregationStatus,
  aggregationDefaults,
} from './aggregation/options.ts';
import { AlertOutbox } from './aggregation/outbox.ts';
import { Ownership } from './aggregation/ownership.ts';
import type { AggregationParts } from './aggregation/parts.ts';
import { Replication } from './aggregation/replication.ts';
import { aggregationProtocol, feedProtocol } from './aggregation/wire.ts';

export type { FeedItem } from './aggregation/feed.ts';
export type { AggregationDependencies, AggregationOptions, AggregationStatus } from './aggregation/options.ts';
export { aggregationDefaults } from './aggregation/options.ts';
export { aggregatorKey } from './aggregation/ownership.ts';
export { aggregationProtocol, feedProtocol } from './aggregation/wire.ts';

/** A running aggregation role. */
export interface AggregationRole extends AsyncDisposable {
  status(): AggregationStatus;
}

/** How often the directory is told whose patients are whose, and gauges are set. */
const announceMs = 5_000;

/**
 * Starts the role that turns readings into windows, predictions and alerts (decision 0001, steps 3–8): takes
 * batches, keeps them durable here and at one more peer, closes windows of the patients it owns, and hands alerts to
 * notification. What a crash left in the log is open again. Dispose to stop: jobs under way are given up, and the
 * log has what they were about.
 * @throws what the table store says when the log cannot be read.
 */
export async function startAggregationRole(
  options: Partial<AggregationOptions>,
  dependencies: AggregationDependencies,
): Promise<AggregationRole> {
  const settings: AggregationOptions = { ...aggregationDefaults, ...options };
  const { port, clock, tables, logger } = dependencies;
  const stopped = new AbortController();
  const { signal } = stopped;
  await using starting = new AsyncDisposableStack();
  starting.defer(() => stopped.abort(new Error('the aggregation role is stopped')));
  const finder = dependencies.finder ?? starting.use(createWorkerFinder({ role: 'prediction' }, dependencies));

  const windows = new OpenWindows(settings.windows);
  const log = new AggregationLog(dependencies);
  const restored = log.restore(windows, clock.monotonicMs(), logger);
  if (restored.changes.length > 0) await tables.commit(restored.changes);

  const folds = new Folds({ ...openWindowsDefaults, ...settings.windows }.subjectsMax, dependencies);
  const ownership = starting.use(
    new Ownership(port, () => {
      replication.requestHandOver();
      folds.doubt((subjectId) => ownership.isOwned(subjectId));
    }),
  );
  const replication = new Replication(settings, dependencies, { windows, ownership }, signal);
  const outbox = starting.use(new AlertOutbox(settings, dependencies));
  const feed = new Feed(settings.feed, dependencies);
  const parts: AggregationParts = { windows, log, folds, ownership, outbox, feed, replication };
  const closing = new Closing(settings, { ...dependencies, finder }, parts, signal);
  starting.defer(() => closing.settle());
  const intake = new Intake(dependencies, parts);

  outbox.start();
  for (const served of serve(dependencies, intake, feed, signal)) starting.use(served);
  const tickers = startTickers(settings, dependencies, { parts, closing });
  starting.defer(() => {
    stopped.abort(new Error('the aggregation role is stopped'));
    for (const ticker of tickers) ticker.stop();
  });
  const running = starting.move();
  return {
    status: () => statusOf(parts, closing, intake),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function serve(
  dependencies: AggregationDependencies,
  intake: Intake,
  feed: Feed,
  signal: AbortSignal,
): readonly Disposable[] {
  const { port, logger, meter } = dependencies;
  const trusted = { requireTrusted: true, logger, meter };
  const methods = {
    take: (body: unknown) => intake.take(body),
    replicate: (body: unknown, call: Parameters<Intake['replicate']>[1]) => intake.replicate(body, call),
    done: (body: unknown) => intake.done(body),
    folds: (body: unknown) => intake.folds(body),
  };
  const feedMethods = {
    subscribe: (_body: unknown, call: { readonly signal: AbortSignal }) =>
      feed.subscribe(AbortSignal.any([call.signal, signal])),
  };
  return [serveRpc(port, aggregationProtocol, methods, trusted), serveRpc(port, feedProtocol, feedMethods, trusted)];
}

function startTickers(
  settings: AggregationOptions,
  dependencies: AggregationDependencies,
  { parts, closing }: { readonly parts: AggregationParts; readonly closing: Closing },
) {
  const { clock, logger, meter } = dependencies;
  const openGauge = meter.gauge('aggregation_open_windows', 'Windows that are open');
  const logGauge = meter.gauge('aggregation_log_entries', 'Batches in the log');
  const alertsGauge = meter.gauge('aggregation_alerts_waiting', 'Alert events waiting for a notification peer');
  const onError = (error: unknown) => logger.error('an aggregation tick failed', { code: errorCode(error) });
  const announce = () => {
    openGauge.set(parts.windows.windowCount);
    logGauge.set(parts.log.length);
    alertsGauge.set(parts.outbox.length);
    const known = new Set<SubjectId>();
    for (const { info } of parts.windows.subjects()) known.add(info.subjectId);
    parts.ownership.announce(known);
  };
  return [
    startTicker(clock, settings.tickMs, () => closing.tick(), onError),
    startTicker(clock, settings.tickMs, () => parts.replication.flushDone(), onError),
    startTicker(clock, settings.handOverMs, () => parts.replication.handOver(), onError),
    startTicker(clock, announceMs, announce, onError),
  ];
}

function statusOf(parts: AggregationParts, closing: Closing, intake: Intake): AggregationStatus {
  const { windows, log, ownership, outbox, feed } = parts;
  let patientsOwned = 0;
  for (const { info } of windows.subjects()) if (ownership.isOwned(info.subjectId)) patientsOwned += 1;
  return {
    patientsOwned,
    patientsKnown: windows.subjectCount,
    openWindows: windows.windowCount,
    openBytes: windows.bytes,
    logLength: log.length,
    windowsClosed: closing.closedCount,
    windowsLate: intake.lateCount,
    windowsRevised: closing.revisedCount,
    predictionsWaiting: closing.waitingCount,
    alertsWaiting: outbox.length,
    feedSubscribers: feed.subscriberCount,
  };
}
