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
