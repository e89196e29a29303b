import { generateX25519 } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { parseConsent, termsOf } from '../../offer/consent.ts';
import { ConsentMalformedError } from '../../offer/errors.ts';
import { verifyOfferSignature, verifyRevocation } from '../../offer/verify-signature.ts';
import type { Change } from '../desk/desk.ts';
import { OfficeFullError } from '../errors.ts';
import { askOf, offerOf } from '../kept-messages.ts';
import type { MarketRefusal } from '../market-events.ts';
import { encodeMessage } from '../message-codec.ts';
import type { AskBody, CounterBody, OfferBody, WithdrawnBody } from '../messages.ts';
import type { AskInput } from '../offices.ts';
import type { Bindings } from './bindings.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';
import type { ResearchGrantRow, ResearchRows } from './research-rows.ts';

/** Requests that go out, and what comes back: offers, counter-proposals, withdrawals. */
export class Offering {
  readonly #house: ResearchHouse;
  readonly #bindings: Bindings;

  constructor(house: ResearchHouse, bindings: Bindings) {
    this.#house = house;
    this.#bindings = bindings;
  }

  async ask(input: AskInput): Promise<string> {
    const { desk, clock, random, means } = this.#house;
    const buyer = await this.#bindings.bindingOf(input.account);
    const key = generateX25519(random);
    const { handle, criteria = {} } = input;
    const nowMs = clock.now();
    const ask: AskBody = {
      askId: toHex(random.bytes(16)),
      audience: handle === undefined ? { to: 'cohort', criteria } : { to: 'handle', handle },
      title: input.title,
      purpose: input.purpose,
      explanation: input.explanation,
      organisation: means.organisation,
      vitals: input.vitals,
      fromSeconds: input.fromSeconds,
      untilSeconds: input.untilSeconds,
      accessForSeconds: input.accessForSeconds,
      price: input.price,
      token: input.token,
      buyer,
      hpkePublicKey: key.publicKey,
      createdMs: nowMs,
      expiresMs: nowMs + input.validForSeconds * 1000,
    };
    await desk.transact((change) => {
      if (desk.all('ask').size >= researchLimits.asksMax) throw new OfficeFullError('asksMax');
      const message = encodeMessage('ask', ask);
      change.put('ask', ask.askId, { home: input.home, message, hpkePrivateKey: key.privateKey });
      change.send(input.home, 'ask', ask, ask.askId);
    });
    this.#house.events.happened('asked');
    this.#house.changed();
    return ask.askId;
  }

  async offered(from: PeerId, offer: OfferBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, clock, events } = this.#house;
    const isNew = await desk.transact(async (change) => {
      const refusal = await this.#refusalOf(from, offer, change);
      if (refusal !== null) {
        events.refused(refusal);
        return false;
      }
      const row: ResearchGrantRow = {
        askId: offer.askId,
        home: from,
        offer: encodeMessage('offer', offer),
        validUntil: offer.signed.offer.validUntil,
        offeredMs: clock.now(),
        status: 'none',
        deadline: 0,
        isRefunded: false,
        purchaseTransaction: null,
        envelope: null,
        receipt: null,
        receivedMs: 0,
        revocation: null,
        accesses: 0,
      };
      change.put('grant', offer.signed.grantId, row);
      return true;
    }, mark);
    if (isNew) this.#house.changed();
  }

  async countered(from: PeerId, counter: CounterBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, clock, events } = this.#house;
    await desk.transact((change) => {
      const ask = change.get('ask', counter.askId);
      if (ask === undefined) return events.refused('unknown');
      if (ask.home !== from) return events.refused('wrong-sender');
      if (change.get('counter', counter.handle) !== undefined) return events.refused('repeated');
      const before = [...change.all('counter')].filter(([, { askId }]) => askId === counter.askId);
      if (before.length >= researchLimits.countersPerAskMax) return events.refused('full');
      const { askId, note } = counter;
      change.put('counter', counter.handle, { askId, note, price: counter.price.toString(), atMs: clock.now() });
    }, mark);
    this.#house.changed();
  }

  /** The patient withdrew consent: nothing more is asked for under this grant. */
  async withdrawn(from: PeerId, body: WithdrawnBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, events, means } = this.#house;
    await desk.transact(async (change) => {
      const grant = change.get('grant', body.grantId);
      if (grant === undefined) return events.refused('unknown');
      if (grant.home !== from) return events.refused('wrong-sender');
      const claim = { offer: offerOf(grant).signed.offer, signature: body.signature };
      const verdict = await verifyRevocation(claim, means.domain, means.verifiers);
      if (verdict !== 'valid') return events.refused('signature');
      change.put('grant', body.grantId, { ...grant, revocation: body.signature });
    }, mark);
    this.#house.changed();
  }

  async #refusalOf(from: PeerId, offer: OfferBody, change: Change<ResearchRows>): Promise<MarketRefusal | null> {
    const { means, clock } = this.#house;
    const row = change.get('ask', offer.askId);
    if (row === undefined) return 'unknown';
    if (row.home !== from) return 'wrong-sender';
    if (change.get('grant', offer.signed.grantId) !== undefined) return 'repeated';
    const ask = askOf(row);
    const mismatch = mismatchOf(ask, offer);
    if (mismatch !== null) return mismatch;
    if (offer.signed.offer.validUntil * 1000 <= clock.now()) return 'expired';
    if (termsOf(offer.salt, offer.consent) !== offer.signed.offer.terms) return 'terms';
    if (!isConsentTo(ask, offer)) return 'terms';
    const verdict = await verifyOfferSignature(offer.signed, means.domain, means.verifiers);
    if (verdict !== 'valid') return 'signature';
    const all = [...change.all('grant')];
    const ofAsk = all.filter(([, { askId }]) => askId === offer.askId);
    const isFull = all.length >= researchLimits.grantsMax || ofAsk.length >= researchLimits.offersPerAskMax;
    return isFull ? 'full' : null;
  }
}

/** Whether an offer is for what was asked: the same records and time for reading, by who asked, for no more money. */
function mismatchOf(ask: AskBody, { signed, vitals, fromSeconds, untilSeconds }: OfferBody): MarketRefusal | null {
  const { offer } = signed;
  if (offer.price > ask.price || offer.token !== ask.token) return 'price';
  const isSame =
    offer.buyer === ask.buyer.account &&
    offer.accessFor === ask.accessForSeconds &&
    fromSeconds === ask.fromSeconds &&
    untilSeconds === ask.untilSeconds &&
    [...vitals].sort().join() === [...ask.vitals].sort().join();
  return isSame ? null : 'terms';
}

/** Whether the consent says what was asked for and what the offer says, and nothing besides: it is what a researcher can show later. */
function isConsentTo(ask: AskBody, { consent: text, custodians, signed }: OfferBody): boolean {
  try {
    const consent = parseConsent(text);
    return (
      consent.organisation === ask.organisation &&
      consent.title === ask.title &&
      consent.explanation === ask.explanation &&
      consent.accessForSeconds === ask.accessForSeconds &&
      consent.compensation === signed.offer.price.toString() &&
      consent.token === signed.offer.token &&
      consent.custodians.join() === custodians.join() &&
      consent.recipient === ask.buyer.peer &&
      consent.purpose === ask.purpose &&
      consent.fromSeconds === ask.fromSeconds &&
      consent.untilSeconds === ask.untilSeconds &&
      [...consent.vitals].sort().join() === [...ask.vitals].sort().join()
    );
  } catch (error) {
    if (error instanceof ConsentMalformedError) return false;
    throw error;
  }
}
