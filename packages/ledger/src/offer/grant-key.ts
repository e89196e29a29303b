import { assert } from '@pulsemesh/base';
import { createSecp256k1Key, hkdfSha256, isSecp256k1PrivateKey } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { publicKeyToAddress } from 'viem/utils';
import type { Hex } from './offer.ts';

/** The key of one grant, made again from the same passkey and salt whenever it is needed. Secret; never stored. */
export interface GrantKey {
  readonly privateKey: Hex;
  /** ERC-7913 bytes of its signer: the account of the key. */
  readonly signer: Hex;
}

/** Bytes that the PRF of a passkey gives for one salt (WebAuthn level 3 §10.1.4). */
const prfOutputBytes = 32;

/**
 * The secp256k1 key that signs one offer, out of what the patient's passkey gives for the draft's `keySalt`: HKDF-SHA-256, so that the
 * PRF output may serve other ends too. One in 2^128 outputs is no key; the next one is taken then.
 */
export function grantKeyOf(prfOutput: Uint8Array): GrantKey {
  assert(prfOutput.length === prfOutputBytes, 'a PRF output is 32 bytes');
  for (let attempt = 0; ; attempt += 1) {
    const info = `pulsemesh/grant-key/1/${attempt}`;
    const privateKey = hkdfSha256({ key: prfOutput, info, length: 32 });
    if (!isSecp256k1PrivateKey(privateKey)) continue;
    const { publicKey } = createSecp256k1Key(privateKey);
    const signer = publicKeyToAddress(`0x${toHex(publicKey)}`).toLowerCase() as Hex;
    return { privateKey: `0x${toHex(privateKey)}`, signer };
  }
}
