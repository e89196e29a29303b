import { type Clock, errorCode, type Logger, type Random, sleep } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { OfficeFullError } from '../errors.ts';
import type { Notice, NoticeSink } from '../offices.ts';
import type { Post } from '../post.ts';
import { deskLimits } from './desk-limits.ts';
import type { DeskRows } from './desk-rows.ts';

/** Something on its way out, as it is kept until it was handed over. */
export interface OutRow {
  readonly takenMs: number;
  readonly what:
    | { readonly way: 'post'; readonly to: PeerId; readonly about: string; readonly message: Uint8Array }
    | { readonly way: 'notice'; readonly notice: Notice };
}

/** What may wait at one time. */
export interface OutboxLimits {
  readonly outboxMax: number;
  readonly outboxBytesMax: number;
}

const noticeLane = 'notices';
const idDigits = 16;

/** Messages and notices that were committed, each kept until post or sink have it: to one receiver in order, to several at a time. */
export class Outbox {
  readonly #rows: DeskRows;
  readonly #post: Pick<Post<unknown>, 'send'>;
  readonly #notices: NoticeSink | null;
  readonly #limits: OutboxLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #kept = new Map<string, OutRow>();
  /** Ids that wait for each receiver, oldest first. */
  readonly #lanes = new Map<string, string[]>();
  readonly #running = new Set<string>();
  readonly #stopping = new AbortController();
  #bytes = 0;
  #next = 0;

  constructor(
    rows: DeskRows,
    means: {
      readonly post: Pick<Post<unknown>, 'send'>;
      readonly notices: NoticeSink | null;
      readonly limits?: OutboxLimits;
    },
    dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  ) {
    this.#rows = rows;
    this.#post = means.post;
    this.#notices = means.notices;
    this.#limits = means.limits ?? deskLimits;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#logger = dependencies.logger;
  }

  get waiting(): number {
    return this.#kept.size;
  }

  restore(id: string, row: OutRow): void {
    this.#next = Math.max(this.#next, Number.parseInt(id, 16) + 1);
    this.#enqueue(id, row);
  }

  /** What makes all this wait, for the commit of whoever sends. @throws {OfficeFullError}. */
  prepare(
    sent: readonly OutRow['what'][],
    calledBack: ReadonlySet<string>,
  ): { readonly changes: readonly TableChange[]; committed(): void } {
    const size = sent.reduce((sum, what) => sum + sizeOf(what), 0);
    if (sent.length > 0 && this.#kept.size + sent.length > this.#limits.outboxMax)
      throw new OfficeFullError('outboxMax');
    if (sent.length > 0 && this.#bytes + size > this.#limits.outboxBytesMax)
      throw new OfficeFullError('outboxBytesMax');
    const gone = [...this.#kept].filter(([, { what }]) => what.way === 'post' && calledBack.has(what.about));
    const takenMs = this.#clock.now();
    const rows = sent.map((what) => {
      const id = (this.#next++).toString(16).padStart(idDigits, '0');
      return { id, row: { takenMs, what } };
    });
    return {
      changes: [
        ...gone.map(([id]) => this.#rows.remove('out', id)),
        ...rows.map(({ id, row }) => this.#rows.put('out', id, row)),
      ],
      committed: () => {
        for (const [id] of gone) this.#forget(id);
        for (const { id, row } of rows) this.#enqueue(id, row);
        this.pump();
      },
    };
  }

  /** Sends on every lane that has something, as many at a time as may be. */
  pump(): void {
    for (const [lane, ids] of this.#lanes) {
      if (this.#running.size >= deskLimits.lanesMax || this.#stopping.signal.aborted) return;
      if (ids.length === 0 || this.#running.has(lane)) continue;
      this.#running.add(lane);
      void this.#drain(lane, ids).finally(() => {
        this.#running.delete(lane);
        if (ids.length === 0 && this.#lanes.get(lane) === ids) this.#lanes.delete(lane);
        this.pump();
      });
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #drain(lane: string, ids: string[]): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; ) {
      const id = ids[0];
      if (id === undefined) return;
      const row = this.#kept.get(id);
      if (row === undefined) {
        ids.shift(); // called back
        continue;
      }
      try {
        if (this.#isWorthIt(row)) await this.#handOver(row.what);
        if (signal.aborted) return;
        await this.#rows.commit([this.#rows.remove('out', id)]);
        this.#forget(id);
        tries = 1;
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug('a message waits', { lane, code: errorCode(error), tries });
        await this.#wait(tries, signal);
        tries += 1;
      }
    }
  }

  async #handOver(what: OutRow['what']): Promise<void> {
    if (what.way === 'post') await this.#post.send(what.to, what.message);
    else await this.#notices?.tell(what.notice, { signal: this.#stopping.signal });
  }

  #wait(tries: number, signal: AbortSignal): Promise<void> {
    const wait = Math.min(deskLimits.retryMsMax, deskLimits.retryMsMin * 2 ** Math.min(tries - 1, 20));
    return sleep(this.#clock, Math.round(wait * (1 + this.#random.float() / 4)), { signal }).catch(() => {});
  }

  #isWorthIt({ takenMs }: OutRow): boolean {
    const isWorthIt = this.#clock.now() - takenMs <= deskLimits.sendWithinMs;
    if (!isWorthIt) this.#logger.warn('a message was given up', {});
    return isWorthIt;
  }

  #enqueue(id: string, row: OutRow): void {
    this.#kept.set(id, row);
    this.#bytes += sizeOf(row.what);
    const lane = row.what.way === 'post' ? row.what.to : noticeLane;
    const ids = this.#lanes.get(lane);
    if (ids === undefined) this.#lanes.set(lane, [id]);
    else ids.push(id);
  }

  #forget(id: string): void {
    const row = this.#kept.get(id);
    if (row === undefined) return;
    this.#kept.delete(id);
    this.#bytes -= sizeOf(row.what);
    const lane = row.what.way === 'post' ? row.what.to : noticeLane;
    const ids = this.#lanes.get(lane);
    const at = ids?.indexOf(id) ?? -1;
    if (at >= 0) ids?.splice(at, 1);
  }
}

function sizeOf(what: OutRow['what']): number {
  return what.way === 'post' ? what.message.length : 200;
}
