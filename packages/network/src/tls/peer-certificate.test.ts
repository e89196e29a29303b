import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { generateKeyPair, generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import * as x509 from '@peculiar/x509';
import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { der, derTag } from './der.ts';
import { TlsRefusedError } from './errors.ts';
import { createHostCertificate, identityExtension, identitySignedBytes } from './host-certificate.ts';
import { tlsLimits } from './limits.ts';
import { PeerCertificates } from './peer-certificate.ts';

const random = createSeededRandom(3);
const identity = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(1));
const nowMs = Date.UTC(2026, 5, 1);
const dayMs = 86_400_000;
const validity = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + dayMs };
const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
x509.cryptoProvider.set(webcrypto);

const made = await createHostCertificate(identity, validity, { random });
const bytes = new Uint8Array(new X509Certificate(made.cert).raw);

const verify = async (certificate: Uint8Array, atMs = nowMs) =>
  new PeerCertificates().verify(new X509Certificate(certificate), atMs);
const refusedAs = (kind: string) => ({ name: 'TlsRefusedError', refusal: kind });

interface Forgery {
  readonly signer?: PrivateKey;
  readonly says?: PrivateKey;
  readonly extensions?: (genuine: x509.Extension) => x509.Extension[];
  readonly value?: (genuine: Uint8Array) => Uint8Array;
  readonly isSigned?: boolean;
  readonly issuer?: string;
  readonly algorithm?: typeof p256 | { name: 'RSASSA-PKCS1-v1_5'; hash: string; modulusLength: number };
}

/** A certificate made by another library, with one thing about it wrong. */
async function forge(forgery: Forgery = {}): Promise<Uint8Array> {
  const { signer = identity, says = signer, algorithm = p256, issuer = 'CN=a' } = forgery;
  const rsa = { publicExponent: Uint8Array.of(1, 0, 1) };
  const make = () => webcrypto.subtle.generateKey({ ...rsa, ...algorithm } as typeof p256, true, ['sign', 'verify']);
  const [keys, otherKeys] = [await make(), await make()];
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  const octets = (value: Uint8Array) => der(derTag.octetString, value);
  const signature = await signer.sign(identitySignedBytes(spki));
  const genuine = der(derTag.sequence, octets(publicKeyToProtobuf(says.publicKey)), octets(signature));
  const value = forgery.value?.(genuine) ?? genuine;
  const extension = new x509.Extension(identityExtension, true, new Uint8Array(value));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: '01',
    subject: 'CN=a',
    issuer,
    notBefore: new Date(validity.notBeforeMs),
    notAfter: new Date(validity.notAfterMs),
    publicKey: keys.publicKey,
    signingKey: (forgery.isSigned === false ? otherKeys : keys).privateKey,
    signingAlgorithm: algorithm,
    extensions: forgery.extensions?.(extension) ?? [extension],
  });
  return new Uint8Array(certificate.rawData);
}

