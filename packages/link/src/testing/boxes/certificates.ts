import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';

/** A certificate and its key, as `tls.createServer` takes them. */
export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string;
}

export interface TestCertificateOptions {
  /** DNS names and addresses it is for. Default: localhost, 127.0.0.1, ::1. */
  readonly names?: readonly string[];
  /** Milliseconds since 1970 UTC; defaults 2020 and 2049. */
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

/** A certificate authority for tests: its certificate, and what it signs. */
export interface TestAuthority {
  readonly name: string;
  readonly certificatePem: string;
  /** PKCS #8: for programs that sign certificates themselves (an inspecting squid, mitmproxy). */
  readonly keyPem: string;
  /** A server certificate (ECDSA P-256) with a key of its own. */
  issue(options?: TestCertificateOptions): TestCertificate;
}

const defaultNames = ['localhost', '127.0.0.1', '::1'];
const yearsFrom = Date.UTC(2020, 0, 1);
const yearsTo = Date.UTC(2049, 11, 31);

/**
 * Makes an authority within milliseconds, without a library: RFC 5280 certificates over ECDSA P-256, as few fields as stock TLS
 * stacks accept. `name` becomes its common name and organisation, as an inspecting proxy's is.
 */
export function createTestAuthority(name: string): TestAuthority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = distinguishedName(name);
  const own = certificate({
    issuer: subject,
    subject,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    notBeforeMs: yearsFrom,
    notAfterMs: yearsTo,
    extensions: [
      extension(oids.basicConstraints, true, sequence(boolean(true))),
      extension(oids.keyUsage, true, Buffer.from([0x03, 0x02, 0x01, 0x06])), // keyCertSign, cRLSign
      extension(oids.subjectKeyIdentifier, false, tlv(0x04, keyIdentifier(keys.publicKey))),
    ],
  });
  return {
    name,
    certificatePem: toPem(own),
    keyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    issue(options = {}) {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = options.names ?? defaultNames;
      const der = certificate({
        issuer: subject,
        subject: distinguishedName(names[0] ?? 'localhost'),
        publicKey: leaf.publicKey,
        signer: keys.privateKey,
        notBeforeMs: options.notBeforeMs ?? yearsFrom,
        notAfterMs: options.notAfterMs ?? yearsTo,
        extensions: leafExtensions(names, leaf.publicKey, keys.publicKey),
      });
      return {
        certificatePem: toPem(der),
        keyPem: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
        sha256: createHash('sha256').update(der).digest('hex'),
      };
    },
  };
}

function leafExtensions(names: readonly string[], own: KeyObject, issuer: KeyObject): Buffer[] {
  return [
    extension(oids.basicConstraints, true, sequence()),
    extension(oids.keyUsage, true, Buffer.from([0x03, 0x02, 0x07, 0x80])), // digitalSignature
    extension(oids.extendedKeyUsage, false, sequence(oid(oids.serverAuth), oid(oids.clientAuth))),
    extension(oids.subjectAltName, false, sequence(...names.map(generalName))),
    extension(oids.subjectKeyIdentifier, false, tlv(0x04, keyIdentifier(own))),
    extension(oids.authorityKeyIdentifier, false, sequence(tlv(0x80, keyIdentifier(issuer)))),
  ];
}

interface CertificateParts {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Buffer[];
}

function certificate(parts: CertificateParts): Buffer {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const toSign = sequence(
    tlv(0xa0, integer(Buffer.of(2))), // version 3
    integer(Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    algorithm,
    parts.issuer,
    sequence(utcTime(parts.notBeforeMs), utcTime(parts.notAfterMs)),
    parts.subject,
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...parts.extensions)),
  );
  const signature = sign('sha256', toSign, parts.signer);
  return sequence(toSign, algorithm, tlv(0x03, Buffer.concat([Buffer.of(0), signature])));
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

// DER object identifiers, content only.
const oids = {
  commonName: '550403',
  organisation: '55040a',
  ecdsaWithSha256: '2a8648ce3d040302',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  extendedKeyUsage: '551d25',
  subjectAltName: '551d11',
  subjectKeyIdentifier: '551d0e',
  authorityKeyIdentifier: '551d23',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const;

function distinguishedName(name: string): Buffer {
  const attribute = (type: string) => tlv(0x31, sequence(oid(type), tlv(0x0c, Buffer.from(name, 'utf8'))));
  return sequence(attribute(oids.organisation), attribute(oids.commonName));
}

function generalName(name: string): Buffer {
  if (isIPv4(name)) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  if (isIPv6(name)) return tlv(0x87, ipv6Bytes(name));
  return tlv(0x82, Buffer.from(name, 'ascii'));
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(address.includes('::') ? missing : 0).fill('0'), ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function extension(type: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(type), ...(isCritical ? [boolean(true)] : []), tlv(0x04, value));
}

function sequence(...items: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(items));
}

function oid(content: string): Buffer {
  return tlv(0x06, Buffer.from(content, 'hex'));
}

function integer(content: Buffer): Buffer {
  return tlv(0x02, content);
}

function boolean(value: boolean): Buffer {
  return Buffer.from([0x01, 0x01, value ? 0xff : 0x00]);
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`, 'ascii'));
}

function tlv(tag: number, content: Buffer): Buffer {
  const length = content.length;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
