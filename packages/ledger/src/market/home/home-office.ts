import { errorForLog, startTicker } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { draftDigest } from '../../offer/draft.ts';
import type { Hex } from '../../offer/offer.ts';
import { draftJson } from '../../offer/offer-fields.ts';
import { keySignerOf } from '../../offer/signing.ts';
import { Desk } from '../desk/desk.ts';
import { Errands } from '../desk/errands.ts';
import { AskGoneError, NotKnownError, OfficeClosedError, OfficeSetupError } from '../errors.ts';
import { takeIn } from '../intake.ts';
import { createMarketEvents, type MarketRefusal } from '../market-events.ts';
import type { Message } from '../message-codec.ts';
import { messageLimits } from '../message-limits.ts';
import type { EmergencyAccess, HomeOffice, NewPasskey } from '../offices.ts';
import { amountView } from '../view-parts.ts';
import type { AcceptInput, CatalogueEntryView, DraftView, PatientConsentView } from '../views.ts';
import { Accesses } from './accesses.ts';
import { Agreeing } from './agreeing.ts';
import { Asking } from './asking.ts';
import { draftOf, draftOffer } from './drafting.ts';
import { Ending, tidy } from './ending.ts';
import { followForHome } from './following.ts';
import { HomeCatalogue } from './home-catalogue.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse, HomeOfficeMeans, OfficeDependencies } from './home-means.ts';
import { type DraftRow, type HomeRows, nobody } from './home-rows.ts';
import { patientView } from './home-view.ts';
import { enrolPasskey } from './passkeys.ts';
import { type StandingGrant, standingGrants } from './standing-grants.ts';

/** A home's office, and what the node it runs in asks of it. */
export interface OpenHomeOffice extends HomeOffice {
  /** What was dropped, by reason. */
  readonly refusals: ReadonlyMap<MarketRefusal, number>;
  /** Grants for a purpose, withdrawn and past ones too: as a register of consents for learning. */
  standingGrants(purpose: string): readonly StandingGrant[];
}

const table = 'consent-home';

/**
 * Opens the patients' side: goes on where a former life was, takes what comes by the post, follows the ledger. Disposing closes it; nothing
 * of it is lost. One process at a time: the store is locked by whoever opened it.
 * @throws {OfficeSetupError}; {SealBrokenError} where the rows are of another key.
 */
export async function openHomeOffice(
  means: HomeOfficeMeans,
  dependencies: OfficeDependencies,
): Promise<OpenHomeOffice> {
  checkMeans(means);
  return new Office(means, dependencies);
}

function checkMeans({ custodians, policy }: HomeOfficeMeans): void {
  if (custodians.length < messageLimits.custodiansMin) throw new OfficeSetupError('it needs two custodians');
  if (custodians.length > messageLimits.custodiansMax) throw new OfficeSetupError('it has too many custodians');
  if (policy.countMin < 1) throw new OfficeSetupError('countMin is 1 at least');
}

class Office implements OpenHomeOffice {
  readonly refusals: ReadonlyMap<MarketRefusal, number>;
  readonly #house: HomeHouse;
  readonly #asking: Asking;
  readonly #agreeing: Agreeing;
  readonly #ending: Ending;
  readonly #accesses: Accesses;
  readonly #catalogue: HomeCatalogue;
  readonly #handlers = new Set<(subject: string) => void>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();

