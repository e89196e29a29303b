import type { TableChange } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { offerIdOf } from '../../contract/typed-data.ts';
import { isHeldBy } from '../../custody/held.ts';
import { parseConsent } from '../../offer/consent.ts';
import { draftDigest, offerOf as offerOfDraft } from '../../offer/draft.ts';
import { PasskeyRefusedError } from '../../offer/errors.ts';
import type { Hex, SignedOffer } from '../../offer/offer.ts';
import { verifyOfferSignature } from '../../offer/verify-signature.ts';
import { deliveryOf, sealEnvelope } from '../../release/envelope.ts';
import type { Change } from '../desk/desk.ts';
import { AskGoneError, NotKnownError, PriceCapError, SignatureRefusedError } from '../errors.ts';
import { offerOf } from '../kept-messages.ts';
import { encodeMessage } from '../message-codec.ts';
import type { AskBody, HeldBody, OfferBody } from '../messages.ts';
import type { AcceptInput } from '../views.ts';
import { isTreatment } from './asking.ts';
import { draftOf, openAsk } from './drafting.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { type DraftRow, type GrantRow, type HomeRows, inboxIdOf, nobody } from './home-rows.ts';
import { checkAssertion } from './passkeys.ts';

const accountBytes = 20;

/** From a patient's yes to an offer that a researcher can take up. */
export class Agreeing {
  readonly #house: HomeHouse;

  constructor(house: HomeHouse) {
    this.#house = house;
  }

  /** Keeps the grant, and deposits its envelope with every custodian: the offer follows once all of them hold it. */
  async accept(subject: string, input: AcceptInput): Promise<Hex> {
    const { desk, clock } = this.#house;
    const grantId = await desk.transact(async (change) => {
      const draft = change.get('draft', input.draftId);
      const again = draft === undefined ? this.#acceptedBefore(subject, input, change) : null;
      if (again !== null) return again;
      if (draft === undefined || draft.subject !== subject) throw new NotKnownError('draft');
      if (draft.createdMs + homeLimits.draftForMs <= clock.now()) throw new AskGoneError('draft-expired');
      this.#checkCustodians(draft);
      const { ask, inbox, row } = openAsk(change, { askId: draft.askId, subject, nowMs: clock.now() });
      this.#checkPasskey(subject, draft, input, change);
      const signed = await this.#signedOf(draft, input, change);
      this.#deposit(change, { draft, ask, signed, researcher: row.from });
      change.put('inbox', inboxIdOf(draft.askId, subject), { ...inbox, state: 'accepted', atMs: clock.now() });
      change.remove('draft', input.draftId);
      change.tell({ noticeId: `accepted/${signed.grantId}`, subject, kind: 'accepted' });
      return signed.grantId;
    });
    this.#house.events.happened('accepted');
    this.#house.changed(subject);
    return grantId;
  }

