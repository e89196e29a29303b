import { sha256 } from '@pulsemesh/crypto';
import { ed25519KeyOf, type PeerId, toHex } from '@pulsemesh/wire';
import { type ConsentDomain, domainOf } from '../contract/typed-data.ts';
import { NotKnownError } from '../market/errors.ts';
import type { Hex } from '../offer/offer.ts';

const accountHexDigits = 40;

/** EIP-712 domain of offers where there is no chain: chain 0, no contract. */
export const bulletinDomain: ConsentDomain = domainOf(0, `0x${'00'.repeat(20)}`);

/**
 * What stands for a peer where an offer wants an account and there is no chain: the first 20 bytes of SHA-256 of its public key. Nobody's account.
 * @throws {NotKnownError} for a legacy peer id, which holds no key.
 */
export function bulletinAccountOf(peer: PeerId): Hex {
  const key = ed25519KeyOf(peer);
  if (key === null) throw new NotKnownError('account');
  return `0x${toHex(sha256(key)).slice(0, accountHexDigits)}`;
}
