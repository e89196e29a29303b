import { Condition, raceSignal, type Timer, type WaitOptions } from '@pulsemesh/base';
import { type KeySubtree, SealBrokenError } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import type { AccessReceipt } from '../../access/access-types.ts';
import { encodeReadRequest, signReadRequest } from '../../access/read-request.ts';
import { encodeAccessReceipt } from '../../access/receipt-codec.ts';
import { requestHash } from '../../access/record-codec.ts';
import type { Hex } from '../../offer/offer.ts';
import { kindOfVital } from '../../release/span.ts';
import { AccessDeniedError, GrantNotReadyError, OfficeFullError, ServedWrongError } from '../errors.ts';
import { offerOf } from '../kept-messages.ts';
import type { DeniedBody, ReadBody, RecordsBody, VitalKind } from '../messages.ts';
import type { ReadResult } from '../offices.ts';
import type { ReceiptBook } from './receipt-book.ts';
import type { Receiving } from './receiving.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';

interface Span {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

interface Answer {
  readonly rows: RecordsBody['rows'];
  readonly receipt: AccessReceipt;
}

interface Pending {
  readonly custodian: PeerId;
  readonly pages: Map<number, RecordsBody>;
  bytes: number;
  timer: Timer;
  readonly answered: PromiseWithResolvers<Answer | null>;
}

/** What is false of a grant that stands, as the ledger says. */
const deniesTheGrant: ReadonlySet<string> = new Set([
  'unknown-grant',
  'not-paid',
  'revoked',
  'expired',
  'not-the-buyer',
]);

/** Reads under grants: a signed request to a custodian, pages of sealed records, opened here with the key that was released. */
export class Reading {
  readonly #house: ResearchHouse;
  readonly #receiving: Receiving;
  readonly #receipts: ReceiptBook;
  readonly #pending = new Map<string, Pending>();

  constructor(house: ResearchHouse, receiving: Receiving, receipts: ReceiptBook) {
    this.#house = house;
    this.#receiving = receiving;
    this.#receipts = receipts;
  }

  /** Asks for a span, further where a custodian served only its beginning. Nothing of a read survives the process: it is asked again. */
  async read(grantId: Hex, vital: VitalKind, span: Span, options: WaitOptions): Promise<ReadResult> {
    const subtree = this.#receiving.subtreeOf(grantId);
    const records: ReadResult['records'][number][] = [];
    const receipts: Uint8Array[] = [];
    let { fromSeconds } = span;
    while (fromSeconds < span.untilSeconds || receipts.length === 0) {
      if (receipts.length >= researchLimits.readsPerCallMax) throw new OfficeFullError('readsPerCallMax');
      const asked = { fromSeconds, untilSeconds: span.untilSeconds };
      const { rows, receipt } = await this.#ask(grantId, vital, asked, options);
      for (const row of rows) records.push(openRow(subtree, vital, asked, row));
      receipts.push(encodeAccessReceipt(receipt));
      if (receipt.record.untilSeconds <= fromSeconds) throw new ServedWrongError('span');
      fromSeconds = receipt.record.untilSeconds;
    }
    const [receipt, ...furtherReceipts] = receipts as [Uint8Array, ...Uint8Array[]]; // asked once at least
    return { records, receipt, furtherReceipts };
  }

  /** A page of an answer. Marked whatever it is: an answer that nobody waits for any more is dropped. */
  async takeRecords(from: PeerId, body: RecordsBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, events } = this.#house;
    await desk.transact((change) => {
      if (body.receipt !== null) this.#receipts.keep(change, from, body.receipt);
    }, mark);
    const pending = this.#pending.get(body.readId);
    if (pending === undefined || pending.custodian !== from) return events.refused('unknown');
    if (pending.pages.has(body.page)) return events.refused('repeated');
    const isEndless = body.page >= researchLimits.readPagesMax || (body.rows.length === 0 && !body.isLast);
    pending.pages.set(body.page, body);
    pending.bytes += body.rows.reduce((sum, [, , , , sealed]) => sum + sealed.length, 0);
    if (isEndless || pending.bytes > researchLimits.readBytesMax) {
      pending.answered.reject(new ServedWrongError('more than was agreed on'));
      return;
    }
    this.#again(pending);
    const answer = wholeAnswer(pending.pages);
    if (answer !== null) pending.answered.resolve(answer);
    this.#house.changed();
  }

  /** A custodian's no to a read. */
  takeDenial(from: PeerId, { about, reason }: DeniedBody): void {
    const pending = this.#pending.get(about);
    if (pending?.custodian === from) pending.answered.reject(new AccessDeniedError(reason));
  }

