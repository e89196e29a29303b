import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { NetworkPort, RpcClient, WorkerFinder } from '@pulsemesh/network';
import type { TableStore } from '@pulsemesh/store';
import type { PeopleClient } from '../../people/index.ts';
import type { RecordsClient } from '../../records/client.ts';
import type { OpenWindowsOptions } from '../../windows/open-windows.ts';
import type { FeedOptions } from './feed.ts';

export interface AggregationOptions {
  /** Limits and times of the open windows. */
  readonly windows: Partial<OpenWindowsOptions>;
  readonly feed: Partial<FeedOptions>;
  /** How often windows are looked through for those that may close. */
  readonly tickMs: number;
  /** How long the second copy of a batch may take before the batch is answered without it. */
  readonly replicateTimeoutMs: number;
  /** How often open windows without a second copy are offered to one more peer. */
  readonly handOverMs: number;
  /** How long a replica waits to hear that a window is done before it sees to it itself. */
  readonly orphanAfterMs: number;
  /** How long a window waits when storage peers do not yet tell one story about it. */
  readonly unsettledMs: number;
  /** After as many such waits the window is taken for what it is. */
  readonly unsettledCountMax: number;
  /** Windows computed together. */
  readonly windowsPerClosingMax: number;
  /** Windows of one patient computed together. */
  readonly windowsPerSubjectMax: number;
  /** Closings at once; more windows wait. */
  readonly closingsMax: number;
  /** Alert events that notification has not answered for; full: windows stay open. */
  readonly outboxMax: number;
  /** How long one call to another peer may take. */
  readonly callTimeoutMs: number;
  /** Longest pause between attempts after failures. */
  readonly retryMsMax: number;
}

export const aggregationDefaults: AggregationOptions = {
  windows: {},
  feed: {},
  tickMs: 100,
  replicateTimeoutMs: 2_000,
  handOverMs: 500,
  orphanAfterMs: 20_000,
  unsettledMs: 5_000,
  unsettledCountMax: 120,
  windowsPerClosingMax: 512,
  windowsPerSubjectMax: 32,
  closingsMax: 4,
  outboxMax: 10_000,
  callTimeoutMs: 10_000,
  retryMsMax: 5_000,
};

/** What the role needs; all of it belongs to the caller and outlives the role. */
export interface AggregationDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly people: Pick<PeopleClient, 'resolve'>;
  readonly records: Pick<RecordsClient, 'put' | 'digests' | 'readings' | 'windows' | 'predictions' | 'latest'>;
  readonly tables: TableStore;
  /** Seals what the role keeps on this node's disk. */
  readonly box: Box;
  /** Finds prediction peers; default one of the role's own. */
  readonly finder?: WorkerFinder;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What an operator may know: numbers, nobody's name. */
export interface AggregationStatus {
  /** Patients this peer owns as it sees the network now. */
  readonly patientsOwned: number;
  readonly patientsKnown: number;
  readonly openWindows: number;
  readonly openBytes: number;
  /** Batches in the log. */
  readonly logLength: number;
  readonly windowsClosed: number;
  /** Windows touched after they could have closed. */
  readonly windowsLate: number;
  /** Windows computed again with more readings. */
  readonly windowsRevised: number;
  /** Windows now with prediction peers. */
  readonly predictionsWaiting: number;
  /** Alert events notification has not answered for. */
  readonly alertsWaiting: number;
  readonly feedSubscribers: number;
}
