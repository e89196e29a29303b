import { type Clock, errorCode, type Logger, type Meter, type Random, sleep } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { NetworkPort, ProtocolName, RpcClient, SubjectId } from '@pulsemesh/network';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { alertFields } from '../../records/codec.ts';
import { parseArray } from '../../records/parse.ts';
import { type FoldedEvent, parseFoldedEvent } from './fold.ts';
import { aggregationTables } from './log.ts';
import { parseSubjectId } from './wire.ts';

/** What notification peers serve. */
const notificationProtocol: ProtocolName = '/pulsemesh/notification/1';

interface Row {
  readonly key: Uint8Array;
  readonly subjectId: SubjectId;
  readonly folded: FoldedEvent;
}

export interface OutboxDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly tables: TableStore;
  readonly box: Box;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

const retryMsMin = 250;

/**
 * Alert events on their way to a notification peer: on disk from the transaction in which their window is done
 * until a notification peer has answered. Sent one patient after another, in order; notification knows an event
 * that comes twice.
 */
export class AlertOutbox implements AsyncDisposable {
  readonly #dependencies: OutboxDependencies;
  readonly #options: { readonly callTimeoutMs: number; readonly retryMsMax: number };
  readonly #rows = new Map<string, Row>();
  readonly #stopped = new AbortController();
  readonly #sent;
  readonly #failed;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: { callTimeoutMs: number; retryMsMax: number }, dependencies: OutboxDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    const { meter } = dependencies;
    this.#sent = meter.counter('aggregation_alerts_handed_over_total', 'Alert events a notification peer answered for');
    this.#failed = meter.counter('aggregation_alert_retries_total', 'Attempts to hand over alert events that failed');
  }

  get length(): number {
    return this.#rows.size;
  }

  /** Reads what was left and begins to send. */
  start(): void {
    const { tables, box, logger } = this.#dependencies;
    for (const { key, value } of tables.range(aggregationTables.outbox)) {
      try {
        const [subjectId, folded] = parseArray(decodeCbor(box.open(value, key)), 'outbox row', 2);
        this.#keep({ key: key.slice(), subjectId: parseSubjectId(subjectId), folded: parseFoldedEvent(folded) });
      } catch (error) {
        logger.error('an alert of the outbox does not open', { code: errorCode(error) });
      }
    }
    this.#running = this.#run();
  }

  /** What to write in the transaction that finishes the window, and what to call once it is durable. */
  put(
    subjectId: SubjectId,
    events: readonly FoldedEvent[],
  ): { changes: readonly TableChange[]; committed: () => void } {
    const { box } = this.#dependencies;
    const rows = events.map((folded) => ({ key: rowKey(folded), subjectId, folded }));
    const changes = rows.map(({ key, folded }): TableChange => {
      const plaintext = encodeCbor([subjectId, [folded.episodeStartSeconds, alertFields(folded.event)]]);
      return { kind: 'put', table: aggregationTables.outbox, key, value: box.seal(plaintext, key) };
    });
    const committed = () => {
      for (const row of rows) this.#keep(row);
    };
    return { changes, committed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('the outbox is stopped'));
    this.#wake?.();
    await this.#running;
  }

  #keep(row: Row): void {
    this.#rows.set(nameOf(row), row);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { clock, random, logger } = this.#dependencies;
    const { signal } = this.#stopped;
    let failures = 0;
    while (!signal.aborted) {
      const first = this.#rows.values().next().value;
      if (first === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      try {
        await this.#send(first.subjectId);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#failed.add();
        logger.debug('alert events wait for a notification peer', { code: errorCode(error), failures });
        const pauseMs = Math.min(this.#options.retryMsMax, retryMsMin * 2 ** Math.min(failures, 16));
        await sleep(clock, pauseMs * (0.5 + random.float() / 2), { signal }).catch(() => {});
      }
    }
  }

  /** Hands one patient's events to the first notification peer that takes them. */
  async #send(subjectId: SubjectId): Promise<void> {
    const { port, rpc, tables, random } = this.#dependencies;
    const rows = [...this.#rows.values()].filter((row) => row.subjectId === subjectId).slice(0, eventsPerCallMax);
    const events = rows.map((row) => row.folded.event);
    const peers = random.shuffle(port.livePeers('notification'));
    let failure: unknown = new Error('no notification peer is alive');
    for (const peer of peers) {
      try {
        await rpc.call(peer.id, notificationProtocol, 'notify', { subjectId, events }, this.#callOptions());
        await tables.commit(rows.map(({ key }) => ({ kind: 'remove', table: aggregationTables.outbox, key })));
        for (const row of rows) this.#rows.delete(nameOf(row));
        this.#sent.add(rows.length);
        return;
      } catch (error) {
        failure = error;
      }
    }
    // The others get their turn: one patient whose events are refused must not hold up all.
    for (const row of rows) {
      this.#rows.delete(nameOf(row));
      this.#rows.set(nameOf(row), row);
    }
    throw failure;
  }

  #callOptions() {
    return { timeoutMs: this.#options.callTimeoutMs, signal: this.#stopped.signal };
  }
}

const eventsPerCallMax = 64;

function nameOf(row: Row): string {
  return `${row.folded.event.alertId}:${row.folded.event.type}`;
}

function rowKey({ event }: FoldedEvent): Uint8Array {
  return new TextEncoder().encode(`${event.alertId}:${event.type}`);
}
