import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, fromHex, toHex } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';

const head = new TextEncoder().encode('pulsemesh/emergency/1\0');

/** Under what accesses in an emergency are counted where there is no grant: for one patient, by the pseudonym in hex. */
export function emergencyIdOf(subject: string): Hex {
  return `0x${toHex(sha256(concatBytes(head, fromHex(subject))))}`;
}
