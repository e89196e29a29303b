import { type Clock, errorCode, type Logger, type Meter, startTicker } from '@pulsemesh/base';
import { type NetworkPort, type RpcClient, rankPeers } from '@pulsemesh/network';
import type { CopyHolder, RecordStore, SealedRecord } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { parseFields } from '../records/parse.ts';
import { PeerPauses } from '../records/peer-pauses.ts';
import { parseEpoch, splitForCalls, storageLimits, storageProtocol, toRow } from '../records/storage-wire.ts';

export interface StorageCopiesOptions {
  /** How long the other peer may take to write a copy. Default 3,000. */
  readonly copyTimeoutMs: number;
  /** How often owed copies and the other peers' epochs are looked at. Default 2,000. */
  readonly copyPeriodMs: number;
  /** A holder gone longer than this is given up when another storage peer is there. Default 600,000. */
  readonly copyLostAfterMs: number;
  /** A peer that failed a copy is not asked by further puts for so long. Default 1,000. */
  readonly holderPauseMs: number;
  /** Records brought over at once while copies are owed. Default 1,000. */
  readonly copyPageRecords: number;
}

export interface StorageCopiesDeps {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Brings the second copy of every record about, and notices when one is gone. */
export interface StorageCopies extends Disposable {
  /** Has another storage peer write `records` first; null when none did in time. */
  copyElsewhere(records: readonly SealedRecord[], signal: AbortSignal): Promise<CopyHolder | null>;
  /** A copy is owed from now on: look for a holder soon. */
  wake(): void;
}

/** Other storage peers tried for one put before the copy is owed. */
const holdersTriedMax = 2;
/** Holders remembered; far more than a store ever names. */
const holdersMax = 1024;

/**
 * Two duties beside serving. What is owed is brought to another storage peer, page by page. And each holder
 * is watched: one that answers with another epoch has lost its disk, one that stays away too long may have; in
 * both cases its copies are owed again. Attributing a copy to a peer is only ever done after that peer answered.
 */
export function startStorageCopies(options: StorageCopiesOptions, deps: StorageCopiesDeps): StorageCopies {
  const { port, clock, meter } = deps;
  const state = new CopyState(options, deps);
  const failed = meter.counter('storage_copy_rounds_failed_total', 'Rounds of copying that ended in an error');
  let isRunning = false;
  let isWanted = false;
  const round = async () => {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    try {
      while (isWanted && !state.ended.signal.aborted) {
        isWanted = false;
        await state.round();
      }
    } finally {
      isRunning = false;
    }
  };
  const onError = (error: unknown) => {
    if (state.ended.signal.aborted) return;
    failed.add();
    deps.logger.debug('copy round failed', { code: errorCode(error) });
  };
  const wake = () => void round().catch(onError);
  const ticker = startTicker(clock, options.copyPeriodMs, round, onError);
  const roster = port.onRosterChange(wake);
  wake();
  return {
    copyElsewhere: (records, signal) => state.copyElsewhere(records, signal),
    wake,
    [Symbol.dispose]() {
      ticker.stop();
      roster[Symbol.dispose]();
      state.ended.abort();
    },
  };
}

class CopyState {
  readonly ended = new AbortController();
  readonly #options: StorageCopiesOptions;
  readonly #deps: StorageCopiesDeps;
  /** Epoch each peer last told, and when it was last heard, on the monotonic clock. */
  readonly #heard = new Map<string, { epoch: string | null; atMs: number }>();
  readonly #pauses: PeerPauses;
  readonly #owed;
  readonly #copied;
  readonly #forgotten;

  constructor(options: StorageCopiesOptions, deps: StorageCopiesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#pauses = new PeerPauses(options.holderPauseMs, deps.clock);
    this.#owed = deps.meter.counter('storage_copies_owed_total', 'Records written without a second copy at first');
    this.#copied = deps.meter.counter('storage_copies_made_total', 'Records whose owed second copy was brought about');
    this.#forgotten = deps.meter.counter('storage_copies_lost_total', 'Second copies given up', ['reason']);
  }