  /** Each custodian in turn: the first whose answer, or no, holds. */
  async #ask(grantId: Hex, vital: VitalKind, span: Span, options: WaitOptions): Promise<Answer> {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined) throw new GrantNotReadyError('none');
    let failure: Error | null = null;
    for (const custodian of offerOf(grant).custodians) {
      try {
        const answer = await this.#askOne(custodian, { grantId, vital, ...span }, options);
        if (answer !== null) return answer;
      } catch (error) {
        if (!(error instanceof Condition) || !this.#mayOthersDiffer(grantId, error)) throw error;
        if (!error.retryable)
          this.#house.logger.warn('a custodian gave a wrong answer', { custodian, code: error.code });
        failure ??= error;
      }
    }
    throw failure ?? new AccessDeniedError('ledger-away');
  }

  /** Another custodian's ledger may answer, or be fresher; and what one says that the ledger does not bear out is no answer. */
  #mayOthersDiffer(grantId: Hex, error: Condition): boolean {
    if (error instanceof ServedWrongError) return true;
    if (!(error instanceof AccessDeniedError)) return false;
    const grant = this.#house.desk.get('grant', grantId);
    const isStanding =
      grant?.status === 'active' && grant.revocation === null && grant.deadline * 1000 > this.#house.clock.now();
    return error.retryable || (isStanding && deniesTheGrant.has(String(error.facts['reason'])));
  }

  /** Null: it did not answer in time. */
  async #askOne(
    custodian: PeerId,
    what: Span & { readonly grantId: Hex; readonly vital: VitalKind },
    { signal }: WaitOptions,
  ): Promise<Answer | null> {
    const { desk, clock, random, means } = this.#house;
    if (this.#pending.size >= researchLimits.readsAtOnceMax) throw new OfficeFullError('readsAtOnceMax');
    const readId = toHex(random.bytes(16));
    const body = signReadRequest({ ...what, readId, atMs: clock.now() }, means.author);
    const answered = Promise.withResolvers<Answer | null>();
    const pending: Pending = { custodian, pages: new Map(), bytes: 0, timer: { cancel: () => {} }, answered };
    this.#pending.set(readId, pending);
    this.#again(pending);
    try {
      await desk.transact((change) => change.send(custodian, 'read', body, readId));
      const until = AbortSignal.any([this.#house.signal, ...(signal === undefined ? [] : [signal])]);
      const answer = await raceSignal(answered.promise, until);
      if (answer !== null) this.#check(custodian, body, answer);
      return answer;
    } finally {
      pending.timer.cancel();
      this.#pending.delete(readId);
    }
  }

  #again(pending: Pending): void {
    pending.timer.cancel();
    const { clock } = this.#house;
    pending.timer = clock.setTimer(() => pending.answered.resolve(null), researchLimits.readWithinMs);
  }

  #check(custodian: PeerId, body: ReadBody, { rows, receipt }: Answer): void {
    const { record } = receipt;
    if (!this.#receipts.isTrue(custodian, receipt)) throw new ServedWrongError('receipt');
    const isOfThis = record.kind === 'read' && record.request === requestHash(encodeReadRequest(body));
    if (!isOfThis || record.records !== rows.length) throw new ServedWrongError('receipt');
  }
}

/** All rows in order, once every page up to the last one is there. */
function wholeAnswer(pages: ReadonlyMap<number, RecordsBody>): Answer | null {
  const last = [...pages.values()].find(({ isLast }) => isLast);
  if (last === undefined || last.receipt === null || pages.size <= last.page) return null;
  const rows: RecordsBody['rows'][number][] = [];
  for (let page = 0; page <= last.page; page += 1) rows.push(...(pages.get(page)?.rows ?? []));
  return { rows, receipt: last.receipt };
}

function openRow(subtree: KeySubtree, vital: VitalKind, span: Span, row: RecordsBody['rows'][number]) {
  const [kind, bucketSeconds, id, revision, sealed] = row;
  const isAsked = kind === kindOfVital[vital] && bucketSeconds >= span.fromSeconds && bucketSeconds < span.untilSeconds;
  if (!isAsked) throw new ServedWrongError('record');
  try {
    return { kind, bucketSeconds, plaintext: subtree.open({ kind, bucketSeconds, id, revision }, sealed) };
  } catch (error) {
    if (error instanceof SealBrokenError) throw new ServedWrongError('seal');
    throw error;
  }
}
