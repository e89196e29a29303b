import type { X509Certificate } from 'node:crypto';
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import { DecodeError, equalBytes, toHex } from '@pulsemesh/wire';
import { type DerElement, derObjectId, derTag, readDer, readOne } from './der.ts';
import { TlsRefusedError } from './errors.ts';
import { identityExtension, identitySignedBytes } from './host-certificate.ts';
import { tlsLimits } from './limits.ts';

/** What a verified certificate says. */
export interface PeerCertificate {
  readonly peer: PeerId;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The verified certificates of peers, by their SHA-256: a peer met again costs one hash. */
export class PeerCertificates {
  readonly #verified = new Map<string, PeerCertificate>();
  readonly #verifiedMax: number;

  constructor(verifiedMax: number = tlsLimits.verifiedMax) {
    this.#verifiedMax = verifiedMax;
  }

  get size(): number {
    return this.#verified.size;
  }

  /**
   * Who a certificate belongs to.
   * @throws {TlsRefusedError} when it says so wrongly, or not now.
   */
  async verify(certificate: X509Certificate, nowMs: number): Promise<PeerCertificate> {
    const hash = certificate.fingerprint256;
    const verified = this.#verified.get(hash) ?? (await verifyPeerCertificate(certificate));
    this.#remember(hash, verified);
    assertInTime(verified, nowMs);
    return verified;
  }

  // A Map keeps the order of insertion: the first key is the one asked for longest ago.
  #remember(hash: string, verified: PeerCertificate): void {
    this.#verified.delete(hash);
    this.#verified.set(hash, verified);
    if (this.#verified.size > this.#verifiedMax) this.#verified.delete(this.#verified.keys().next().value ?? '');
  }
}

/** @throws {TlsRefusedError} when `certificate` does not count at `nowMs`. */
export function assertInTime(certificate: PeerCertificate, nowMs: number): void {
  if (nowMs < certificate.notBeforeMs) throw new TlsRefusedError('not-yet-valid');
  if (nowMs > certificate.notAfterMs) throw new TlsRefusedError('expired');
}

async function verifyPeerCertificate(certificate: X509Certificate): Promise<PeerCertificate> {
  const bytes = certificate.raw;
  if (bytes.length > tlsLimits.certificateBytesMax) throw new TlsRefusedError('certificate-too-large');
  const parts = orRefuse('certificate-unreadable', () => takeApart(bytes));
  if (!acceptedSignatures.has(toHex(parts.algorithm))) throw new TlsRefusedError('weak-signature');
  if (!isSelfSigned(certificate)) throw new TlsRefusedError('not-self-signed');
  const identity = findIdentity(parts.extensions);
  const peer = await verifyIdentity(identity, parts.spki);
  const notBeforeMs = certificate.validFromDate.getTime();
  const notAfterMs = certificate.validToDate.getTime();
  if (!Number.isFinite(notBeforeMs) || !Number.isFinite(notAfterMs))
    throw new TlsRefusedError('certificate-unreadable');
  return { peer, notBeforeMs, notAfterMs };
}

// RFC 5758, RFC 4055, RFC 8410: nothing with MD5 or SHA-1.
const acceptedSignatures = new Set(
  [
    '1.2.840.10045.4.3.2', // ECDSA with SHA-256, -384, -512
    '1.2.840.10045.4.3.3',
    '1.2.840.10045.4.3.4',
    '1.2.840.113549.1.1.11', // RSA with SHA-256, -384, -512
    '1.2.840.113549.1.1.12',
    '1.2.840.113549.1.1.13',
    '1.2.840.113549.1.1.10', // RSA-PSS
    '1.3.101.112', // Ed25519
  ].map((dotted) => toHex(derObjectId(dotted))),
);

// Critical ones that say nothing against this use of a certificate: key usage, basic constraints, extended key usage.
const understood = new Set(['2.5.29.15', '2.5.29.19', '2.5.29.37'].map((dotted) => toHex(derObjectId(dotted))));
const identityId = toHex(derObjectId(identityExtension));
const rsaBitsMin = 2048;

interface Parts {
  readonly algorithm: Uint8Array;
  /** SubjectPublicKeyInfo as received: what the identity signed. */
  readonly spki: Uint8Array;
  readonly extensions: readonly DerElement[];
}

function takeApart(bytes: Uint8Array): Parts {
  const [toSign, algorithm] = readDer(readOne(bytes, derTag.sequence));
  if (toSign?.tag !== derTag.sequence || algorithm === undefined) throw new DecodeError('not a certificate');
  const fields = readDer(toSign.contents);
  // Version, serial, algorithm, issuer, validity, subject, key; then what is optional.
  const spki = fields[6];
  const extensions = fields.find((field) => field.tag === derTag.context + 3);
  if (fields[0]?.tag !== derTag.context || spki === undefined) throw new DecodeError('not a version 3 certificate');
  return {
    algorithm: readDer(algorithm.contents)[0]?.whole ?? new Uint8Array(),
    spki: spki.whole,
    extensions: extensions === undefined ? [] : readDer(readOne(extensions.contents, derTag.sequence)),
  };
}

function isSelfSigned(certificate: X509Certificate): boolean {
  try {
    const key = certificate.publicKey;
    if (key.asymmetricKeyType?.startsWith('rsa') && (key.asymmetricKeyDetails?.modulusLength ?? 0) < rsaBitsMin) {
      throw new TlsRefusedError('weak-signature');
    }
    return certificate.subject === certificate.issuer && certificate.verify(key);
  } catch (error) {
    if (error instanceof TlsRefusedError) throw error;
    return false; // a key OpenSSL does not know
  }
}

function findIdentity(extensions: readonly DerElement[]): Uint8Array {
  let found: Uint8Array | undefined;
  for (const extension of extensions) {
    const [id, ...rest] = orRefuse('certificate-unreadable', () => readDer(extension.contents));
    const name = toHex(id?.whole ?? new Uint8Array());
    const isCritical = rest[0]?.tag === derTag.boolean && equalBytes(rest[0].contents, Uint8Array.of(0xff));
    const value = rest.at(-1);
    if (name === identityId) {
      if (found !== undefined || value?.tag !== derTag.octetString) throw new TlsRefusedError('identity-unreadable');
      found = value.contents;
    } else if (isCritical && !understood.has(name)) throw new TlsRefusedError('unknown-critical-extension');
  }
  if (found === undefined) throw new TlsRefusedError('no-identity');
  return found;
}

async function verifyIdentity(identity: Uint8Array, spki: Uint8Array): Promise<PeerId> {
  const [key, signature] = orRefuse('identity-unreadable', () => {
    const [first, second, ...more] = readDer(readOne(identity, derTag.sequence));
    const areOctets = first?.tag === derTag.octetString && second?.tag === derTag.octetString;
    if (!areOctets || more.length > 0) throw new DecodeError('not an identity');
    return [publicKeyFromProtobuf(first.contents), second.contents] as const;
  });
  let isGenuine = false;
  try {
    isGenuine = await key.verify(identitySignedBytes(spki), signature);
  } catch {
    // a signature of another length or form
  }
  if (!isGenuine) throw new TlsRefusedError('identity-forged');
  return peerIdFromPublicKey(key);
}

function orRefuse<T>(refusal: TlsRefusedError['refusal'], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof TlsRefusedError ? error : new TlsRefusedError(refusal, error);
  }
}
