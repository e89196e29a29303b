import { errorCode } from '@pulsemesh/base';
import type { SubjectId } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import type { OpenWindow } from '../../windows/open-window.ts';
import type { OpenWindows, SubjectReadings } from '../../windows/open-windows.ts';
import { type FoldRecord, isNewerFold } from './fold.ts';
import type { AggregationDependencies, AggregationOptions } from './options.ts';
import type { Ownership } from './ownership.ts';
import {
  aggregationLimits,
  aggregationProtocol,
  type DoneWindow,
  encodeBatch,
  encodeDone,
  encodeFoldsAsked,
  parseFolds,
} from './wire.ts';

/** Encoded readings in one hand-over call, roughly: what fits a frame with room to spare. */
const handOverBytesMax = 1024 * 1024;
/** Peers asked for folds. */
const foldPeersMax = 8;
/** `done` messages that wait for one peer; past it they are left out, and the peer looks in storage itself. */
const doneWaitingMax = 20_000;

/** One patient's part of a batch just taken. */
export interface TakenPart {
  /** As it came, to be sent on. */
  readonly row: unknown;
  readonly part: SubjectReadings;
  readonly touched: readonly OpenWindow[];
  /** Those of `touched` that the batch opened. */
  readonly fresh: ReadonlySet<OpenWindow>;
}

interface HandOver {
  readonly part: SubjectReadings;
  readonly window: OpenWindow;
  readonly keysDigest: string;
}

/**
 * The second copy of open windows: each batch goes to one more peer before it is answered; windows whose second
 * copy failed, or whose patients now are another's, are handed over whole; and who holds copies hears when a
 * window is done.
 */
export class Replication {
  readonly #options: AggregationOptions;
  readonly #deps: AggregationDependencies;
  readonly #windows: OpenWindows;
  readonly #ownership: Ownership;
  readonly #signal: AbortSignal;
  readonly #done = new Map<PeerId, DoneWindow[]>();
  readonly #replicated;
  readonly #handedOver;
  #isHandOverDue = true;
  #handOverCount = 0;

  constructor(
    options: AggregationOptions,
    dependencies: AggregationDependencies,
    parts: { readonly windows: OpenWindows; readonly ownership: Ownership },
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#deps = dependencies;
    this.#windows = parts.windows;
    this.#ownership = parts.ownership;
    this.#signal = signal;
    const { meter } = dependencies;
    this.#replicated = meter.counter('aggregation_replicated_total', 'Batches by what became of their copy', ['end']);
    this.#handedOver = meter.counter('aggregation_handed_over_total', 'Open windows handed to another peer whole');
  }

  /** Windows lack their second copy, or may: look through them with the next {@link handOver}. */
  requestHandOver(): void {
    this.#isHandOverDue = true;
  }

