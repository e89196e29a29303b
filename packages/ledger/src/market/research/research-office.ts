import { errorForLog, startTicker, type WaitOptions } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { Hex } from '../../offer/offer.ts';
import { Desk } from '../desk/desk.ts';
import { Errands } from '../desk/errands.ts';
import { OfficeClosedError } from '../errors.ts';
import type { OfficeDependencies } from '../home/home-means.ts';
import { takeIn } from '../intake.ts';
import { createMarketEvents, type MarketRefusal } from '../market-events.ts';
import type { Message } from '../message-codec.ts';
import type { VitalKind } from '../messages.ts';
import type { AskInput, ReadResult, ResearchOffice } from '../offices.ts';
import type { ResearchView, TransactionView } from '../views.ts';
import { Bindings } from './bindings.ts';
import { buy, dispute, disputeTransaction, purchaseTransaction, refund } from './buying.ts';
import { Offering } from './offering.ts';
import { Reading } from './reading.ts';
import { ReceiptBook } from './receipt-book.ts';
import { Receiving } from './receiving.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse, ResearchOfficeMeans } from './research-means.ts';
import type { ResearchRows } from './research-rows.ts';
import { researchView } from './research-view.ts';
import { tidy } from './tidying.ts';

/** A researcher's office, and what the node it runs in may look at. */
export interface OpenResearchOffice extends ResearchOffice {
  /** What was dropped, by reason. */
  readonly refusals: ReadonlyMap<MarketRefusal, number>;
}

const table = 'consent-research';

/**
 * Opens the researcher's side: goes on where a former life was, takes what comes by the post, follows the ledger. Disposing closes it; nothing
 * of it is lost. One process at a time: the store is locked by whoever opened it.
 * @throws {SealBrokenError} where the rows are of another key.
 */
export async function openResearchOffice(
  means: ResearchOfficeMeans,
  dependencies: OfficeDependencies,
): Promise<OpenResearchOffice> {
  return new Office(means, dependencies);
}

class Office implements OpenResearchOffice {
  readonly refusals: ReadonlyMap<MarketRefusal, number>;
  readonly #house: ResearchHouse;
  readonly #bindings: Bindings;
  readonly #offering: Offering;
  readonly #receiving: Receiving;
  readonly #reading: Reading;
  readonly #handlers = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();

  constructor(means: ResearchOfficeMeans, dependencies: OfficeDependencies) {
    const { clock, random, logger, meter } = dependencies;
    const events = createMarketEvents('research', logger, meter);
    const desk = new Desk<ResearchRows>({ ...means, notices: null, table }, dependencies);
    const errands = new Errands(dependencies);
    const changed = () => {
      for (const handler of [...this.#handlers]) handler();
    };
    this.refusals = events.refusals;
    this.#house = { means, desk, errands, events, clock, random, logger, signal: this.#stopping.signal, changed };
    this.#stack.use(desk);
    this.#stack.use(errands);
    const receipts = new ReceiptBook(this.#house);
    this.#bindings = new Bindings(this.#house);
    this.#offering = new Offering(this.#house, this.#bindings);
    this.#receiving = new Receiving(this.#house, receipts);
    this.#reading = new Reading(this.#house, this.#receiving, receipts);
    this.#start();
  }

  view(): ResearchView {
    return researchView(this.#house, this.#bindings.accounts);
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  bindingFor(account: Hex): { readonly typedData: string } {
    return { typedData: this.#bindings.typedDataFor(account) };
  }

  bind(account: Hex, signature: Hex): Promise<void> {
    return this.#bindings.bind(account, signature);
  }

  ask(input: AskInput): Promise<string> {
    return this.#offering.ask(input);
  }

  async purchaseTransaction(grantIds: readonly Hex[]): Promise<TransactionView> {
    return purchaseTransaction(this.#house, grantIds);
  }

  buy(grantIds: readonly Hex[], options: WaitOptions = {}): Promise<Hex> {
    return buy(this.#house, grantIds, options);
  }

  refund(grantId: Hex, options: WaitOptions = {}): Promise<Hex> {
    return refund(this.#house, grantId, options);
  }

  disputeTransaction(grantId: Hex, options: WaitOptions = {}): Promise<TransactionView> {
    return disputeTransaction(this.#house, grantId, options);
  }

  dispute(grantId: Hex, options: WaitOptions = {}): Promise<Hex> {
    return dispute(this.#house, grantId, options);
  }

  receiptFor(grantId: Hex): { readonly typedData: string } | null {
    const typedData = this.#receiving.typedDataOf(grantId);
    return typedData === null ? null : { typedData };
  }

  confirm(grantId: Hex, signature: Hex): Promise<void> {
    return this.#receiving.confirm(grantId, signature);
  }

  read(
    grantId: Hex,
    vital: VitalKind,
    span: { fromSeconds: number; untilSeconds: number },
    options: WaitOptions = {},
  ): Promise<ReadResult> {
    return this.#reading.read(grantId, vital, span, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new OfficeClosedError());
    await this.#stack.disposeAsync();
  }

  #start(): void {
    const { means, desk, events, signal, clock, logger } = this.#house;
    const markOnly = (mark: readonly TableChange[]) => desk.transact(() => {}, mark);
    takeIn({ post: means.post, events, markOnly, signal }, (from, message, mark) => this.#take(from, message, mark));
    desk.start();
    void this.#receiving.follow();
    const note = (error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      const { code, text } = errorForLog(error);
      logger.error('the office of research stumbled', { code, text });
    };
    const ticker = startTicker(clock, researchLimits.tickMs, () => this.#receiving.tick(), note);
    this.#stack.defer(() => ticker.stop());
    const tidier = startTicker(clock, researchLimits.tidyEveryMs, () => this.#tidy(), note);
    this.#stack.defer(() => tidier.stop());
    this.#tidy().catch(note);
  }

  #tidy(): Promise<void> {
    const times = { nowMs: this.#house.clock.now(), keptMs: researchLimits.keptMs };
    return this.#house.desk.transact((change) => tidy(change, times));
  }

  #take(from: PeerId, message: Message, mark: readonly TableChange[]): Promise<void> | null {
    switch (message.kind) {
      case 'offer':
        return this.#offering.offered(from, message.body, mark);
      case 'counter':
        return this.#offering.countered(from, message.body, mark);
      case 'withdrawn':
        return this.#offering.withdrawn(from, message.body, mark);
      case 'key':
        return this.#receiving.takeKey(from, message.body, mark);
      case 'records':
        return this.#reading.takeRecords(from, message.body, mark);
      case 'denied':
        return this.#receiving
          .takeDenial(from, message.body, mark)
          .then(() => this.#reading.takeDenial(from, message.body));
      default:
        return null;
    }
  }
}
