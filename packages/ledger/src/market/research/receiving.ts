import { createX25519Key, type KeySubtree } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { type ConsentDomain, consentTypes } from '../../contract/typed-data.ts';
import { LedgerRefusedError } from '../../grants/errors.ts';
import type { LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { signReceipt } from '../../offer/signing.ts';
import { verifyReceipt } from '../../offer/verify-signature.ts';
import { deliveryOf, openEnvelope } from '../../release/envelope.ts';
import { EnvelopeRefusedError } from '../../release/errors.ts';
import type { Change } from '../desk/desk.ts';
import { GrantNotReadyError, NotKnownError, SignatureRefusedError } from '../errors.ts';
import { followLedger } from '../follow-ledger.ts';
import { offerOf } from '../kept-messages.ts';
import type { DeniedBody, KeyBody } from '../messages.ts';
import type { ReceiptBook } from './receipt-book.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';
import type { ResearchGrantRow, ResearchRows } from './research-rows.ts';

type GrantEvent = Extract<LedgerEvent, { readonly grantId: Hex }>;

/** From a purchase on the ledger to a key that opens, and the buyer's word that it does. */
export class Receiving {
  readonly #house: ResearchHouse;
  readonly #receipts: ReceiptBook;
  readonly #opened = new Map<Hex, KeySubtree>();
  /** When which custodian is asked next for a key that did not come. */
  readonly #claims = new Map<Hex, { readonly tries: number; readonly nextMs: number }>();

  constructor(house: ResearchHouse, receipts: ReceiptBook) {
    this.#house = house;
    this.#receipts = receipts;
  }

  /** Takes the ledger's events behind the last one that was taken. */
  follow(): Promise<void> {
    const { desk, means, signal, clock, logger } = this.#house;
    const cursor = desk.get('cursor', 'events');
    return followLedger({
      ledger: means.ledger,
      after: cursor === undefined ? null : { at: BigInt(cursor.at), place: cursor.place },
      signal,
      clock,
      logger,
      isOurs: (event) => 'grantId' in event && desk.get('grant', event.grantId) !== undefined,
      take: async (event, { at, place }) => {
        await desk.transact((change) => {
          change.put('cursor', 'events', { at: at.toString(), place });
          if (event !== null && 'grantId' in event) this.#takeEvent(change, event);
        });
        if (event !== null && 'grantId' in event) await this.#afterEvent(event);
      },
    });
  }

  /** Asks again for keys that did not come, does on the ledger what nobody else did. To be called from time to time. */
  async tick(): Promise<void> {
    const { desk, clock, means, errands } = this.#house;
    const nowMs = clock.now();
    for (const [id, grant] of desk.all('grant')) {
      const grantId = id as Hex; // the table's key
      if (isWaitingForKey(grant)) await this.#claim(grantId, grant, nowMs);
      const isSilent = grant.receipt !== null && nowMs - grant.receivedMs >= researchLimits.confirmAfterMs;
      const isOpen = grant.status === 'funded' || grant.status === 'delivered';
      if (isSilent && isOpen && means.signer !== null) {
        errands.run(`confirm ${grantId}`, (signal) => this.#confirmItself(grantId, signal));
      }
      const isOverdue = grant.deadline * 1000 - nowMs <= researchLimits.disputeBeforeMs;
      if (grant.status === 'delivered' && grant.envelope === null && isOverdue && isBoughtBy(this.#house, grant)) {
        errands.run(`dispute ${grantId}`, (signal) => this.#dispute(grantId, signal));
      }
    }
  }

  async takeKey(from: PeerId, body: KeyBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, events } = this.#house;
    const { grantId } = body;
    await desk.transact(async (change) => {
      const grant = change.get('grant', grantId);
      if (grant === undefined) return events.refused('unknown');
      const offer = offerOf(grant);
      if (!offer.custodians.includes(from)) return events.refused('wrong-sender');
      this.#receipts.keep(change, from, body.receipt);
      if (grant.envelope !== null) return events.refused('repeated');
      const envelope = this.#openable(grantId, grant, body.envelope);
      if (envelope === null) return events.refused('terms');
      change.put('grant', grantId, { ...(change.get('grant', grantId) ?? grant), envelope });
      if (isBoughtBy(this.#house, grant)) await this.#receipt(change, grantId, null);
    }, mark);
    if (desk.get('grant', grantId)?.envelope != null) events.happened('opened');
    this.#house.changed();
  }

  async takeDenial(from: PeerId, body: DeniedBody, mark: readonly TableChange[]): Promise<void> {
    await this.#house.desk.transact((change) => {
      if (body.receipt !== null) this.#receipts.keep(change, from, body.receipt);
    }, mark);
    this.#house.changed();
  }

  /** What opens the records of a grant. @throws {NotKnownError}; {GrantNotReadyError} where its key did not come yet. */
  subtreeOf(grantId: Hex): KeySubtree {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined) throw new NotKnownError('grant');
    if (grant.envelope === null) throw new GrantNotReadyError(grant.status);
    let subtree = this.#opened.get(grantId);
    if (subtree === undefined) {
      subtree = this.#open(grantId, grant, grant.envelope);
      this.#opened.set(grantId, subtree);
    }
    return subtree;
  }

  /** What a wallet signs once the key opened; null: nothing now. */
  typedDataOf(grantId: Hex): string | null {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined) throw new NotKnownError('grant');
    if (grant.envelope === null || grant.receipt !== null) return null;
    return receiptTypedData({ offer: grantId, delivery: offerOf(grant).delivery }, this.#house.means.domain);
  }

  async confirm(grantId: Hex, signature: Hex): Promise<void> {
    const { desk } = this.#house;
    await desk.transact(async (change) => {
      const grant = change.get('grant', grantId);
      if (grant === undefined) throw new NotKnownError('grant');
      if (grant.envelope === null) throw new GrantNotReadyError(grant.status);
      if (grant.receipt === null) await this.#receipt(change, grantId, signature);
    });
    this.#house.changed();
  }

  #takeEvent(change: Change<ResearchRows>, event: GrantEvent): void {
    const grant = change.get('grant', event.grantId);
    if (grant === undefined || event.kind === 'accessed') return;
    if (event.kind === 'ended') {
      const isRefunded = event.status === 'closed' && grant.status === 'funded';
      change.put('grant', event.grantId, { ...grant, status: event.status, deadline: 0, isRefunded });
      return;
    }
    const { deadline } = event;
    const purchase = event.kind === 'purchased' ? { purchaseTransaction: event.transaction } : {};
    change.put('grant', event.grantId, { ...grant, ...purchase, status: statusAfter[event.kind], deadline });
  }

  async #afterEvent(event: GrantEvent): Promise<void> {
    const grant = this.#house.desk.get('grant', event.grantId);
    if (grant !== undefined && isWaitingForKey(grant)) {
      this.#claims.delete(event.grantId);
      await this.#claim(event.grantId, grant, this.#house.clock.now());
    }
    this.#house.changed();
  }

  /** One custodian after the other, since either has it; the first alone hands it over while it can still be put on the ledger. */
  async #claim(grantId: Hex, grant: ResearchGrantRow, nowMs: number): Promise<void> {
    const { tries, nextMs } = this.#claims.get(grantId) ?? { tries: 0, nextMs: 0 };
    if (nowMs < nextMs) return;
    const { custodians } = offerOf(grant);
    const to = custodians[tries % custodians.length] as PeerId; // two at least
    const waitMs = Math.min(researchLimits.claimMsMax, researchLimits.claimMsMin * 2 ** Math.min(tries, 10));
    this.#claims.set(grantId, { tries: tries + 1, nextMs: nowMs + waitMs });
    await this.#house.desk.transact((change) => change.send(to, 'claim', { grantId }, grantId));
  }

  /** Null: it is another envelope than was agreed on, or does not hold what was. */
  #openable(grantId: Hex, grant: ResearchGrantRow, envelope: Uint8Array): Uint8Array | null {
    if (deliveryOf(envelope) !== offerOf(grant).delivery) return null;
    try {
      this.#opened.set(grantId, this.#open(grantId, grant, envelope));
      return envelope;
    } catch (error) {
      if (error instanceof EnvelopeRefusedError) return null;
      throw error;
    }
  }

  #open(grantId: Hex, grant: ResearchGrantRow, envelope: Uint8Array): KeySubtree {
    const ask = this.#house.desk.get('ask', grant.askId);
    if (ask === undefined) throw new NotKnownError('ask');
    const { vitals, fromSeconds, untilSeconds } = offerOf(grant);
    const hpkeKey = createX25519Key(ask.hpkePrivateKey);
    return openEnvelope(envelope, { vitals, fromSeconds, untilSeconds, grantId, hpkeKey }, this.#house);
  }

  /** Signs, or takes a wallet's signature, and gives it to every custodian: any of them may put it on the ledger. */
  async #receipt(change: Change<ResearchRows>, grantId: Hex, ofWallet: Hex | null): Promise<void> {
    const { means, clock } = this.#house;
    const grant = change.get('grant', grantId);
    if (grant === undefined || (ofWallet === null && means.signer === null)) return;
    const { signed, delivery, custodians } = offerOf(grant);
    const receipt = { offer: grantId, delivery };
    const signature =
      ofWallet ?? (means.signer === null ? null : await signReceipt(receipt, means.domain, means.signer));
    if (signature === null) return;
    const verdict = await verifyReceipt({ buyer: signed.offer.buyer, receipt, signature }, means.domain);
    if (verdict !== 'valid') throw new SignatureRefusedError('of the receipt');
    change.put('grant', grantId, { ...grant, receipt: signature, receivedMs: clock.now() });
    for (const to of custodians) change.send(to, 'received', { grantId, delivery, signature }, grantId);
  }

  /** What was delivered on the ledger is worth nothing here: without a word it would be paid for. */
  async #dispute(grantId: Hex, signal: AbortSignal): Promise<void> {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined || grant.status !== 'delivered' || grant.envelope !== null) return;
    const { offer } = offerOf(grant).signed;
    await performOrOver(this.#house.means.ledger.perform({ step: 'dispute', offer }, { signal }));
    this.#house.events.happened('disputed');
  }

  async #confirmItself(grantId: Hex, signal: AbortSignal): Promise<void> {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined || grant.receipt === null) return;
    if (grant.status !== 'funded' && grant.status !== 'delivered') return;
    const { signed, delivery } = offerOf(grant);
    const grants = [{ offer: signed.offer, delivery, receipt: grant.receipt }];
    await performOrOver(this.#house.means.ledger.perform({ step: 'confirm', grants }, { signal }));
  }
}

/** Somebody else did it, or it is over: the events say which. */
async function performOrOver(performed: Promise<unknown>): Promise<void> {
  try {
    await performed;
  } catch (error) {
    if (!(error instanceof LedgerRefusedError)) throw error;
  }
}

const statusAfter = { purchased: 'funded', confirmed: 'active', delivered: 'delivered', disputed: 'disputed' } as const;

function isWaitingForKey(grant: ResearchGrantRow): boolean {
  const isPaid = grant.status === 'funded' || grant.status === 'delivered' || grant.status === 'active';
  return isPaid && grant.envelope === null && grant.revocation === null;
}

function isBoughtBy({ means }: ResearchHouse, grant: ResearchGrantRow): boolean {
  return means.signer !== null && offerOf(grant).signed.offer.buyer === means.signer.signer;
}

/** EIP-712 JSON as `eth_signTypedData_v4` takes it. */
function receiptTypedData(message: { readonly offer: Hex; readonly delivery: Hex }, domain: ConsentDomain): string {
  const domainTypes = [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' },
    { name: 'verifyingContract', type: 'address' },
  ];
  const types = { EIP712Domain: domainTypes, Receipt: consentTypes.Receipt };
  return JSON.stringify({ domain, types, primaryType: 'Receipt', message });
}
