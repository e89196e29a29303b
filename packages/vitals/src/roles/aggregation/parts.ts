import type { OpenWindows } from '../../windows/open-windows.ts';
import type { Feed } from './feed.ts';
import type { Folds } from './folds.ts';
import type { AggregationLog } from './log.ts';
import type { AlertOutbox } from './outbox.ts';
import type { Ownership } from './ownership.ts';
import type { Replication } from './replication.ts';

/** The parts of one aggregation role that work on the same windows. */
export interface AggregationParts {
  readonly windows: OpenWindows;
  readonly log: AggregationLog;
  readonly folds: Folds;
  readonly ownership: Ownership;
  readonly outbox: AlertOutbox;
  readonly feed: Feed;
  readonly replication: Replication;
}
