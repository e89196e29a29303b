import type { AnyBoardEntry, BoardEntry } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import { type ConsentDomain, offerIdOf } from '../contract/typed-data.ts';
import type { GrantState, GrantStatus, LedgerEvent } from '../grants/grant-ledger.ts';
import { verifyBinding } from '../offer/binding.ts';
import { AccountBindingRefusedError } from '../offer/errors.ts';
import type { Hex, Offer } from '../offer/offer.ts';
import {
  type SignatureVerifiers,
  verifyOfferSignature,
  verifyReceipt,
  verifyRevocation,
} from '../offer/verify-signature.ts';
import { bulletinAccountOf } from './bulletin-account.ts';
import { type BulletinStep, readGrantEntry } from './grant-entry.ts';

/** Limits of a ledger on a board. */
export const bulletinLimits = {
  /** Grants that are followed; what is taken up beyond them is not seen, so that nothing is handed out for it. */
  grantsMax: 500_000,
  /** Windows are this long at least, as on a chain: clocks differ. */
  windowSecondsMin: 15 * 60,
} as const;

/** Why a step changes nothing: the contract's names for it. */
export type BulletinRefusal =
  | 'PriceOnBoard'
  | 'NotBuyer'
  | 'OfferExpired'
  | 'WindowTooShort'
  | 'WrongStatus'
  | 'WrongSignature'
  | 'TooEarly'
  | 'TooMany';

interface Grant {
  readonly offer: Offer;
  readonly status: GrantStatus;
  readonly deadline: number;
  /** Who took it up. */
  readonly buyer: PeerId | null;
}

/** Where a step stands: whose it is, and when. */
export interface StepPlace {
  readonly author: PeerId;
  /** The author's clock, milliseconds since 1970. */
  readonly createdMs: number;
}

type EventBody = LedgerEvent extends infer Event
  ? Event extends LedgerEvent
    ? Omit<Event, 'at' | 'place' | 'timeMs' | 'transaction'>
    : never
  : never;

/** What a step does, or why it does nothing. */
type Judgement = { readonly refusal: BulletinRefusal } | { readonly grant: Grant; readonly event: EventBody };

const zeroHash: Hex = `0x${'00'.repeat(32)}`;

/**
 * The contract's rules over the entries of a board: everybody who reads the same entries comes to the same grants, since each step carries
 * the signatures that make it one. Times are of those who write, so that no window is longer than what the patient signed: a purchase is
 * within the offer's time, a receipt counts from the time for delivery at the latest.
 */
export class BulletinState {
  readonly events: LedgerEvent[] = [];
  readonly #domain: ConsentDomain;
  readonly #verifiers: SignatureVerifiers;
  readonly #grants = new Map<Hex, Grant>();
  readonly #done = new Map<string, { readonly transaction: Hex; readonly at: bigint }>();
  readonly #roots = new Map<PeerId, Hex>();

  constructor(domain: ConsentDomain, verifiers: SignatureVerifiers) {
    this.#domain = domain;
    this.#verifiers = verifiers;
  }