  /**
   * Copies a batch just taken to each patient's next peer; settles in `replicateTimeoutMs` at most and never
   * rejects: without a copy the batch stands alone, counted, and its windows are handed over later.
   */
  async copy(batchId: string, parts: readonly TakenPart[]): Promise<void> {
    const byPeer = Map.groupBy(parts, ({ part }) => this.#ownership.partner(part.subjectId));
    await Promise.all(
      [...byPeer].map(async ([peer, group]) => {
        const isCopied = peer !== null && (await this.#send(peer, { batchId, subjects: group.map(({ row }) => row) }));
        this.#replicated.add(1, { end: isCopied ? 'copied' : 'alone' });
        for (const { touched, fresh } of group) {
          for (const window of touched) noteCopy(window, isCopied ? peer : null, fresh.has(window) ? 'all' : 'more');
        }
        if (!isCopied) this.requestHandOver();
      }),
    );
  }

  /** Hands open windows that their next peer does not hold to that peer, whole. */
  async handOver(): Promise<void> {
    if (!this.#isHandOverDue) return;
    this.#isHandOverDue = false;
    const byPeer = new Map<PeerId, HandOver[]>();
    for (const { info, windows } of this.#windows.subjects()) {
      const peer = this.#ownership.partner(info.subjectId);
      if (peer === null) continue;
      for (const window of windows.values()) {
        if (window.holders.has(peer) || window.readings.size === 0) continue;
        const part = { ...info, readings: [...window.readings.values()] };
        const found = byPeer.get(peer) ?? [];
        found.push({ part, window, keysDigest: window.keysDigest });
        byPeer.set(peer, found);
      }
    }
    for (const [peer, found] of byPeer) await this.#handOverTo(peer, found);
  }

  /** Notes whom to tell that the window is done as it was with `done.keysDigest`. */
  tellDone(window: OpenWindow, done: DoneWindow): void {
    for (const peer of [...window.holders, ...window.partHolders]) {
      const waiting = this.#done.get(peer) ?? [];
      if (waiting.length >= doneWaitingMax) continue;
      waiting.push(done);
      this.#done.set(peer, waiting);
    }
  }

  /** Tells the others which windows are done. What does not arrive they find out from storage. */
  async flushDone(): Promise<void> {
    const waiting = [...this.#done];
    this.#done.clear();
    await Promise.all(
      waiting.map(async ([peer, windows]) => {
        for (let start = 0; start < windows.length; start += aggregationLimits.windowsPerDoneMax) {
          const body = encodeDone(windows.slice(start, start + aggregationLimits.windowsPerDoneMax));
          if (!(await this.#call(peer, 'done', body))) return;
        }
      }),
    );
  }

  /** The newest folds the other live aggregation peers know; one that does not answer in time is left out. */
  async foldsElsewhere(subjectIds: readonly SubjectId[]): Promise<ReadonlyMap<SubjectId, FoldRecord>> {
    const newest = new Map<SubjectId, FoldRecord>();
    if (subjectIds.length === 0) return newest;
    const { port, rpc, logger } = this.#deps;
    const others = port.livePeers('aggregation').filter((peer) => peer.id !== port.self && port.isTrusted(peer.id));
    const options = { timeoutMs: this.#options.replicateTimeoutMs, signal: this.#signal };
    const ask = async (peer: PeerId) => {
      try {
        const answer = await rpc.call(peer, aggregationProtocol, 'folds', encodeFoldsAsked(subjectIds), options);
        parseFolds(answer, subjectIds.length).forEach((fold, index) => {
          const subjectId = subjectIds[index] as SubjectId; // as many folds as subjects
          const known = newest.get(subjectId);
          if (fold !== null && (known === undefined || isNewerFold(fold, known))) newest.set(subjectId, fold);
        });
      } catch (error) {
        if (!this.#signal.aborted) logger.debug('folds are not known from a peer', { peer, code: errorCode(error) });
      }
    };
    await Promise.all(others.slice(0, foldPeersMax).map((peer) => ask(peer.id)));
    return newest;
  }

  async #handOverTo(peer: PeerId, found: readonly HandOver[]): Promise<void> {
    let group: HandOver[] = [];
    let bytes = 0;
    const send = async () => {
      this.#handOverCount += 1;
      const batchId = `hand-over:${this.#deps.port.self}:${this.#handOverCount}`;
      const body = encodeBatch({ batchId, subjects: group.map(({ part }) => part) });
      if (!(await this.#send(peer, body))) return this.requestHandOver();
      this.#handedOver.add(group.length);
      for (const { window, keysDigest } of group) {
        if (window.keysDigest === keysDigest) noteCopy(window, peer, 'whole');
        else this.requestHandOver();
      }
    };
    for (const next of found) {
      const size = encodedBytes(next.part);
      if (group.length > 0 && bytes + size > handOverBytesMax) {
        await send();
        group = [];
        bytes = 0;
      }
      group.push(next);
      bytes += size;
    }
    if (group.length > 0) await send();
  }

  #send(peer: PeerId, body: unknown): Promise<boolean> {
    return this.#call(peer, 'replicate', body);
  }

  async #call(peer: PeerId, method: string, body: unknown): Promise<boolean> {
    const options = { timeoutMs: this.#options.replicateTimeoutMs, signal: this.#signal };
    try {
      await this.#deps.rpc.call(peer, aggregationProtocol, method, body, options);
      return true;
    } catch (error) {
      if (!this.#signal.aborted)
        this.#deps.logger.debug('another aggregation peer did not answer', { peer, method, code: errorCode(error) });
      return false;
    }
  }
}

/**
 * Something of the window reached `peer` (null: nobody): the batch that opened it (`all` so far), one batch `more`,
 * or the `whole` window as it is. Whoever held all before and did not get it now holds a part.
 */
function noteCopy(window: OpenWindow, peer: PeerId | null, what: 'all' | 'more' | 'whole'): void {
  for (const holder of window.holders) {
    if (holder === peer || what === 'whole') continue;
    window.holders.delete(holder);
    window.partHolders.add(holder);
  }
  if (peer === null || window.holders.has(peer)) return;
  if (what === 'whole' || (what === 'all' && !window.partHolders.has(peer))) {
    window.partHolders.delete(peer);
    window.holders.add(peer);
  } else window.partHolders.add(peer);
}

/** Encoded length of a patient's part of a batch, at most. */
function encodedBytes(part: SubjectReadings): number {
  let bytes = 256;
  for (const { rrMs } of part.readings) bytes += 48 + 9 * rrMs.length;
  return bytes;
}