  async copyElsewhere(records: readonly SealedRecord[], signal: AbortSignal): Promise<CopyHolder | null> {
    const others = this.#others().filter((peer) => !this.#pauses.isPaused(peer));
    for (const peer of others.slice(0, holdersTriedMax)) {
      try {
        return await this.#copyTo(peer, records, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        this.#deps.logger.debug('copy refused', { peer, code: errorCode(error) });
        this.#pauses.pause(peer);
      }
    }
    this.#owed.add(records.length);
    return null;
  }

  async round(): Promise<void> {
    await this.#hear();
    await this.#forgetLost();
    await this.#payOwed();
  }

  /** The other live, trusted storage peers, this store's preferred first: the same one as long as it lives. */
  #others(): PeerId[] {
    const { port } = this.#deps;
    const others = port.livePeers('storage').filter((peer) => peer.id !== port.self && port.isTrusted(peer.id));
    return rankPeers(
      port.self,
      others.map((peer) => peer.id),
    );
  }

  async #copyTo(peer: PeerId, records: readonly SealedRecord[], signal: AbortSignal): Promise<CopyHolder> {
    const { port, rpc, records: store } = this.#deps;
    const body = { records: records.map(toRow), holder: { peer: port.self, epoch: store.epoch } };
    const answer = await rpc.call(peer, storageProtocol, 'copy', body, {
      signal,
      timeoutMs: this.#options.copyTimeoutMs,
    });
    const epoch = parseEpoch(parseFields(answer, 'copy answer')['epoch']);
    this.#note(peer, epoch);
    return { peer, epoch };
  }

  async #hear(): Promise<void> {
    const timeoutMs = this.#options.copyTimeoutMs;
    await Promise.allSettled(
      this.#others()
        .slice(0, holdersMax)
        .map(async (peer) => {
          const answer = await this.#deps.rpc.call(peer, storageProtocol, 'epoch', null, {
            signal: this.ended.signal,
            timeoutMs,
          });
          this.#note(peer, parseEpoch(parseFields(answer, 'epoch answer')['epoch']));
        }),
    );
  }

  #note(peer: string, epoch: string | null): void {
    if (!this.#heard.has(peer) && this.#heard.size >= holdersMax) return;
    this.#heard.set(peer, { epoch, atMs: this.#deps.clock.monotonicMs() });
  }

  async #forgetLost(): Promise<void> {
    const { records: store, port } = this.#deps;
    const others = this.#others();
    for (const holder of await store.copyHolders()) {
      const heard = this.#heard.get(holder.peer);
      if (heard === undefined) this.#note(holder.peer, null);
      else if (heard.epoch !== null && heard.epoch !== holder.epoch) await this.#forget(holder, 'new-epoch');
      else if (this.#isGone(heard.atMs) && others.some((peer) => peer !== holder.peer)) {
        await this.#forget(holder, 'gone');
      } else if (holder.peer === port.self) await this.#forget(holder, 'self');
    }
  }

  #isGone(heardMs: number): boolean {
    return this.#deps.clock.monotonicMs() - heardMs > this.#options.copyLostAfterMs;
  }

  async #forget(holder: CopyHolder, reason: string): Promise<void> {
    const count = await this.#deps.records.forgetCopies(holder);
    if (count === 0) return;
    this.#forgotten.add(count, { reason });
    this.#deps.logger.warn('second copies are gone and will be made again', { peer: holder.peer, reason, count });
  }

  async #payOwed(): Promise<void> {
    const { records: store } = this.#deps;
    while (!this.ended.signal.aborted && this.#others().length > 0) {
      const page = await store.owed(Math.min(this.#options.copyPageRecords, storageLimits.recordsMax));
      if (page.length === 0) return;
      for (const part of splitForCalls(page, callBytesMax(this.#deps.port))) {
        const holder = await this.#copyToAny(part);
        await store.put(part, holder);
        this.#copied.add(part.length);
      }
    }
  }

  async #copyToAny(records: readonly SealedRecord[]): Promise<CopyHolder> {
    let failure: unknown;
    for (const peer of this.#others().slice(0, holdersTriedMax)) {
      try {
        return await this.#copyTo(peer, records, this.ended.signal);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

/** Record bytes that surely fit one frame of `port`, and never more than a call may carry. */
export function callBytesMax(port: NetworkPort): number {
  return Math.min(storageLimits.bytesMax, Math.floor(port.frameBytesMax * 0.9));
}
