import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { equalBytes, type PeerId, toHex } from '@pulsemesh/wire';
import { isOrganisation, peerUri } from './certificate-names.ts';
import { AuthorityRefusedError } from './errors.ts';
import { type AuthorityRole, authorityLimits, isAuthorityRole } from './limits.ts';

const faultTexts = {
  malformed: 'the certificate cannot be read',
  'too-long-chain': 'more certificates came than are looked at',
  'weak-key': 'the certificate is of a key or a signature that is too weak',
  'wrong-usage': 'the certificate is not for this use',
  'wrong-peer': 'the certificate is of another key than the one that logged in',
  'unknown-issuer': 'the certificate is not of an authority that counts here',
  'bad-signature': 'the certificate is not signed by the authority it names',
  'not-yet-valid': 'the certificate does not hold yet: is the clock right?',
  expired: 'the certificate has expired',
  'crl-stale': 'the list of revoked certificates is too old to go by',
  revoked: 'the certificate was revoked',
  'wrong-role': 'the certificate is for another role',
} as const;

/** Why a certificate does not count. */
export type CertificateFault = keyof typeof faultTexts;

/** What a certificate that counts says. */
export interface CertificateFacts {
  readonly peer: PeerId;
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type Judgement =
  | { readonly ok: true; readonly facts: CertificateFacts }
  | { readonly ok: false; readonly code: CertificateFault; readonly text: string };

/** Which certificates were revoked. */
export interface Revocations {
  /** Serial in lower-case hex. */
  isRevoked(serial: string): boolean;
  /** Milliseconds since 1970; null: always current. */
  readonly nextUpdateMs: number | null;
}

export interface JudgeOptions {
  /** What the agent showed, DER, its own first. */
  readonly certificates: readonly Uint8Array[];
  /** Who logged in. */
  readonly peerId: PeerId;
  /** Ed25519, 32 bytes: what it proved to hold. */
  readonly publicKey: Uint8Array;
  /** Roots that count, DER. */
  readonly roots: readonly Uint8Array[];
  /** Null: none is asked. */
  readonly crl: Revocations | null;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How far another's clock may be off, milliseconds. Default a minute. */
  readonly clockSkew?: number;
  /** Default: all. */
  readonly roles?: readonly AuthorityRole[];
}

class Fault extends Error {
  readonly fault: CertificateFault;
  constructor(fault: CertificateFault) {
    super(fault);
    this.fault = fault;
  }
}

const clientAuthOid = '1.3.6.1.5.5.7.3.2';

/**
 * Whether certificates make `peerId` a member: each failure has a code of its own. Never throws. Differs from RFC 5280 §6 where our
 * certificates are narrower: one name (the peer's), one use, at most one intermediate, strong keys only.
 */
export function judgeCertificate(options: JudgeOptions): Judgement {
  try {
    return { ok: true, facts: judge(options) };
  } catch (error) {
    const code = error instanceof Fault ? error.fault : 'malformed';
    return { ok: false, code, text: faultTexts[code] };
  }
}

function judge(options: JudgeOptions): CertificateFacts {
  const { certificates, roots, peerId } = options;
  if (certificates.length > authorityLimits.chainMax) throw new Fault('too-long-chain');
  const chain = certificates.map(readCertificate);
  const [leaf] = chain;
  if (leaf === undefined) throw new Fault('malformed');
  const trusted = roots.map((root) => new X509Certificate(root));
  const path = pathToRoot(chain, trusted);
  for (const certificate of path) assertStrong(certificate);
  assertLeaf(leaf, options);
  path.forEach((certificate, index) => {
    assertIssued(certificate, path[index + 1] ?? certificate);
  });
  const { now, clockSkew = 60_000 } = options;
  for (const { validFromDate } of path) if (validFromDate.getTime() > now + clockSkew) throw new Fault('not-yet-valid');
  for (const { validToDate } of path) if (validToDate.getTime() < now - clockSkew) throw new Fault('expired');
  const serial = serialOf(leaf);
  assertNotRevoked(path, options);
  const subject = subjectOf(leaf);
  if (options.roles !== undefined && !options.roles.includes(subject.role)) throw new Fault('wrong-role');
  const { validFromDate, validToDate } = leaf;
  return { peer: peerId, ...subject, serial, notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

function readCertificate(der: Uint8Array): X509Certificate {
  if (der.length > authorityLimits.certificateBytesMax) throw new Fault('malformed');
  const certificate = new X509Certificate(der);
  // The parser also takes PEM, and ignores what stands behind the structure.
  if (!equalBytes(certificate.raw, der)) throw new Fault('malformed');
  return certificate;
}

/** From the leaf up to the root that counts. Each names the next; signatures are looked at later. */
function pathToRoot(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): readonly X509Certificate[] {
  const path: X509Certificate[] = [];
  for (const certificate of chain) {
    const own = roots.find((root) => equalBytes(root.raw, certificate.raw));
    if (own !== undefined && path.length > 0) return [...path, own];
    const previous = path.at(-1);
    if (previous !== undefined && previous.issuer !== certificate.subject) throw new Fault('unknown-issuer');
    path.push(certificate);
  }
  const last = path.at(-1);
  const root = roots.find((candidate) => last?.issuer === candidate.subject);
  if (root === undefined) throw new Fault('unknown-issuer');
  // The root allows one authority below it.
  if (path.length > 2) throw new Fault('too-long-chain');
  return [...path, root];
}

function assertStrong(certificate: X509Certificate): void {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const isStrongKey =
    asymmetricKeyType === 'ed25519' ||
    (asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1'].includes(asymmetricKeyDetails?.namedCurve ?? '')) ||
    (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048);
  // Absent in Nodes before 24.9, whose OpenSSL refuses weak digests at verification by its security level.
  const { signatureAlgorithm } = certificate as { readonly signatureAlgorithm?: string };
  if (!isStrongKey || /sha1|md5|md4|md2/i.test(signatureAlgorithm ?? '')) throw new Fault('weak-key');
}

function assertLeaf(leaf: X509Certificate, { peerId, publicKey }: JudgeOptions): void {
  if (leaf.ca || !leaf.keyUsage?.includes(clientAuthOid)) throw new Fault('wrong-usage');
  // Exactly one name, spelt in one way.
  if (leaf.subjectAltName !== `URI:${peerUri(peerId)}`) throw new Fault('wrong-peer');
  if (leaf.publicKey.asymmetricKeyType !== 'ed25519') throw new Fault('wrong-peer');
  const { x } = leaf.publicKey.export({ format: 'jwk' });
  if (x !== Buffer.from(publicKey).toString('base64url')) throw new Fault('wrong-peer');
}

function assertIssued(certificate: X509Certificate, issuer: X509Certificate): void {
  if (!issuer.ca) throw new Fault('wrong-usage');
  let isSigned = false;
  try {
    isSigned = certificate.verify(issuer.publicKey);
  } catch {
    // A key of another kind than the signature: not signed by it.
  }
  if (!isSigned) throw new Fault('bad-signature');
  // Names, key identifiers and the right to sign certificates.
  if (!certificate.checkIssued(issuer)) throw new Fault('wrong-usage');
}

function assertNotRevoked(path: readonly X509Certificate[], { crl, now, clockSkew = 60_000 }: JudgeOptions): void {
  if (crl === null) return;
  if (crl.nextUpdateMs !== null && crl.nextUpdateMs < now - clockSkew) throw new Fault('crl-stale');
  for (const certificate of path) if (crl.isRevoked(serialOf(certificate))) throw new Fault('revoked');
}

function serialOf({ serialNumber }: X509Certificate): string {
  return serialNumber.toLowerCase();
}

function subjectOf(leaf: X509Certificate): { readonly organisation: string; readonly role: AuthorityRole } {
  // Repeated parts come as lists, which are no organisation and no role.
  const { O: organisation, OU: role } = leaf.toLegacyObject().subject as unknown as Record<string, unknown>;
  if (!isOrganisation(organisation)) throw new Fault('malformed');
  if (!isAuthorityRole(role)) throw new Fault('wrong-role');
  return { organisation, role };
}

/** A list of revoked certificates that was checked. */
export interface RevocationList extends Revocations {
  readonly number: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly serials: ReadonlySet<string>;
}

/**
 * Reads a list in DER and checks that one of `roots` signed it. The caller refuses a smaller number than it has seen.
 * @throws {AuthorityRefusedError} `malformed`; `bad-signature` for one that no root signed.
 */
export async function parseRevocationList(der: Uint8Array, roots: readonly Uint8Array[]): Promise<RevocationList> {
  const list = AuthorityRefusedError.reading(() => {
    if (der.length > authorityLimits.crlBytesMax) throw new TypeError('too long');
    return readList(der);
  });
  for (const root of roots) {
    const issuer = new x509.X509Certificate(new Uint8Array(root));
    if (issuer.subject !== list.raw.issuer) continue;
    const isSigned = await list.raw.verify({ publicKey: issuer }).catch(() => false);
    if (isSigned) return list.facts;
  }
  throw new AuthorityRefusedError('bad-signature');
}

function readList(der: Uint8Array): { readonly raw: x509.X509Crl; readonly facts: RevocationList } {
  const raw = new x509.X509Crl(new Uint8Array(der));
  const number = raw.getExtension<x509.Extension>('2.5.29.20');
  if (raw.nextUpdate === undefined || number === null) throw new TypeError('a list without number or end');
  const serials = new Set(
    raw.entries.map(({ serialNumber }) => serialNumber.toLowerCase().replace(/^(00)+(?=..)/, '')),
  );
  const facts: RevocationList = {
    number: Number.parseInt(toHex(new Uint8Array(number.value).subarray(2)), 16),
    thisUpdateMs: raw.thisUpdate.getTime(),
    nextUpdateMs: raw.nextUpdate.getTime(),
    serials,
    isRevoked: (serial) => serials.has(serial),
  };
  if (!Number.isSafeInteger(facts.number) || Number.isNaN(facts.thisUpdateMs + facts.nextUpdateMs))
    throw new TypeError('number or time');
  return { raw, facts };
}