  constructor(means: HomeOfficeMeans, dependencies: OfficeDependencies) {
    const { clock, random, logger, meter } = dependencies;
    const events = createMarketEvents('home', logger, meter);
    const desk = new Desk<HomeRows>({ ...means, table }, dependencies);
    const errands = new Errands(dependencies);
    const { signal } = this.#stopping;
    const changed = (subject: string) => {
      for (const handler of [...this.#handlers]) handler(subject);
    };
    this.refusals = events.refusals;
    this.#house = { means, desk, errands, events, clock, random, logger, signal, changed };
    this.#stack.use(desk);
    this.#stack.use(errands);
    this.#asking = new Asking(this.#house);
    this.#agreeing = new Agreeing(this.#house);
    this.#ending = new Ending(this.#house);
    this.#accesses = new Accesses(this.#house);
    this.#catalogue = new HomeCatalogue(this.#house);
    this.#start();
  }

  view(subject: string): PatientConsentView {
    return patientView(this.#house, subject, (custodian, index) => this.#accesses.anchorOf(custodian, index));
  }

  onChange(handler: (subject: string) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async setAskable(subject: string, isAskable: boolean): Promise<void> {
    this.#assertPatient(subject);
    await this.#house.desk.transact((change) => {
      const row = change.get('patient', subject) ?? nobody;
      if (row.isAskable !== isAskable) change.put('patient', subject, { ...row, isAskable });
    });
    if (isAskable) this.#asking.matchAgain(subject);
    this.#house.changed(subject);
  }

  async enrolPasskey(subject: string, passkey: NewPasskey): Promise<void> {
    this.#assertPatient(subject);
    await enrolPasskey(this.#house, subject, passkey);
    this.#house.changed(subject);
  }

  async draft(askId: string, subject: string, price: bigint | null): Promise<DraftView> {
    this.#assertPatient(subject);
    const { draftId, row } = await this.#house.desk.transact((change) =>
      draftOffer(this.#house, change, { askId, subject, price }),
    );
    return this.#draftView(draftId, row, subject);
  }

  accept(subject: string, input: AcceptInput): Promise<Hex> {
    return this.#agreeing.accept(subject, input);
  }

  refuse(askId: string, subject: string): Promise<void> {
    return this.#agreeing.refuse(askId, subject);
  }

  counter(askId: string, subject: string, price: bigint, note: string): Promise<void> {
    return this.#agreeing.counter(askId, subject, price, note);
  }

  revoke(grantId: Hex, signature: Hex): Promise<void> {
    return this.#ending.revoke(grantId, signature);
  }

  withdraw(grantId: Hex, to: Hex, amount: bigint, nonce: bigint, until: number, signature: Hex): Promise<Hex> {
    return this.#ending.withdraw(grantId, { to, amount, nonce, until, signature });
  }

  erase(subject: string): Promise<void> {
    return this.#ending.erase(subject);
  }

  async takeEmergency(access: EmergencyAccess): Promise<void> {
    if (!this.#house.means.patients.list().includes(access.subject)) throw new NotKnownError('patient');
    await this.#accesses.takeEmergency(access);
  }

  catalogue(): Promise<CatalogueEntryView> {
    return this.#catalogue.count();
  }

  standingGrants(purpose: string): readonly StandingGrant[] {
    return standingGrants(this.#house, purpose);
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
    void followForHome(this.#house, { ending: this.#ending, accesses: this.#accesses });
    const watching = means.board?.onEntry((entry) => {
      void this.#accesses.seen(entry).catch((error) => this.#note(error));
    });
    if (watching !== undefined) this.#stack.use(watching);
    const ticker = startTicker(
      clock,
      homeLimits.tickMs,
      () => this.#tick(),
      (error) => this.#note(error),
    );
    this.#stack.defer(() => ticker.stop());
    this.#catalogue.start();
    logger.info('the office of consent is open', { custodians: means.custodians.length });
  }

  async #tick(): Promise<void> {
    const { desk, clock } = this.#house;
    await this.#accesses.compareLogs();
    await this.#accesses.check();
    const nowMs = clock.now();
    const isDue = [...desk.all('ask').values()].some(({ expiresMs }) => expiresMs + homeLimits.askKeptMs <= nowMs);
    const hasOldHandle = [...desk.all('handle').values()].some(({ expiresMs }) => expiresMs <= nowMs);
    if (isDue || hasOldHandle) {
      await desk.transact((change) => tidy(change, { nowMs, askKeptMs: homeLimits.askKeptMs }));
    }
  }

  #take(from: PeerId, message: Message, mark: readonly TableChange[]): Promise<void> | null {
    switch (message.kind) {
      case 'ask':
        return this.#asking.take(from, message.body, mark);
      case 'held':
        return this.#agreeing.held(from, message.body, mark);
      case 'accessed':
        return this.#accesses.take(from, message.body, mark);
      default:
        return null;
    }
  }

  #assertPatient(subject: string): void {
    const row = this.#house.desk.get('patient', subject);
    if (row?.erasedMs != null) throw new AskGoneError('erased');
    if (!this.#house.means.patients.list().includes(subject)) throw new NotKnownError('patient');
  }

  #draftView(draftId: string, row: DraftRow, subject: string): DraftView {
    const { domain, currency, verifiers } = this.#house.means;
    const { askId, keySalt, salt, consent } = row;
    const draft = draftOf(row);
    const passkey = this.#house.desk.get('patient', subject)?.passkey ?? null;
    return {
      draftId,
      askId,
      offer: draftJson(draft),
      challenge: draftDigest(draft, domain),
      keySalt,
      chainId: domain.chainId,
      contract: domain.verifyingContract,
      consent,
      salt: `0x${toHex(salt)}`,
      passkeySigner:
        passkey === null || verifiers.webAuthn === null ? null : keySignerOf(verifiers.webAuthn, passkey.publicKey),
      price: amountView(draft.price, draft.token, currency),
    };
  }

  #note(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { code, text } = errorForLog(error);
    this.#house.logger.error('the office of consent stumbled', { code, text });
  }
}
