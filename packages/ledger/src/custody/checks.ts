import type { ConsentDomain } from '../contract/typed-data.ts';
import type { AccountBinding } from '../market/messages.ts';
import { verifyBinding } from '../offer/binding.ts';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';
import { type SignatureVerifiers, verifyOfferSignature, verifyReceipt } from '../offer/verify-signature.ts';
import { wrappedKeyOf } from '../release/envelope.ts';

/** What can be told of signatures and envelopes without asking the ledger. */
export interface CustodyChecks {
  /** The offer's digest is the id, and its patient signed it, as far as that shows off the ledger. */
  isOfferSound(signed: SignedOffer): Promise<boolean>;
  /** Peer and account say that they are one, now. */
  isBindingSound(binding: AccountBinding, nowMs: number): Promise<boolean>;
  /** False where the receipt is certainly not the buyer's; a contract account's can be told by the ledger alone. */
  mayBeReceipt(offer: Offer, grantId: Hex, delivery: Hex, receipt: Hex): Promise<boolean>;
  /** The part of an envelope that is put on the ledger where the buyer does not answer; null where it has none. */
  wrappedKeyOf(envelope: Uint8Array): Hex | null;
}

/** The checks for one deployment of the contract. */
export function createCustodyChecks(domain: ConsentDomain, verifiers: SignatureVerifiers): CustodyChecks {
  return {
    async isOfferSound(signed) {
      return (await verifyOfferSignature(signed, domain, verifiers)) !== 'invalid';
    },
    async isBindingSound(binding, nowMs) {
      try {
        await verifyBinding(binding, { nowMs });
        return true;
      } catch {
        return false; // why is for who made it; here it is not believed
      }
    },
    async mayBeReceipt({ buyer }, grantId, delivery, signature) {
      const verdict = await verifyReceipt({ buyer, receipt: { offer: grantId, delivery }, signature }, domain);
      return verdict !== 'invalid';
    },
    wrappedKeyOf(envelope) {
      try {
        return wrappedKeyOf(envelope);
      } catch {
        return null; // a home that deposits rubbish is not paid by way of the ledger
      }
    },
  };
}
