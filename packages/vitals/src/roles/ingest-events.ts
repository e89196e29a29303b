import type { Clock, Logger, Meter } from '@pulsemesh/base';

/** Each thing that happens in an ingest, counted in one place. Labels are codes, never an identity. */
export interface IngestEvents {
  received(): void;
  committed(fresh: number, duplicates: number): void;
  /** From arrival to durable. */
  latency(latencyMs: number): void;
  commitFailed(): void;
  logFull(isFull: boolean): void;
  /** Logged at most once a minute for each code. */
  refused(code: string): void;
  delayed(reason: 'rate' | 'directory'): void;
  forwarded(readings: number): void;
  repeated(hop: 'people' | 'storage' | 'aggregation'): void;
  parked(readings: number): void;
  waiting(batches: number, bytes: number): void;
}

const refusalLogMs = 60_000;

export function createIngestEvents(dependencies: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}): IngestEvents {
  const { clock, logger, meter } = dependencies;
  const receivedCount = meter.counter('ingest_readings_received_total', 'Messages devices sent');
  const committedCount = meter.counter('ingest_readings_committed_total', 'Readings made durable');
  const duplicateCount = meter.counter('ingest_readings_duplicate_total', 'Readings that had been taken before');
  const refusedCount = meter.counter('ingest_readings_refused_total', 'Messages refused', ['code']);
  const delayedCount = meter.counter('ingest_readings_delayed_total', 'Acknowledgements held back', ['reason']);
  const forwardedCount = meter.counter('ingest_readings_forwarded_total', 'Readings stored and handed to aggregation');
  const parkedCount = meter.counter('ingest_readings_parked_total', 'Readings kept aside until they can go on');
  const repeatedCount = meter.counter('ingest_forwards_repeated_total', 'Batches that had to be handed on again', [
    'hop',
  ]);
  const failedCount = meter.counter('ingest_commits_failed_total', 'Commits that found no room');
  const batchGauge = meter.gauge('ingest_batches_waiting', 'Batches in the hand-off log');
  const byteGauge = meter.gauge('ingest_log_bytes', 'Size of the hand-off log');
  const fullGauge = meter.gauge('ingest_log_full', '1 while acknowledgements are withheld because the log is full');
  const latencySeconds = meter.histogram(
    'ingest_commit_latency_seconds',
    'From the arrival of a message to its acknowledgement',
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
  );
  const refusals = new Map<string, { loggedMs: number; since: number }>();
  return {
    received: () => receivedCount.add(),
    committed: (fresh, duplicates) => {
      if (fresh > 0) committedCount.add(fresh);
      if (duplicates > 0) duplicateCount.add(duplicates);
    },
    latency: (latencyMs) => latencySeconds.observe(latencyMs / 1000),
    commitFailed: () => failedCount.add(),
    logFull: (isFull) => fullGauge.set(isFull ? 1 : 0),
    refused: (code) => {
      refusedCount.add(1, { code });
      const nowMs = clock.monotonicMs();
      const known = refusals.get(code) ?? { loggedMs: Number.NEGATIVE_INFINITY, since: 0 };
      known.since += 1;
      refusals.set(code, known);
      if (nowMs - known.loggedMs < refusalLogMs) return;
      logger.warn('device messages are refused', { code, count: known.since });
      known.loggedMs = nowMs;
      known.since = 0;
    },
    delayed: (reason) => delayedCount.add(1, { reason }),
    forwarded: (readings) => forwardedCount.add(readings),
    repeated: (hop) => repeatedCount.add(1, { hop }),
    parked: (readings) => parkedCount.add(readings),
    waiting: (batches, bytes) => {
      batchGauge.set(batches);
      byteGauge.set(bytes);
    },
  };
}
