import { type Clock, Condition, errorCode, type Logger, type Random, sleep } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import type { AccessLog } from '../access/access-log.ts';
import type { AccessReceipt } from '../access/access-types.ts';
import { keyNumber, numberKey, type SealedRows } from '../access/sealed-rows.ts';
import { encodeMessage } from '../market/message-codec.ts';
import type { Post } from '../market/post.ts';
import type { Hex } from '../offer/offer.ts';
import type { CustodyBook } from './custody-book.ts';
import { custodyLimits, type HoldingLimits } from './custody-limits.ts';
import type { OutMessage } from './outcome.ts';

const table = 'custody/outbox';

/** A message as it waits on the disk. */
interface OutRow {
  readonly to: PeerId;
  readonly takenMs: number;
  readonly grantId: Hex | null;
  readonly message: OutMessage;
  /** Must be in the access log before the message goes; null: goes by itself. */
  readonly leaf: Uint8Array | null;
}

interface Waiting {
  readonly key: Uint8Array;
  readonly to: PeerId;
  readonly bytes: number;
  /** Of what gives something away. */
  readonly gives: Hex | null;
}

/** What goes out in one commit. */
export interface TakenOut {
  readonly to: PeerId;
  readonly grantId: Hex | null;
  readonly message: OutMessage;
  readonly leaf: Uint8Array | null;
}

export interface CustodyOutboxMeans {
  readonly rows: SealedRows;
  readonly post: Pick<Post<never>, 'send'>;
  readonly log: AccessLog;
  readonly book: CustodyBook;
  readonly limits: HoldingLimits;
}

/**
 * Messages that were committed, each kept until the post has it, to one receiver in order. What goes with an access waits until its leaf is
 * in the log for good: a log that cannot be written lets nothing out.
 */
export class CustodyOutbox {
  readonly #means: CustodyOutboxMeans;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, Waiting>();
  readonly #lanes = new Map<PeerId, string[]>();
  readonly #running = new Set<PeerId>();
  readonly #stopping = new AbortController();
  #bytes = 0;
  #next = 0;

  constructor(
    means: CustodyOutboxMeans,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  ) {
    this.#means = means;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#logger = dependencies.logger;
    for (const { key, value } of means.rows.store.range(table)) {
      const row = means.rows.open(table, key, value) as OutRow; // as `prepare` writes it
      this.#enqueue(key, row, value.length);
      this.#next = keyNumber(key) + 1;
    }
  }

  get isFull(): boolean {
    const { outboxMax, outboxBytesMax } = this.#means.limits;
    return this.#waiting.size >= outboxMax || this.#bytes >= outboxBytesMax;
  }

