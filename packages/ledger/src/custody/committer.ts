import type { Clock } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import type { AccessLog } from '../access/access-log.ts';
import type { AccessReceipt } from '../access/access-types.ts';
import type { SealedRows } from '../access/sealed-rows.ts';
import { OfficeClosedError } from '../market/errors.ts';
import type { Hex } from '../offer/offer.ts';
import type { CustodyBook } from './custody-book.ts';
import type { CustodyEvents } from './custody-events.ts';
import type { CustodyOutbox } from './custody-outbox.ts';
import type { DenialCounter } from './denial-counter.ts';
import type { LedgerEntries } from './ledger-entries.ts';
import type { Outcome } from './outcome.ts';

export interface CommitterMeans {
  readonly rows: SealedRows;
  readonly book: CustodyBook;
  readonly log: AccessLog;
  readonly outbox: CustodyOutbox;
  readonly events: CustodyEvents;
  readonly denials: DenialCounter;
  /** Accesses that are put on the ledger one by one; null: they are not. */
  readonly entries: LedgerEntries | null;
}

interface Prepared {
  readonly changes: readonly TableChange[];
  taken(): void;
}

/** Makes outcomes durable, one after the other: what they change, what they log and what goes out, in one commit with the post's mark. */
export class Committer {
  readonly #means: CommitterMeans;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(means: CommitterMeans, { clock }: { readonly clock: Clock }) {
    this.#means = means;
    this.#clock = clock;
  }

  /**
   * Decides when all before it is committed, and commits what comes of it with `marks`. Resolves with the leaves of its accesses, which are
   * on their way into the log. @throws {StoreFullError} and then nothing changed; {StoreFailedError}; {OfficeClosedError}.
   */
  commit(decide: () => Outcome, marks: readonly TableChange[] = []): Promise<readonly Uint8Array[]> {
    return this.#inTurn(async () => {
      const outcome = this.#bounded(decide());
      if (outcome.refusal !== undefined) this.#means.events.refused(outcome.refusal);
      return await this.#write(outcome, marks);
    });
  }

  /** Forgets a grant: what was deposited, what is logged of it but hashes, what waits. */
  erase(grantId: Hex, marks: readonly TableChange[] = []): Promise<void> {
    return this.#inTurn(async () => {
      const { book, log, outbox } = this.#means;
      const parts = [book.erase(grantId), outbox.callBack(grantId)];
      await log.erase(grantId, [...marks, ...parts.flatMap(({ changes }) => changes)]);
      for (const part of parts) part.taken();
    });
  }

  /** Lets go of what was deposited for a grant that is long over; what is logged of it stays. */
  forget(grantId: Hex): Promise<void> {
    return this.#inTurn(async () => {
      const { rows, book } = this.#means;
      const part = book.forget(grantId);
      await rows.store.commit(part.changes);
      part.taken();
    });
  }

  /** Resolves once an access is in the log for good. */
  async receiptOf(leaf: Uint8Array): Promise<AccessReceipt | null> {
    await this.#means.log.logged(leaf);
    return this.#means.log.receiptOfLeaf(leaf);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
  }

  /** Who asks without leave too often is dropped, not logged: nothing is served either way. */
  #bounded(outcome: Outcome): Outcome {
    const denied = outcome.accesses?.find(({ kind }) => kind === 'denied');
    if (denied === undefined) return outcome;
    const isTaken = this.#means.denials.take(denied.reader, this.#clock.now()) && !this.#means.outbox.isFull;
    return isTaken ? outcome : { refusal: 'too-many' };
  }

  async #write(outcome: Outcome, marks: readonly TableChange[]): Promise<readonly Uint8Array[]> {
    const { rows, log, events } = this.#means;
    const { accesses = [] } = outcome;
    let parts: readonly Prepared[] = [];
    const changesOf = (leaves: readonly Uint8Array[]) => {
      parts = this.#prepare(outcome, leaves);
      return [...marks, ...parts.flatMap(({ changes }) => changes)];
    };
    let leaves: readonly Uint8Array[] = [];
    if (accesses.length > 0) leaves = await log.note(accesses, changesOf);
    else {
      const changes = changesOf([]);
      if (changes.length > 0) await rows.store.commit(changes);
    }
    for (const part of parts) part.taken();
    for (const { kind, bytes } of accesses) events.logged(kind, bytes);
    // What waits for a leaf asks for it too; this one is for those whose messages are called back before.
    for (const leaf of leaves) log.logged(leaf).catch(() => {});
    return leaves;
  }

  #prepare(outcome: Outcome, leaves: readonly Uint8Array[]): readonly Prepared[] {
    const { book, outbox, entries } = this.#means;
    const { grantId = null, row, deposit, request, accesses = [], out = [], stops, prunes } = outcome;
    const messages = out.map(({ to, message, after }) => {
      const leaf = after === null ? null : (leaves[after] ?? null);
      return { to, message, leaf, grantId };
    });
    return [
      ...(grantId === null || row === undefined ? [] : [book.changesOf(grantId, row, deposit)]),
      ...(grantId === null || request === undefined
        ? []
        : [book.answer(grantId, request.readId, request.hash, request.atMs)]),
      ...(prunes === true ? [book.prune(this.#clock.now())] : []),
      ...(grantId === null || stops !== true ? [] : [outbox.callBack(grantId)]),
      ...(entries === null ? [] : [entries.prepare(accesses, leaves)]),
      outbox.prepare(messages),
    ];
  }

  async #inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    if (this.#isClosed) throw new OfficeClosedError();
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => {});
    return await turn;
  }
}
