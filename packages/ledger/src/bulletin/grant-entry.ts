import type { BoardEntry, EntryBodies } from '@pulsemesh/board';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { z } from 'zod';
import { messageLimits } from '../market/message-limits.ts';
import { binding, hash, ledgerSignature } from '../market/message-parts.ts';
import type { AccountBinding } from '../market/messages.ts';
import type { Hex, Offer } from '../offer/offer.ts';
import { parseOffer } from '../offer/offer-fields.ts';

/** A step of a grant as an entry of the board says it; whose word it is, and whether it may be, is not judged here. */
export type BulletinStep =
  /** By the buyer's peer, with the patient's signature over the offer. */
  | { readonly step: 'purchase'; readonly offer: Offer; readonly signature: Hex; readonly buyer: AccountBinding }
  /** By anybody, with the buyer's EIP-712 Receipt. */
  | { readonly step: 'confirm'; readonly offer: Offer; readonly delivery: Hex; readonly receipt: Hex }
  | { readonly step: 'refund'; readonly offer: Offer }
  /** By anybody, with the patient's EIP-712 Revocation. */
  | { readonly step: 'revoke'; readonly offer: Offer; readonly signature: Hex }
  | { readonly step: 'access'; readonly entry: Hex };

const depthMax = 3;
const nothing = new Uint8Array(0);

const purchase = z.strictObject({ signature: ledgerSignature, buyer: binding });
const confirm = z.strictObject({ delivery: hash, receipt: ledgerSignature });
const revoke = z.strictObject({ signature: ledgerSignature });
const access = z.strictObject({ entry: hash });

/** The body of an entry. Amounts are decimal digits: CBOR integers end at 2^53 here. */
export function grantEntry(grantId: Hex, step: BulletinStep): EntryBodies['grant'] {
  const grant = grantId.slice(2);
  if (step.step === 'access')
    return { grant, step: 'access', offer: nothing, proof: encodeCbor({ entry: step.entry }) };
  const { step: name, offer, ...proof } = step;
  const encoded = encodeCbor({ ...offer, price: offer.price.toString() });
  return { grant, step: name, offer: encoded, proof: encodeCbor(proof) };
}

/** Null for what is none: such an entry changes nothing. */
export function readGrantEntry({ body }: Pick<BoardEntry<'grant'>, 'body'>): BulletinStep | null {
  try {
    const proof = decodeCbor(body.proof, { bytesMax: messageLimits.signatureBytesMax * 2 + 1024, depthMax });
    if (body.step === 'access') return { step: 'access', ...access.parse(proof) };
    const offer = parseOffer({ ...(decodeCbor(body.offer, { depthMax: 1 }) as object) });
    switch (body.step) {
      case 'purchase':
        return { step: 'purchase', offer, ...purchase.parse(proof) };
      case 'confirm':
        return { step: 'confirm', offer, ...confirm.parse(proof) };
      case 'revoke':
        return { step: 'revoke', offer, ...revoke.parse(proof) };
      case 'refund':
        return { step: 'refund', offer };
    }
  } catch {
    return null; // of another form: nobody's step
  }
}
