import 'reflect-metadata';
import { createECDH, createHash, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { assert, type Clock, type Random } from '@pulsemesh/base';
import { hkdfSha256 } from '@pulsemesh/crypto';
import { ed25519KeyOf, fromHex, type PeerId, toHex } from '@pulsemesh/wire';
import type { Identity } from '../identity.ts';
import { peerUri } from './certificate-names.ts';
import { derInteger, nameConstraints, type ServerNames } from './der.ts';
import { type AuthorityRole, authorityLimits } from './limits.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const nameConstraintsOid = '2.5.29.30';
const crlNumberOid = '2.5.29.20';
const ed25519SpkiHead = fromHex('302a300506032b6570032100');
// The order of P-256's group (FIPS 186-5, SP 800-186 §3.2.1.3).
const p256Order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

interface Dependencies {
  readonly clock: Clock;
  readonly random: Random;
}

/** A certificate that was made. */
export interface IssuedCertificate {
  readonly der: Uint8Array;
  /** Hex, lower case, without leading zero bytes. */
  readonly serial: string;
  readonly notAfterMs: number;
}

/** What an agent's certificate says. */
export interface AgentCertificateFacts {
  readonly peer: PeerId;
  readonly organisation: string;
  readonly role: AuthorityRole;
  /** Default {@link authorityLimits}.certificateMs. */
  readonly forMs?: number;
}

/** What a server's TLS certificate says. */
export interface ServerCertificateFacts extends ServerNames {
  readonly organisation: string;
  /** P-256, SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** Default {@link authorityLimits}.serverCertificateMs. */
  readonly forMs?: number;
}

/** One entry of a list of revoked certificates. */
export interface RevokedEntry {
  readonly serial: string;
  readonly atMs: number;
  readonly isCompromised: boolean;
}

/** Makes certificates under one root. Holds its key; prints as nothing. */
export interface Issuer {
  /** The root certificate, DER. */
  readonly root: Uint8Array;
  issueAgent(facts: AgentCertificateFacts): Promise<IssuedCertificate>;
  issueServer(facts: ServerCertificateFacts): Promise<IssuedCertificate>;
  /** A list (RFC 5280 §5), DER. `number` only grows. */
  signList(entries: readonly RevokedEntry[], number: number, nextUpdateMs: number): Promise<Uint8Array>;
}

/** SHA-256 of a certificate's DER: what a token names a root by. */
export function certificateFingerprint(der: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(der).digest());
}

/** What a new root says. */
export interface RootFacts {
  readonly organisation: string;
  /** What it may sign TLS certificates for: no list is empty. */
  readonly names: ServerNames;
}

/**
 * A self-signed root (P-256, basicConstraints with a path length of one, name constraints) for the key that follows from
 * `identity`: so that the root is kept at rest, and brought back from words, as every identity is.
 */