describe('our certificate', () => {
  it('is one that other libraries read: self-signed, version 3, P-256, for the time asked', async () => {
    const certificate = new x509.X509Certificate(bytes);
    expect(await certificate.isSelfSigned()).toBe(true);
    expect(certificate.notBefore.getTime()).toBe(validity.notBeforeMs);
    expect(certificate.notAfter.getTime()).toBe(validity.notAfterMs);
    expect(certificate.extensions.map(({ type, critical }) => [type, critical])).toEqual([[identityExtension, true]]);
    expect(new X509Certificate(made.cert).publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it('names its host', async () => {
    expect((await verify(bytes)).peer.equals(peerIdFromPrivateKey(identity))).toBe(true);
  });
});

describe('a certificate of a peer', () => {
  it('is taken from others who make them differently', async () => {
    expect((await verify(await forge())).peer.equals(peerIdFromPrivateKey(identity))).toBe(true);
    const uncritical = await forge({
      extensions: ({ value }) => [new x509.Extension(identityExtension, false, value)],
    });
    await expect(verify(uncritical)).resolves.toBeDefined();
    const usage = new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true);
    await expect(verify(await forge({ extensions: (genuine) => [usage, genuine] }))).resolves.toBeDefined();
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048 } as const;
    await expect(verify(await forge({ algorithm: rsa }))).resolves.toBeDefined();
  });

  it('may be of a secp256k1 identity', async () => {
    const key = await generateKeyPair('secp256k1');
    expect((await verify(await forge({ signer: key }))).peer.equals(peerIdFromPrivateKey(key))).toBe(true);
  });

  it('counts from its first moment to its last', async () => {
    await expect(verify(bytes, validity.notBeforeMs)).resolves.toBeDefined();
    await expect(verify(bytes, validity.notAfterMs)).resolves.toBeDefined();
    await expect(verify(bytes, validity.notBeforeMs - 1)).rejects.toMatchObject(refusedAs('not-yet-valid'));
    await expect(verify(bytes, validity.notAfterMs + 1)).rejects.toMatchObject(refusedAs('expired'));
  });

  it('is refused without the extension, and with two', async () => {
    await expect(verify(await forge({ extensions: () => [] }))).rejects.toMatchObject(refusedAs('no-identity'));
    const twice = await forge({ extensions: (genuine) => [genuine, genuine] });
    await expect(verify(twice)).rejects.toMatchObject({ name: 'TlsRefusedError' });
  });

  it('is refused when the identity did not sign this key', async () => {
    const other = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(2));
    await expect(verify(await forge({ signer: other, says: identity }))).rejects.toMatchObject(
      refusedAs('identity-forged'),
    );
    const cut = await forge({ value: () => der(derTag.sequence, der(derTag.octetString)) });
    await expect(verify(cut)).rejects.toMatchObject(refusedAs('identity-unreadable'));
    const longer = await forge({ value: (genuine) => Uint8Array.of(...genuine, 5, 0) });
    await expect(verify(longer)).rejects.toMatchObject(refusedAs('identity-unreadable'));
  });

  it('is refused when another key, or another name, signed it', async () => {
    await expect(verify(await forge({ isSigned: false }))).rejects.toMatchObject(refusedAs('not-self-signed'));
    await expect(verify(await forge({ issuer: 'CN=b' }))).rejects.toMatchObject(refusedAs('not-self-signed'));
  });

  it('is refused with a critical extension nobody here knows', async () => {
    const unknown = new x509.Extension('1.2.3.4', true, Uint8Array.of(5, 0));
    const certificate = await forge({ extensions: (genuine) => [genuine, unknown] });
    await expect(verify(certificate)).rejects.toMatchObject(refusedAs('unknown-critical-extension'));
  });

  it('is refused with SHA-1, and with a short RSA key', async () => {
    const sha1 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1', modulusLength: 2048 } as const;
    await expect(verify(await forge({ algorithm: sha1 }))).rejects.toMatchObject(refusedAs('weak-signature'));
    const short = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024 } as const;
    await expect(verify(await forge({ algorithm: short }))).rejects.toMatchObject(refusedAs('weak-signature'));
  });

  it('is refused when it is longer than the limit', async () => {
    const comment = new x509.Extension('1.2.3.4', false, new Uint8Array(tlsLimits.certificateBytesMax));
    const long = await forge({ extensions: (genuine) => [genuine, comment] });
    await expect(verify(long)).rejects.toMatchObject(refusedAs('certificate-too-large'));
  });

  it('is refused, cut off or changed anywhere, and only ever so', async () => {
    const peer = peerIdFromPrivateKey(identity);
    const changed = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([place, by]) => {
      const copy = new Uint8Array(bytes);
      copy[place] = (copy[place] ?? 0) ^ by;
      return copy;
    });
    const cut = fc.nat(bytes.length - 1).map((length) => bytes.slice(0, length));
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, cut), async (certificate) => {
        const outcome = await verify(certificate).then(
          (verified) => verified.peer.equals(peer),
          // OpenSSL itself reads the certificate of a connection: what it cannot read ends the handshake there.
          (error: unknown) => error instanceof TlsRefusedError || isOpenSsl(error),
        );
        expect(outcome).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('is remembered, as many as the limit allows, the one asked for longest ago forgotten first', async () => {
    const certificates = new PeerCertificates(2);
    for (let round = 0; round < 4; round += 1) {
      const { cert } = await createHostCertificate(identity, validity, { random });
      await certificates.verify(new X509Certificate(cert), nowMs);
    }
    expect(certificates.size).toBe(2);
  });

  it('that was verified once is still refused when its time is up', async () => {
    const certificates = new PeerCertificates();
    await certificates.verify(new X509Certificate(bytes), nowMs);
    await expect(certificates.verify(new X509Certificate(bytes), nowMs + 2 * dayMs)).rejects.toMatchObject(
      refusedAs('expired'),
    );
  });
});

function isOpenSsl(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL');
}
