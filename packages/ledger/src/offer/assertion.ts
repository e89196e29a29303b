import { sha256, verifyP256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes, fromHex } from '@pulsemesh/wire';
import { toBase64Url } from './base64url.ts';
import { PasskeyRefusedError } from './errors.ts';
import type { Hex } from './offer.ts';
import { type PasskeyAnswer, partsOf } from './passkey-signature.ts';

/** A passkey as it was enrolled, and where it stood when it was last used. */
export interface EnrolledPasskey {
  /** Base64url, as browsers name it. */
  readonly credentialId: string;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Signature counter of its last answer; 0: none yet, or it does not count. */
  readonly counter: number;
}

/** What the passkey was asked, and by which pages. */
export interface AssertionRequest {
  /** 32 bytes. Whoever made it sees to it that it is answered once. */
  readonly challenge: Hex;
  /** Origins of our own pages, as `https://node.example`. */
  readonly origins: readonly string[];
  /** Host name that the passkey was made for. */
  readonly rpId: string;
}

/** An answer that holds. */
export interface VerifiedAssertion {
  /** To be kept as the passkey's counter. */
  readonly counter: number;
  /** The passkey is copied between its owner's devices. */
  readonly isBackedUp: boolean;
}

const flag = { present: 0x01, verified: 0x04, eligible: 0x08, backedUp: 0x10, attested: 0x40, extended: 0x80 } as const;
const headBytes = 37;

/**
 * Checks a passkey's answer as a relying party does (WebAuthn level 2 §7.2): credential, type, challenge, origin, relying party, that
 * somebody was there and was recognised, counter, signature. A counter that stands or falls is refused unless the passkey never counts.
 * @throws {PasskeyRefusedError}
 */
export function verifyAssertion(
  answer: PasskeyAnswer & { readonly credentialId: string },
  passkey: EnrolledPasskey,
  request: AssertionRequest,
): VerifiedAssertion {
  if (answer.credentialId !== passkey.credentialId) throw new PasskeyRefusedError('credential');
  const { authenticatorData, clientData, signature } = partsOf(answer);
  checkClientData(clientData, request);
  const found = checkAuthenticatorData(authenticatorData, passkey, request);
  const digest = sha256(concatBytes(authenticatorData, sha256(clientData)));
  if (!verifyP256(passkey.publicKey, digest, signature)) throw new PasskeyRefusedError('signature');
  return found;
}

function checkClientData(clientData: Uint8Array, request: AssertionRequest): void {
  const fields = clientFields(clientData);
  if (fields['type'] !== 'webauthn.get') throw new PasskeyRefusedError('type');
  if (fields['challenge'] !== toBase64Url(fromHex(request.challenge.slice(2), 32)))
    throw new PasskeyRefusedError('challenge');
  const isOurs = typeof fields['origin'] === 'string' && request.origins.includes(fields['origin']);
  // A page within somebody else's page could hide what is being agreed to.
  const isFramed = fields['crossOrigin'] === true || fields['topOrigin'] !== undefined;
  if (!isOurs || isFramed) throw new PasskeyRefusedError('origin');
}

function clientFields(clientData: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(clientData);
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // no UTF-8 or no JSON: malformed like any other shape
  }
  throw new PasskeyRefusedError('malformed');
}

function checkAuthenticatorData(
  data: Uint8Array,
  passkey: EnrolledPasskey,
  request: AssertionRequest,
): VerifiedAssertion {
  const flags = data[32] ?? 0;
  const isOne = (bit: number) => (flags & bit) !== 0;
  // Without extensions nothing follows the counter; an assertion carries no new key.
  const isWhole = isOne(flag.extended) ? data.length > headBytes : data.length === headBytes;
  if (!isWhole || isOne(flag.attested)) throw new PasskeyRefusedError('malformed');
  if (isOne(flag.backedUp) && !isOne(flag.eligible)) throw new PasskeyRefusedError('malformed');
  const rpIdHash = sha256(new TextEncoder().encode(request.rpId));
  if (!equalBytes(data.subarray(0, 32), rpIdHash)) throw new PasskeyRefusedError('relying-party');
  if (!isOne(flag.present)) throw new PasskeyRefusedError('not-present');
  if (!isOne(flag.verified)) throw new PasskeyRefusedError('not-verified');
  const counter = new DataView(data.buffer, data.byteOffset).getUint32(33);
  const neverCounts = counter === 0 && passkey.counter === 0;
  if (!neverCounts && counter <= passkey.counter) throw new PasskeyRefusedError('counter');
  return { counter, isBackedUp: isOne(flag.backedUp) };
}
