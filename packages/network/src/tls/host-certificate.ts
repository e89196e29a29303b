import { generateKeyPairSync, sign } from 'node:crypto';
import { publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import type { Random } from '@pulsemesh/base';
import { concatBytes } from '@pulsemesh/wire';
import { der, derObjectId, derPositive, derTag, derTime } from './der.ts';

/** The libp2p public key extension (libp2p TLS specification, "libp2p Public Key Extension"). */
export const identityExtension = '1.3.6.1.4.1.53594.1.1';

/** A certificate and its key, PEM, as node's TLS takes them. */
export interface HostCertificate {
  readonly cert: string;
  readonly key: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const ecdsaWithSha256 = der(derTag.sequence, derObjectId('1.2.840.10045.4.3.2'));
const version3 = der(derTag.context, der(derTag.integer, Uint8Array.of(2)));
const commonName = '2.5.4.3';
const text = new TextEncoder();

/**
 * A fresh P-256 key in a self-signed certificate that says, under `identity`'s signature, whose it is.
 * @throws whatever `identity` throws when it cannot sign.
 */
export async function createHostCertificate(
  identity: PrivateKey,
  validity: { readonly notBeforeMs: number; readonly notAfterMs: number },
  { random }: { readonly random: Random },
): Promise<HostCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const signature = await identity.sign(identitySignedBytes(spki));
  const serial = random.bytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40; // positive, and of full length
  const name = issuerName('libp2p');
  const toSign = der(
    derTag.sequence,
    version3,
    derPositive(serial),
    ecdsaWithSha256,
    name,
    der(derTag.sequence, derTime(validity.notBeforeMs), derTime(validity.notAfterMs)),
    name,
    spki,
    der(derTag.context + 3, der(derTag.sequence, identityOf(publicKeyToProtobuf(identity.publicKey), signature))),
  );
  const own = sign('sha256', toSign, privateKey);
  const certificate = der(derTag.sequence, toSign, ecdsaWithSha256, bitString(own));
  return { cert: pem(certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), ...validity };
}

/** What the identity key signs: the key of the certificate, SubjectPublicKeyInfo in DER. */
export function identitySignedBytes(spki: Uint8Array): Uint8Array {
  return concatBytes(text.encode('libp2p-tls-handshake:'), spki);
}

function identityOf(publicKeyProtobuf: Uint8Array, signature: Uint8Array): Uint8Array {
  const value = der(derTag.sequence, der(derTag.octetString, publicKeyProtobuf), der(derTag.octetString, signature));
  const critical = der(derTag.boolean, Uint8Array.of(0xff));
  return der(derTag.sequence, derObjectId(identityExtension), critical, der(derTag.octetString, value));
}

function issuerName(name: string): Uint8Array {
  const attribute = der(derTag.sequence, derObjectId(commonName), der(derTag.utf8String, text.encode(name)));
  return der(derTag.sequence, der(derTag.set, attribute));
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(derTag.bitString, Uint8Array.of(0), bytes);
}

function pem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