  idOf(offer: Offer): Hex {
    return offerIdOf(offer, this.#domain);
  }

  stateOf(grantId: Hex, nowMs: number): GrantState {
    const { status, deadline } = this.#grants.get(grantId) ?? { status: 'none', deadline: 0 };
    return { status, deadline, isAllowed: status === 'active' && Math.floor(nowMs / 1000) <= deadline };
  }

  /** What did a step already. */
  doneBefore(effect: string): { readonly transaction: Hex; readonly at: bigint } | null {
    return this.#done.get(effect) ?? null;
  }

  /** Takes the next entry; what is no step, or may not be, changes nothing. */
  async take(entry: AnyBoardEntry): Promise<void> {
    if (entry.kind === 'anchor') this.#takeAnchor(entry);
    if (entry.kind !== 'grant') return;
    const step = readGrantEntry(entry);
    if (step === null) return;
    const grantId: Hex = `0x${entry.body.grant}`;
    if (step.step === 'access') {
      this.#emit(entry, { kind: 'accessed', grantId, entry: step.entry }, effectOf(grantId, step));
      return;
    }
    const judged = await this.judge(grantId, step, entry);
    if ('refusal' in judged) return;
    this.#grants.set(grantId, judged.grant);
    this.#emit(entry, judged.event, effectOf(grantId, step));
  }

  /** What a step would do as the next entry. Changes nothing. */
  async judge(grantId: Hex, step: Exclude<BulletinStep, { step: 'access' }>, place: StepPlace): Promise<Judgement> {
    const { offer } = step;
    if (this.idOf(offer) !== grantId) return { refusal: 'WrongSignature' };
    if (offer.price !== 0n) return { refusal: 'PriceOnBoard' };
    const grant = this.#grants.get(grantId) ?? { offer, status: 'none', deadline: 0, buyer: null };
    if (grant.status === 'none' && this.#grants.size >= bulletinLimits.grantsMax) return { refusal: 'TooMany' };
    switch (step.step) {
      case 'purchase':
        return this.#purchase(grantId, grant, step, place);
      case 'confirm':
        return this.#confirm(grantId, grant, step, place);
      case 'refund':
        return refund(grantId, grant, place);
      case 'revoke':
        return this.#revoke(grantId, grant, step.signature);
    }
  }

  async #purchase(
    grantId: Hex,
    grant: Grant,
    step: Extract<BulletinStep, { step: 'purchase' }>,
    { author, createdMs }: StepPlace,
  ): Promise<Judgement> {
    const { offer, signature, buyer } = step;
    const atSeconds = Math.floor(createdMs / 1000);
    if (grant.status !== 'none') return { refusal: 'WrongStatus' };
    if (atSeconds > offer.validUntil) return { refusal: 'OfferExpired' };
    const { windowSecondsMin } = bulletinLimits;
    if (offer.deliverWithin < windowSecondsMin || offer.accessFor < windowSecondsMin) {
      return { refusal: 'WindowTooShort' };
    }
    if (buyer.peer !== author || buyer.account !== offer.buyer || !(await isBound(buyer, createdMs))) {
      return { refusal: 'NotBuyer' };
    }
    const verdict = await verifyOfferSignature({ offer, grantId, signature }, this.#domain, this.#verifiers);
    if (verdict !== 'valid') return { refusal: 'WrongSignature' };
    const deadline = atSeconds + offer.deliverWithin;
    return {
      grant: { offer, status: 'funded', deadline, buyer: author },
      event: { kind: 'purchased', grantId, deadline },
    };
  }

  async #confirm(
    grantId: Hex,
    grant: Grant,
    { delivery, receipt, offer }: Extract<BulletinStep, { step: 'confirm' }>,
    { createdMs, author }: StepPlace,
  ): Promise<Judgement> {
    if (grant.status !== 'funded') return { refusal: 'WrongStatus' };
    const claim = { buyer: offer.buyer, receipt: { offer: grantId, delivery }, signature: receipt };
    const isBuyers = author === grant.buyer || (await verifyReceipt(claim, this.#domain)) === 'valid';
    if (!isBuyers) return { refusal: 'WrongSignature' };
    const startSeconds = Math.min(Math.floor(createdMs / 1000), grant.deadline);
    const deadline = startSeconds + offer.accessFor;
    return { grant: { ...grant, status: 'active', deadline }, event: { kind: 'confirmed', grantId, deadline } };
  }

  async #revoke(grantId: Hex, grant: Grant, signature: Hex): Promise<Judgement> {
    const { status, offer } = grant;
    if (status !== 'none' && status !== 'funded' && status !== 'active') return { refusal: 'WrongStatus' };
    const verdict = await verifyRevocation({ offer, signature }, this.#domain, this.#verifiers);
    if (verdict !== 'valid') return { refusal: 'WrongSignature' };
    return ended(grantId, grant, 'revoked');
  }

  /** On a board a root names no predecessor: it is the one before it by the same author. */
  #takeAnchor(entry: BoardEntry<'anchor'>): void {
    const { about, root, count } = entry.body;
    if (about !== 'access') return;
    const previous = this.#roots.get(entry.author) ?? zeroHash;
    this.#roots.set(entry.author, `0x${root}`);
    const custodian = bulletinAccountOf(entry.author);
    const event = { kind: 'anchored', custodian, previous, root: `0x${root}`, count: BigInt(count) } as const;
    this.#emit(entry, event, `anchor ${entry.author} ${root} ${count}`);
  }

  #emit(entry: AnyBoardEntry, body: EventBody, effect: string): void {
    const transaction: Hex = `0x${entry.id}`;
    const at = BigInt(entry.index);
    const head = { at, place: 0, timeMs: entry.createdMs, transaction };
    this.events.push({ ...body, ...head } as LedgerEvent); // an event body with its head
    if (!this.#done.has(effect)) this.#done.set(effect, { transaction, at });
  }
}

/** What a step does, whoever repeats it. */
export function effectOf(grantId: Hex, step: BulletinStep): string {
  return step.step === 'access' ? `access ${grantId} ${step.entry}` : `${step.step} ${grantId}`;
}

function refund(grantId: Hex, grant: Grant, { author, createdMs }: StepPlace): Judgement {
  if (grant.status !== 'funded') return { refusal: 'WrongStatus' };
  if (author !== grant.buyer) return { refusal: 'NotBuyer' };
  if (Math.floor(createdMs / 1000) <= grant.deadline) return { refusal: 'TooEarly' };
  return ended(grantId, grant, 'closed');
}

function ended(grantId: Hex, grant: Grant, status: 'closed' | 'revoked'): Judgement {
  return { grant: { ...grant, status, deadline: 0 }, event: { kind: 'ended', grantId, status, toBuyer: 0n } };
}

async function isBound(buyer: Parameters<typeof verifyBinding>[0], nowMs: number): Promise<boolean> {
  try {
    return (await verifyBinding(buyer, { nowMs })) === 'valid';
  } catch (error) {
    if (error instanceof AccountBindingRefusedError) return false;
    throw error;
  }
}
