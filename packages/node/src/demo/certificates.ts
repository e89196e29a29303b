import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate for the loopback interface and the authority that signed it, PEM. */
export interface LoopbackCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

/**
 * Makes an authority that signs one certificate for localhost and 127.0.0.1, and throws the authority's key away. For the demo: a real
 * relay's certificate comes from a public authority or the hospital's own. `days` from `nowMs` it runs out.
 */
export async function makeLoopbackCertificate(name: string, nowMs: number, days: number): Promise<LoopbackCertificate> {
  const [authority, own] = await Promise.all([generateKeys(), generateKeys()]);
  const validity = { notBefore: new Date(nowMs - dayMs), notAfter: new Date(nowMs + days * dayMs) };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: `CN=${name} authority`,
    keys: authority,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: `CN=${name}`,
    issuer: ca.subject,
    publicKey: own.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', own.privateKey);
  return {
    ca: ca.toString('pem'),
    cert: certificate.toString('pem'),
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>; // a pair for ECDSA
}