  /** A custodian's word that it holds the envelope. */
  async held(from: PeerId, body: HeldBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, events } = this.#house;
    const subject = await desk.transact((change) => {
      const grant = change.get('grant', body.grantId);
      if (grant === undefined || !grant.custodians.includes(from)) return events.refused('unknown');
      if (grant.held.includes(from)) return events.refused('repeated');
      const { delivery } = offerOf(grant);
      if (!isHeldBy(from, body, delivery)) return events.refused('signature');
      const held = [...grant.held, from];
      change.put('grant', body.grantId, { ...grant, held });
      if (held.length < grant.custodians.length || grant.revocation !== null) return grant.subject;
      change.send(grant.researcher, 'offer', offerOf(grant), body.grantId);
      return grant.subject;
    }, mark);
    if (subject !== undefined) this.#house.changed(subject);
  }

  /** Nobody hears of it: who refuses looks like who is not there. */
  async refuse(askId: string, subject: string): Promise<void> {
    const { desk, clock } = this.#house;
    await desk.transact((change) => {
      const inbox = change.get('inbox', inboxIdOf(askId, subject));
      if (inbox?.state === 'refused') return;
      const open = openAsk(change, { askId, subject, nowMs: clock.now() });
      change.put('inbox', inboxIdOf(askId, subject), { ...open.inbox, state: 'refused', atMs: clock.now() });
    });
    this.#house.changed(subject);
  }

  async counter(askId: string, subject: string, price: bigint, note: string): Promise<void> {
    const { desk, clock, means, random } = this.#house;
    await desk.transact((change) => {
      const { ask, inbox, row } = openAsk(change, { askId, subject, nowMs: clock.now() });
      if (means.domain.chainId === 0) throw new PriceCapError('no-money');
      if (isTreatment(ask.purpose)) throw new PriceCapError('treatment');
      if (means.policy.priceMax !== null && price > means.policy.priceMax) throw new PriceCapError('policy');
      if (inbox.state === 'countered') throw new AskGoneError('countered');
      const handle = toHex(random.bytes(16));
      const expiresMs = clock.now() + homeLimits.handleForMs;
      change.put('handle', handle, { subject, from: row.from, expiresMs });
      const counterPrice = price.toString();
      change.put('inbox', inboxIdOf(askId, subject), { ...inbox, state: 'countered', counterPrice, atMs: clock.now() });
      change.send(row.from, 'counter', { askId, handle, price, note }, handle);
    });
    this.#house.events.happened('countered');
    this.#house.changed(subject);
  }

  /** The answer to a yes that was lost: the same yes again is the same grant. */
  #acceptedBefore(subject: string, input: AcceptInput, change: Change<HomeRows>): Hex | null {
    for (const [grantId, grant] of change.all('grant')) {
      if (grant.subject === subject && offerOf(grant).signed.signature === input.signature) return grantId as Hex;
    }
    return null;
  }

  /** The operator may have named others since the draft was made: the envelope goes to whom the patient was shown, or nowhere. */
  #checkCustodians({ consent, custodian }: DraftRow): void {
    const { custodians } = this.#house.means;
    const shown = parseConsent(consent).custodians;
    const isSame = shown.join() === custodians.map(({ peer }) => peer).join() && custodian === custodians[0]?.account;
    if (!isSame) throw new AskGoneError('draft-expired');
  }

  #checkPasskey(subject: string, draft: DraftRow, input: AcceptInput, change: Change<HomeRows>): void {
    const row = change.get('patient', subject) ?? nobody;
    const challenge = draftDigest(draftOf(draft), this.#house.means.domain);
    if (row.passkey === null) throw new PasskeyRefusedError('credential');
    const passkey = checkAssertion(this.#house, row.passkey, input.assertion, challenge);
    change.put('patient', subject, { ...row, passkey });
  }

  async #signedOf(draft: DraftRow, input: AcceptInput, change: Change<HomeRows>): Promise<SignedOffer> {
    const { domain, verifiers } = this.#house.means;
    const { signer, signature } = input;
    const offer = offerOfDraft(draftOf(draft), signer);
    const signed = { offer, grantId: offerIdOf(offer, domain), signature };
    // A contract account, or a verifier that is not known here: nothing that our pages make.
    if ((await verifyOfferSignature(signed, domain, verifiers)) !== 'valid')
      throw new SignatureRefusedError('of the offer');
    if (!isAccount(signer)) return signed;
    // A key that signed for two grants would tell everybody that they are one patient's.
    for (const [, grant] of change.all('grant')) {
      if (grant.signer === signer) throw new SignatureRefusedError('its key signed for another grant');
    }
    return signed;
  }

  #deposit(
    change: Change<HomeRows>,
    yes: { draft: DraftRow; ask: AskBody; signed: SignedOffer; researcher: PeerId },
  ): void {
    const { means, random, clock } = this.#house;
    const { draft, ask, signed } = yes;
    const tree = means.patients.keyTree(draft.subject);
    if (tree === null) throw new NotKnownError('patient');
    const agreed = { vitals: ask.vitals, fromSeconds: ask.fromSeconds, untilSeconds: ask.untilSeconds };
    const to = { buyerHpkePublicKey: ask.hpkePublicKey, grantId: signed.grantId };
    const envelope = sealEnvelope({ tree, ...to, ...agreed }, { random });
    const custodians = means.custodians.map(({ peer }) => peer);
    const offer: OfferBody = {
      askId: draft.askId,
      signed,
      consent: draft.consent,
      salt: draft.salt,
      custodians,
      delivery: deliveryOf(envelope),
      ...agreed,
    };
    change.put('grant', signed.grantId, this.#rowOf(yes, offer, clock.now()));
    const deposit = { signed, subject: tree.subject, buyer: ask.buyer, purpose: ask.purpose, envelope, custodians };
    for (const peer of custodians) change.send(peer, 'deposit', { ...deposit, ...agreed }, signed.grantId);
  }

  #rowOf(
    { draft, ask, signed, researcher }: { draft: DraftRow; ask: AskBody; signed: SignedOffer; researcher: PeerId },
    offer: OfferBody,
    nowMs: number,
  ): GrantRow {
    return {
      askId: draft.askId,
      subject: draft.subject,
      researcher,
      organisation: ask.organisation,
      title: ask.title,
      purpose: ask.purpose,
      vitals: ask.vitals,
      fromSeconds: ask.fromSeconds,
      untilSeconds: ask.untilSeconds,
      offer: encodeMessage('offer', offer),
      price: draft.price,
      token: draft.token,
      signer: signed.offer.patient,
      keySalt: isAccount(signed.offer.patient) ? draft.keySalt : null,
      payee: signed.offer.payee,
      validUntil: draft.validUntil,
      custodians: offer.custodians,
      held: [],
      offeredMs: nowMs,
      status: 'none',
      deadline: 0,
      isRefunded: false,
      purchaseTransaction: null,
      revocation: null,
      revokedMs: null,
      accesses: 0,
      readNoticeDay: 0,
    };
  }
}

/** Of an account or contract account (ERC-7913). */
function isAccount(signer: Hex): boolean {
  return (signer.length - 2) / 2 === accountBytes;
}