  /** What makes these wait, for the commit of whoever sends; call `taken` after it. */
  prepare(messages: readonly TakenOut[]): { readonly changes: TableChange[]; taken(): void } {
    const takenMs = this.#clock.now();
    const rows = messages.map(({ to, grantId, message, leaf }) => {
      const key = numberKey(this.#next);
      this.#next += 1;
      const row: OutRow = { to, takenMs, grantId, message, leaf };
      return { key, row, change: this.#means.rows.put(table, key, row) };
    });
    return {
      changes: rows.map(({ change }) => change),
      taken: () => {
        for (const { key, row, change } of rows)
          this.#enqueue(key, row, change.kind === 'put' ? change.value.length : 0);
        this.pump();
      },
    };
  }

  /** Calls back what waits and gives away something of this grant: its key, its records. */
  callBack(grantId: Hex): { readonly changes: TableChange[]; taken(): void } {
    const gone = [...this.#waiting].filter(([, { gives }]) => gives === grantId);
    return {
      changes: gone.map(([, { key }]) => this.#means.rows.remove(table, key)),
      taken: () => {
        for (const [id] of gone) this.#forget(id);
      },
    };
  }

  /** Sends to every receiver that something waits for, to as many at a time as may be. */
  pump(): void {
    for (const [to, ids] of this.#lanes) {
      if (this.#running.size >= custodyLimits.lanesMax || this.#stopping.signal.aborted) return;
      if (ids.length === 0 || this.#running.has(to)) continue;
      this.#running.add(to);
      void this.#drain(to, ids).finally(() => {
        this.#running.delete(to);
        if (ids.length === 0 && this.#lanes.get(to) === ids) this.#lanes.delete(to);
        this.pump();
      });
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #drain(to: PeerId, ids: string[]): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; ) {
      const [id] = ids;
      if (id === undefined) return;
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) {
        ids.shift(); // called back, or sent
        continue;
      }
      try {
        await this.#sendOne(id, waiting);
        tries = 1;
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug('a message of a custodian waits', { to, code: errorCode(error), tries });
        const wait = Math.min(custodyLimits.retryMsMax, custodyLimits.retryMsMin * 2 ** Math.min(tries - 1, 20));
        await sleep(this.#clock, Math.round(wait * (1 + this.#random.float() / 4)), { signal }).catch(() => {});
        tries += 1;
      }
    }
  }

  async #sendOne(id: string, { key }: Waiting): Promise<void> {
    const { rows, log, post } = this.#means;
    const row = rows.get(table, key) as OutRow | undefined; // as `prepare` writes it
    if (row !== undefined && this.#isWorthIt(row)) {
      if (row.leaf !== null) await log.logged(row.leaf, { signal: this.#stopping.signal });
      const bytes = this.#encode(row);
      // It may have been called back while the log was written: nothing of a grant goes out after that.
      if (bytes !== null && this.#waiting.has(id)) await post.send(row.to, bytes);
    }
    this.#stopping.signal.throwIfAborted();
    await rows.store.commit([rows.remove(table, key)]);
    this.#forget(id);
  }

  /** Null: what it would show was erased. */
  #encode({ message, leaf, grantId }: OutRow): Uint8Array | null {
    const receipt = leaf === null ? null : this.#means.log.receiptOfLeaf(leaf);
    if (leaf !== null && receipt === null) return null;
    try {
      return this.#encodeWith(message, grantId, receipt);
    } catch (error) {
      if (!(error instanceof Condition) || error.retryable) throw error;
      this.#logger.warn('a message cannot be written', { kind: message.kind, code: error.code });
      return null;
    }
  }

  #encodeWith(message: OutMessage, grantId: Hex | null, receipt: AccessReceipt | null): Uint8Array | null {
    switch (message.kind) {
      case 'held':
        return encodeMessage('held', { grantId: message.grantId, signature: message.signature });
      case 'key': {
        const envelope = grantId === null ? null : this.#means.book.envelopeOf(grantId);
        if (envelope === null || receipt === null) return null;
        return encodeMessage('key', { grantId: message.grantId, envelope, receipt });
      }
      case 'records': {
        const { readId, page, isLast, rows } = message;
        return encodeMessage('records', { readId, page, isLast, rows, receipt: isLast ? receipt : null });
      }
      case 'denied': {
        const { about, reason, hasReceipt } = message;
        return encodeMessage('denied', { about, reason, receipt: hasReceipt ? receipt : null });
      }
      case 'accessed':
        return receipt === null ? null : encodeMessage('accessed', { receipts: [receipt] });
    }
  }

  #isWorthIt({ takenMs }: OutRow): boolean {
    return this.#clock.now() - takenMs <= custodyLimits.sendWithinMs;
  }

  #enqueue(key: Uint8Array, { to, grantId, message }: OutRow, bytes: number): void {
    const id = toHex(key);
    const gives = message.kind === 'key' || message.kind === 'records' ? grantId : null;
    this.#waiting.set(id, { key, to, bytes, gives });
    this.#bytes += bytes;
    const ids = this.#lanes.get(to);
    if (ids === undefined) this.#lanes.set(to, [id]);
    else ids.push(id);
  }

  #forget(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#bytes -= waiting.bytes;
  }
}
