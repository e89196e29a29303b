import { verifySignature } from '@pulsemesh/crypto';
import { concatBytes, ed25519KeyOf, type PeerId } from '@pulsemesh/wire';
import { bytesOfHex } from '../access/fields.ts';
import type { HeldBody } from '../market/messages.ts';
import type { Hex } from '../offer/offer.ts';

const head = new TextEncoder().encode('pulsemesh/held/1\0');

/** A custodian's word that it holds this envelope for this grant. `delivery`: SHA-256 of the envelope. */
export function signHeld(grantId: Hex, delivery: Hex, custodian: { sign(message: Uint8Array): Uint8Array }): HeldBody {
  return { grantId, signature: custodian.sign(statementOf(grantId, delivery)) };
}

/** True when `custodian` says that it holds the envelope with this hash for the grant. Never throws. */
export function isHeldBy(custodian: PeerId, { grantId, signature }: HeldBody, delivery: Hex): boolean {
  try {
    const key = ed25519KeyOf(custodian);
    return key !== null && verifySignature(key, statementOf(grantId, delivery), signature);
  } catch {
    return false; // no hex, no peer id: nobody's word
  }
}

function statementOf(grantId: Hex, delivery: Hex): Uint8Array {
  return concatBytes(head, bytesOfHex(grantId, 32), bytesOfHex(delivery, 32));
}
