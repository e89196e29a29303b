// Signatures of smart cards and passkeys for tests: the same each time, so that the zero bytes in a transaction's data, and with them its
// gas, stay what they are. Not for secrets: nothing here is constant-time.
import { createECDH, createHash } from 'node:crypto';
import { concat, encodeAbiParameters, type Hex, keccak256, pad, parseAbiParameters, toHex } from 'viem';

/** A P-256 key pair for tests. */
export interface P256Key {
  readonly scalar: bigint;
  /** x ‖ y: 64 bytes. */
  readonly point: Hex;
}

/** Order of the curve (SEC 2 §2.4.2). */
export const p256Order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The key of a name. */
export function p256KeyOf(name: string): P256Key {
  const scalar = BigInt(keccak256(toHex(name))) % p256Order;
  return { scalar, point: multiplyBase(scalar) };
}

/** ECDSA over a digest (FIPS 186-5 §6.4), r ‖ s with the lower of the two values of s: the contract takes no other. */
export function signP256(key: P256Key, digest: Hex): Hex {
  const k = BigInt(keccak256(concat([digest, pad(toHex(key.scalar), { size: 32 })]))) % p256Order;
  const r = BigInt(multiplyBase(k).slice(0, 66)) % p256Order;
  const s = (inverse(k) * (BigInt(digest) + r * key.scalar)) % p256Order;
  const low = s > p256Order / 2n ? p256Order - s : s;
  return concat([pad(toHex(r), { size: 32 }), pad(toHex(low), { size: 32 })]);
}

/** What an authenticator and a browser make of a challenge (WebAuthn §7.2), as the verifier takes it. */
export function assertPasskey(key: P256Key, challenge: Hex): Hex {
  const challengeText = Buffer.from(challenge.slice(2), 'hex').toString('base64url');
  const clientData = `{"type":"webauthn.get","challenge":"${challengeText}","origin":"https://pulsemesh.example"}`;
  // User present and verified; a signature counter of 0, as synced passkeys have.
  const authenticatorData = Buffer.concat([sha256('pulsemesh.example'), Buffer.from([0x05, 0, 0, 0, 0])]);
  const digest = sha256(Buffer.concat([authenticatorData, sha256(clientData)]));
  const signature = signP256(key, toHex(digest));
  return encodeAbiParameters(parseAbiParameters('bytes32, bytes32, uint256, uint256, bytes, string'), [
    `0x${signature.slice(2, 66)}`,
    `0x${signature.slice(66)}`,
    BigInt(clientData.indexOf('"challenge"')),
    BigInt(clientData.indexOf('"type"')),
    toHex(authenticatorData),
    clientData,
  ]);
}

/** The base point times a scalar, x ‖ y: what key agreement calls a public key. */
function multiplyBase(scalar: bigint): Hex {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(Buffer.from(pad(toHex(scalar), { size: 32 }).slice(2), 'hex'));
  return toHex(pair.getPublicKey().subarray(1));
}

/** By Fermat's little theorem: the order is prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value;
  for (let exponent = p256Order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % p256Order;
    base = (base * base) % p256Order;
  }
  return result;
}

function sha256(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
