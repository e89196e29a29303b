import type { AccessReceipt } from '../access/access-types.ts';
import { decodeAccessReceipt } from '../access/receipt-codec.ts';
import { base64 } from './base64.ts';
import { decodeMessage } from './message-codec.ts';
import type { AskBody, OfferBody } from './messages.ts';

const asks = new WeakMap<Uint8Array, AskBody>();

/** The request in a row: read once, since rows do not change. */
export function askOf(row: { readonly message: Uint8Array }): AskBody {
  let ask = asks.get(row.message);
  if (ask === undefined) {
    ask = decodeMessage(row.message).body as AskBody; // an ask was put there
    asks.set(row.message, ask);
  }
  return ask;
}

const offers = new WeakMap<Uint8Array, OfferBody>();

/** The offer in a row, likewise. */
export function offerOf(row: { readonly offer: Uint8Array }): OfferBody {
  let offer = offers.get(row.offer);
  if (offer === undefined) {
    offer = decodeMessage(row.offer).body as OfferBody; // an offer was put there
    offers.set(row.offer, offer);
  }
  return offer;
}

/** An access receipt that is kept, and as pages get it. */
export interface KeptReceipt {
  readonly receipt: AccessReceipt;
  readonly base64: string;
}

const receipts = new WeakMap<Uint8Array, KeptReceipt>();

/** The access receipt in a row, likewise: pages are given hundreds of them again and again. */
export function receiptOf(row: { readonly receipt: Uint8Array }): KeptReceipt {
  let kept = receipts.get(row.receipt);
  if (kept === undefined) {
    kept = { receipt: decodeAccessReceipt(row.receipt), base64: base64(row.receipt) };
    receipts.set(row.receipt, kept);
  }
  return kept;
}
