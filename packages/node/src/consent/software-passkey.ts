import { createP256Key, hkdfSha256, hmacSha256, sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';
import type { AssertionView, PasskeyInput } from '../api/types.ts';

/** What a passkey answers: its assertion, and what its PRF gives for the salt that came with the question. */
export interface SoftwareAnswer {
  readonly assertion: AssertionView;
  /** 32 bytes. Secret. */
  readonly prfOutput: Uint8Array;
}

/** A passkey without a device: for the demo's own patient, for tests, and for a command on a machine without a browser. */
export interface SoftwarePasskey {
  /** As a browser hands it over when it made one. */
  readonly enrolment: PasskeyInput;
  /** Signs a 32-byte challenge as a page of `origin` asks for it; the PRF is evaluated for the salt. */
  answer(challenge: Uint8Array, salt: Uint8Array): SoftwareAnswer;
}

/** The user was there and was recognised (WebAuthn level 3 §6.1): with software, whoever has the secret. */
const presentAndVerified = 0x05;

/**
 * A passkey made of a 32-byte secret: the same secret, the same passkey. It does not count its answers. Who has the secret can say yes for
 * the patient: an authenticator keeps it where no program reads it, this does not.
 */
export function createSoftwarePasskey(
  secret: Uint8Array,
  page: { readonly origin: string; readonly rpId: string },
): SoftwarePasskey {
  const derive = (what: string, length: number) =>
    hkdfSha256({ key: secret, info: `pulsemesh/software-passkey/1/${what}`, length });
  const key = createP256Key(scalarOf(derive('key', 32)));
  const prfKey = derive('prf', 32);
  const credentialId = base64Url(derive('credential', 32));
  const rpIdHash = sha256(new TextEncoder().encode(page.rpId));
  return {
    enrolment: { credentialId, publicKey: base64Url(key.publicKey), approval: null },
    answer(challenge, salt) {
      const clientData = new TextEncoder().encode(
        JSON.stringify({
          type: 'webauthn.get',
          challenge: base64Url(challenge),
          origin: page.origin,
          crossOrigin: false,
        }),
      );
      const authenticatorData = concatBytes(rpIdHash, Uint8Array.of(presentAndVerified, 0, 0, 0, 0));
      const digest = sha256(concatBytes(authenticatorData, sha256(clientData)));
      return {
        assertion: {
          credentialId,
          authenticatorData: base64Url(authenticatorData),
          clientData: base64Url(clientData),
          signature: base64Url(derOf(key.signDigest(digest))),
        },
        prfOutput: hmacSha256(prfKey, sha256(concatBytes(prfLabel, salt))),
      };
    },
  };
}

/** WebAuthn level 3 §10.1.4: what a page gives as salt is hashed under this label before the authenticator sees it. */
const prfLabel = new TextEncoder().encode('WebAuthn PRF\0');

/** Below the order of the curve: its first 32 bits are ones, no other value comes near. */
function scalarOf(bytes: Uint8Array): Uint8Array {
  const scalar = bytes.slice();
  scalar[0] = (scalar[0] ?? 0) & 0x7f;
  scalar[31] = (scalar[31] ?? 0) | 1;
  return scalar;
}

/** r ‖ s as DER (X.690): what authenticators give. */
function derOf(signature: Uint8Array): Uint8Array {
  const parts = [signature.subarray(0, 32), signature.subarray(32)].map(derInteger);
  const body = concatBytes(...parts);
  return concatBytes(Uint8Array.of(0x30, body.length), body);
}

function derInteger(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start === -1 ? Uint8Array.of(0) : bytes.subarray(start);
  const isNegative = (digits[0] ?? 0) >= 0x80;
  const value = isNegative ? concatBytes(Uint8Array.of(0), digits) : digits;
  return concatBytes(Uint8Array.of(0x02, value.length), value);
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
