import type { WaitOptions } from '@pulsemesh/base';
import { encodeFunctionData, numberToHex } from 'viem/utils';
import { consentLedgerAbi } from '../../contract/consent-ledger.ts';
import { NoSignerError } from '../../grants/errors.ts';
import type { Hex, SignedOffer } from '../../offer/offer.ts';
import { GrantNotReadyError, NotKnownError, OfferGoneError, OfficeFullError } from '../errors.ts';
import { offerOf } from '../kept-messages.ts';
import { phaseOf } from '../view-parts.ts';
import type { TransactionView } from '../views.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';
import type { ResearchGrantRow } from './research-rows.ts';

const ownCoin = /^0x0{40}$/;

/** What a browser wallet sends to buy these: offers of one buyer, in one token. @throws {OfferGoneError}; {NotKnownError}; {NoSignerError} on a board. */
export function purchaseTransaction(house: ResearchHouse, grantIds: readonly Hex[]): TransactionView {
  const { domain } = house.means;
  if (domain.chainId === 0) throw new NoSignerError();
  const signed = offersToBuy(house, grantIds);
  const value = signed.reduce((sum, { offer }) => sum + (ownCoin.test(offer.token) ? offer.price : 0n), 0n);
  const [only] = signed;
  const data =
    only !== undefined && signed.length === 1
      ? encodeFunctionData({ abi: consentLedgerAbi, functionName: 'purchase', args: [only.offer, only.signature] })
      : encodeFunctionData({
          abi: consentLedgerAbi,
          functionName: 'purchaseMany',
          args: [signed.map(({ offer }) => offer), signed.map(({ signature }) => signature)],
        });
  return { to: domain.verifyingContract, data, value: numberToHex(value), chainId: domain.chainId };
}

/** Buys with the ledger's own signer. @returns the transaction. */
export async function buy(house: ResearchHouse, grantIds: readonly Hex[], options: WaitOptions): Promise<Hex> {
  const grants = offersToBuy(house, grantIds);
  const signer = house.means.signer?.signer;
  if (signer === undefined || grants.some(({ offer }) => offer.buyer !== signer)) throw new NoSignerError();
  const { transaction } = await house.means.ledger.perform({ step: 'purchase', grants }, options);
  house.events.happened('bought');
  return transaction;
}

/** Takes the money back of a grant whose key did not come in time. @returns the transaction. */
export async function refund(house: ResearchHouse, grantId: Hex, options: WaitOptions): Promise<Hex> {
  const { offer } = offerOf(grantOf(house, grantId)).signed;
  const { status, deadline } = await house.means.ledger.stateOf(grantId, 'final', options);
  if (status !== 'funded' || deadline * 1000 >= house.clock.now()) throw new GrantNotReadyError(status);
  const { transaction } = await house.means.ledger.perform({ step: 'refund', offer }, options);
  return transaction;
}

/**
 * What a browser wallet sends to say that the key on the ledger is worth nothing. Only its buyer may.
 * @throws {GrantNotReadyError}; {NotKnownError}; {NoSignerError} on a board.
 */
export async function disputeTransaction(
  house: ResearchHouse,
  grantId: Hex,
  options: WaitOptions,
): Promise<TransactionView> {
  const { domain } = house.means;
  if (domain.chainId === 0) throw new NoSignerError();
  const { offer } = await offerToDispute(house, grantId, options);
  const data = encodeFunctionData({ abi: consentLedgerAbi, functionName: 'dispute', args: [offer] });
  return { to: domain.verifyingContract, data, value: '0x0', chainId: domain.chainId };
}

/** Says so with the ledger's own signer. @returns the transaction. @throws as {@link disputeTransaction}. */
export async function dispute(house: ResearchHouse, grantId: Hex, options: WaitOptions): Promise<Hex> {
  const { offer } = await offerToDispute(house, grantId, options);
  if (offer.buyer !== house.means.signer?.signer) throw new NoSignerError();
  const { transaction } = await house.means.ledger.perform({ step: 'dispute', offer }, options);
  house.events.happened('disputed');
  return transaction;
}

/** Who signed that the key opened has nothing to dispute. */
async function offerToDispute(house: ResearchHouse, grantId: Hex, options: WaitOptions): Promise<SignedOffer> {
  const grant = grantOf(house, grantId);
  if (grant.receipt !== null) throw new GrantNotReadyError('confirmed');
  const { status, deadline } = await house.means.ledger.stateOf(grantId, 'final', options);
  if (status !== 'delivered' || deadline * 1000 < house.clock.now()) throw new GrantNotReadyError(status);
  return offerOf(grant).signed;
}

function offersToBuy(house: ResearchHouse, grantIds: readonly Hex[]): readonly SignedOffer[] {
  if (grantIds.length === 0) throw new NotKnownError('grant');
  if (grantIds.length > researchLimits.grantsPerPurchaseMax) throw new OfficeFullError('grantsPerPurchaseMax');
  return [...new Set(grantIds)].map((grantId) => {
    const grant = grantOf(house, grantId);
    const phase = phaseOf(grant, house.clock.now());
    if (phase !== 'offered') throw new OfferGoneError(phase);
    return offerOf(grant).signed;
  });
}

function grantOf(house: ResearchHouse, grantId: Hex): ResearchGrantRow {
  const grant = house.desk.get('grant', grantId);
  if (grant === undefined) throw new NotKnownError('grant');
  return grant;
}
