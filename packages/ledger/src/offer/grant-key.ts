import { assert } from '@pulsemesh/base';
import { hkdfSha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { privateKeyToAddress } from 'viem/accounts';
import type { Hex } from './offer.ts';

/** The key of one grant, made again from the same passkey and salt whenever it is needed. Secret; never stored. */
export interface GrantKey {
  readonly privateKey: Hex;
  /** ERC-7913 bytes of its signer: the account of the key. */
  readonly signer: Hex;
}

/** Bytes that the PRF of a passkey gives for one salt (WebAuthn level 3 §10.1.4). */
const prfOutputBytes = 32;
// Order of secp256k1 (SEC 2 §2.4.1).
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * The secp256k1 key that signs one offer, out of what the patient's passkey gives for the draft's `keySalt`: HKDF-SHA-256, so that the
 * PRF output may serve other ends too. One in 2^128 outputs is no key; the next one is taken then.
 */
export function grantKeyOf(prfOutput: Uint8Array): GrantKey {
  assert(prfOutput.length === prfOutputBytes, 'a PRF output is 32 bytes');
  for (let attempt = 0; ; attempt += 1) {
    const info = `pulsemesh/grant-key/1/${attempt}`;
    const privateKey: Hex = `0x${toHex(hkdfSha256({ key: prfOutput, info, length: 32 }))}`;
    const scalar = BigInt(privateKey);
    if (scalar === 0n || scalar >= order) continue;
    return { privateKey, signer: privateKeyToAddress(privateKey).toLowerCase() as Hex };
  }
}