export async function createRoot(
  identity: Identity,
  facts: RootFacts,
  { clock, random }: Dependencies,
): Promise<Uint8Array> {
  const keys = await rootKeys(identity);
  const now = clock.now();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: drawSerial(random),
    name: nameOf({ O: facts.organisation, CN: 'Pulsemesh identity authority' }),
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(now - authorityLimits.backdateMs),
    notAfter: new Date(now + authorityLimits.rootMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.Extension(nameConstraintsOid, true, plain(nameConstraints(facts.names))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return new Uint8Array(root.rawData);
}

/** The issuer of a root that {@link createRoot} made for this identity. @throws AssertionError for another's root. */
export async function openIssuer(identity: Identity, root: Uint8Array, dependencies: Dependencies): Promise<Issuer> {
  const keys = await rootKeys(identity);
  const certificate = new x509.X509Certificate(plain(root));
  const own = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  assert(toHex(own) === toHex(new Uint8Array(certificate.publicKey.rawData)), 'the root is of another key');
  return new RootIssuer(root, certificate, keys.privateKey, dependencies);
}

class RootIssuer implements Issuer {
  readonly root: Uint8Array;
  readonly #certificate: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  readonly #dependencies: Dependencies;

  constructor(
    root: Uint8Array,
    certificate: x509.X509Certificate,
    key: webcrypto.CryptoKey,
    dependencies: Dependencies,
  ) {
    this.root = root;
    this.#certificate = certificate;
    this.#key = key;
    this.#dependencies = dependencies;
  }

  issueAgent({ peer, organisation, role, forMs = authorityLimits.certificateMs }: AgentCertificateFacts) {
    const key = ed25519KeyOf(peer);
    assert(key !== null, 'a legacy peer id has no certificate');
    const spki = new Uint8Array([...ed25519SpkiHead, ...key]);
    return this.#issue({
      subject: nameOf({ O: organisation, OU: role, CN: peer }),
      publicKey: spki,
      names: [{ type: 'url', value: peerUri(peer) }],
      usage: x509.ExtendedKeyUsage.clientAuth,
      forMs,
    });
  }

  issueServer({
    dns,
    ip,
    organisation,
    publicKey,
    forMs = authorityLimits.serverCertificateMs,
  }: ServerCertificateFacts) {
    return this.#issue({
      subject: nameOf({ O: organisation, CN: dns[0] ?? ip[0] ?? '' }),
      publicKey: plain(publicKey),
      names: [
        ...dns.map((value) => ({ type: 'dns', value }) as const),
        ...ip.map((value) => ({ type: 'ip', value }) as const),
      ],
      usage: x509.ExtendedKeyUsage.serverAuth,
      forMs,
    });
  }

  async #issue(facts: {
    readonly subject: x509.Name;
    readonly publicKey: Uint8Array<ArrayBuffer>;
    readonly names: x509.JsonGeneralNames;
    readonly usage: x509.ExtendedKeyUsage;
    readonly forMs: number;
  }): Promise<IssuedCertificate> {
    const { clock, random } = this.#dependencies;
    const serial = drawSerial(random);
    // Certificates count whole seconds.
    const notAfterMs = Math.floor((clock.now() + facts.forMs) / 1000) * 1000;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: facts.subject,
      issuer: this.#certificate.subjectName,
      notBefore: new Date(clock.now() - authorityLimits.backdateMs),
      notAfter: new Date(notAfterMs),
      publicKey: facts.publicKey,
      signingKey: this.#key,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([facts.usage]),
        new x509.SubjectAlternativeNameExtension(facts.names),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    });
    return { der: new Uint8Array(certificate.rawData), serial, notAfterMs };
  }

  async signList(entries: readonly RevokedEntry[], number: number, nextUpdateMs: number): Promise<Uint8Array> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subjectName,
      thisUpdate: new Date(this.#dependencies.clock.now() - authorityLimits.backdateMs),
      nextUpdate: new Date(nextUpdateMs),
      entries: entries.map(({ serial, atMs, isCompromised }) => ({
        serialNumber: serial,
        revocationDate: new Date(atMs),
        ...(isCompromised ? { reason: x509.X509CrlReason.keyCompromise } : {}),
      })),
      extensions: [
        new x509.Extension(crlNumberOid, false, plain(derInteger(number))),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
      signingAlgorithm: algorithm,
      signingKey: this.#key,
    });
    return new Uint8Array(list.rawData);
  }
}

/** A fresh P-256 key for a server: PKCS #8 as PEM, and its public half. */
export async function generateServerKey(): Promise<{ readonly pem: string; readonly publicKey: Uint8Array }> {
  // A pair, for ECDSA.
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  return {
    pem: x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    publicKey: new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey)),
  };
}

/** A certificate as PEM. */
export function certificateToPem(der: Uint8Array): string {
  return `${x509.PemConverter.encode(plain(der), 'CERTIFICATE')}\n`;
}

/** A list of revoked certificates as PEM, under the label that OpenSSL and Node read. */
export function revocationListToPem(der: Uint8Array): string {
  return `${x509.PemConverter.encode(plain(der), 'X509 CRL')}\n`;
}

/** The root's key pair: a scalar from 384 bits of HKDF, reduced (FIPS 186-5 A.2.1), so that its bias is below 2^-128. */
async function rootKeys(identity: Identity): Promise<webcrypto.CryptoKeyPair> {
  const seed = identity.libp2pPrivateKeyBytes.subarray(0, 32);
  const wide = hkdfSha256({ key: seed, info: 'pulsemesh/authority/1 p-256', length: 48 });
  const scalar = (BigInt(`0x${toHex(wide)}`) % (p256Order - 1n)) + 1n;
  const d = fromHex(scalar.toString(16).padStart(64, '0'));
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey(); // 4, x, y
  const base64Url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: base64Url(point.subarray(1, 33)), y: base64Url(point.subarray(33)) };
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('jwk', { ...jwk, d: base64Url(d) }, algorithm, false, ['sign']),
    webcrypto.subtle.importKey('jwk', jwk, algorithm, true, ['verify']),
  ]);
  return { privateKey, publicKey };
}

/** Parts of a name, each as the text it is: the library's short form takes quotes and `#` as notation. */
function nameOf(parts: Readonly<Record<string, string>>): x509.Name {
  return new x509.Name(Object.entries(parts).map(([type, text]) => ({ [type]: [{ utf8String: text }] })));
}

/** 120 random bits with a first byte of 1 … 127: positive, and of one spelling. */
function drawSerial(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = 1 + ((bytes[0] as number) % 127);
  return toHex(bytes);
}

/** The library takes bytes over an ArrayBuffer of their own. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
