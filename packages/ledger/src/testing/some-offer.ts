import type { Clock } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { type ConsentDomain, offerIdOf } from '../contract/typed-data.ts';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';

/** The account with this number: for ledgers that check no signatures. 0 is the zero address. */
export function accountOf(number: number): Hex {
  return `0x${number.toString(16).padStart(40, '0')}`;
}

let nonces = 0;

/** An offer that can be bought for three days, delivered within two and read for thirty; its signature is one byte. */
export function someOffer(
  changes: Partial<Offer>,
  { clock, domain }: { readonly clock: Clock; readonly domain: ConsentDomain },
): SignedOffer {
  nonces += 1;
  const daySeconds = 24 * 3600;
  const offer: Offer = {
    patient: accountOf(0xaa),
    payee: accountOf(0xaa),
    buyer: accountOf(1),
    custodian: accountOf(2),
    arbiter: accountOf(3),
    token: accountOf(0),
    price: 0n,
    validUntil: Math.floor(clock.now() / 1000) + 3 * daySeconds,
    deliverWithin: 2 * daySeconds,
    accessFor: 30 * daySeconds,
    terms: `0x${'7e'.repeat(32)}`,
    nonce: `0x${toHex(sha256(new TextEncoder().encode(`nonce ${nonces}`)))}`,
    ...changes,
  };
  return { offer, grantId: offerIdOf(offer, domain), signature: '0x01' };
}
